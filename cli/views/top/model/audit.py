"""The newest audit events."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from cli.views.top.model.enums import enum_name
from qiki.registrar.v1.registrar_service_pb2 import AuditEvent, Severity

MAX_EVENTS: Final = 500


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One audit event.

    `reported_s` is the wall-clock time at which it was reported, in seconds since 1970, and `time` the same as HH:MM:SS
    in UTC; `attributes` are as `name=value ...`.
    """

    event_id: str
    reported_s: int
    time: str
    code: int
    name: str
    severity: str
    reporter: str
    message: str
    attributes: str


@dataclass(frozen=True, slots=True)
class AuditTrail:
    """The newest events, newest first, and in a few words how their stream is; `state` is empty while it is read."""

    lines: tuple[AuditLine, ...] = ()
    state: str = "not connected yet"


def with_events(trail: AuditTrail, newest_first: Iterable[AuditEvent]) -> AuditTrail:
    """Return the trail with newer events, each once."""
    known = {line.event_id for line in trail.lines}
    fresh = [line for line in map(_line, newest_first) if line.event_id not in known]
    return replace(trail, lines=(*fresh, *trail.lines)[:MAX_EVENTS])


def _line(event: AuditEvent) -> AuditLine:
    return AuditLine(
        event_id=event.event_id,
        reported_s=event.reported_time.seconds,
        time=_clock(event),
        code=event.code,
        name=event.name,
        severity=enum_name(Severity.DESCRIPTOR, event.severity, "SEVERITY_"),
        reporter=event.reporter,
        message=event.message,
        attributes=" ".join(f"{attribute.name}={attribute.value}" for attribute in event.attributes),
    )


def _clock(event: AuditEvent) -> str:
    try:
        return datetime.fromtimestamp(event.reported_time.seconds, UTC).strftime("%H:%M:%S")
    except (ValueError, OverflowError, OSError):  # beyond the calendar
        return "?"
