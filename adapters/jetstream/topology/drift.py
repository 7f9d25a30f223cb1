"""Stream drift: differences from the declaration, and which of them an update may remove without losing data."""

from collections.abc import Mapping
from dataclasses import dataclass

from botspec.bus.subjects import subjects_overlap

StreamConfig = Mapping[str, object]
"""A stream's configuration in JetStream's own JSON fields: durations in nanoseconds, -1 for no limit."""

_ABSENT: StreamConfig = {  # the server's meaning of a field that it omits
    "no_ack": False,
    "sealed": False,
    "deny_delete": False,
    "deny_purge": False,
    "allow_rollup_hdrs": False,
    "allow_msg_ttl": False,
    "allow_msg_counter": False,
    "allow_atomic": False,
    "allow_direct": False,
    "discard_new_per_subject": False,
    "compression": "none",
    "persist_mode": "default",
    "max_age": 0,
}
_LIMITS = ("max_msgs", "max_msgs_per_subject", "max_bytes", "max_age", "max_msg_size", "max_consumers")
_FREELY_CHANGED = ("discard", "discard_new_per_subject", "duplicate_window", "allow_direct", "allow_atomic", "no_ack")


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of one stream that differs from the declaration. A missing stream differs in its `name`."""

    stream: str
    field: str
    wanted: object
    actual: object

    def __str__(self) -> str:
        return f"{self.stream}.{self.field}: declared {self.wanted!r}, found {self.actual!r}"


@dataclass(frozen=True, slots=True)
class Overlap:
    """Another stream that already captures a declared subject."""

    stream: str
    subject: str
    other: str
    other_subject: str


def diff(wanted: Mapping[str, StreamConfig], actual: Mapping[str, StreamConfig]) -> list[Difference]:
    """Return every declared field in which an existing stream differs, streams by name."""
    found: list[Difference] = []
    for name in sorted(wanted.keys() & actual.keys()):
        for field, value in wanted[name].items():
            other = actual[name].get(field, _ABSENT.get(field))
            if _comparable(field, value) != _comparable(field, other):
                found.append(Difference(name, field, value, other))
    return found


def missing(wanted: Mapping[str, StreamConfig], actual: Mapping[str, StreamConfig]) -> list[str]:
    """Return the names of the declared streams that do not exist, in the order of their declaration."""
    return [name for name in wanted if name not in actual]


def overlaps(wanted: Mapping[str, StreamConfig], actual: Mapping[str, StreamConfig]) -> list[Overlap]:
    """Return where an existing stream captures a subject that is declared for another."""
    return [
        Overlap(name, subject, other, other_subject)
        for name, config in wanted.items()
        for other, other_config in actual.items()
        if other != name
        for subject in _subjects(config)
        for other_subject in _subjects(other_config)
        if subjects_overlap(subject, other_subject)
    ]


def refusal(difference: Difference) -> str | None:
    """Return why an update may not remove the difference, and the remedy; None where nothing is lost."""
    field, wanted, actual = difference.field, difference.wanted, difference.actual
    if field == "subjects":
        lost = sorted(set(_strings(actual)) - set(_strings(wanted)))
        return f"messages on {', '.join(lost)} would no longer be stored; move them to another stream" if lost else None
    if field in _LIMITS:
        shrinks = _limit(wanted) < _limit(actual)
        return "it would discard what is stored; declare no less, or remove messages by hand first" if shrinks else None
    if field == "num_replicas":
        fewer = isinstance(wanted, int) and isinstance(actual, int) and wanted < actual
        return "it would give up copies; declare as many, or change the stream by hand" if fewer else None
    if field in _FREELY_CHANGED:
        return None
    return "it cannot be changed in place; save what is stored in the stream, remove the stream, and create it again"


def _comparable(field: str, value: object) -> object:
    if field == "subjects":
        return sorted(_strings(value))
    if field in _LIMITS:
        return _limit(value)
    return value


def _limit(value: object) -> float:
    return float(value) if isinstance(value, int) and value > 0 else float("inf")


def _subjects(config: StreamConfig) -> list[str]:
    return _strings(config.get("subjects"))


def _strings(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list | tuple) else []
