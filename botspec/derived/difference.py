"""Semantic difference of two BotSpecs: entries are compared by name, values with their defaults filled in."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from botspec.model import BotSpec

# The field that identifies an entry of a list; the first that all entries of both lists have, and none twice.
_KEYS = ("name", "identity", "to")


def differences(before: BotSpec, after: BotSpec) -> list[str]:
    """Return one line for each value that differs, and for each entry that was added, removed or moved."""
    return list(_compare("", before.model_dump(mode="json"), after.model_dump(mode="json")))


def _compare(where: str, before: Any, after: Any) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys([*before, *after]):
            yield from _compare(f"{where}.{key}".removeprefix("."), before.get(key), after.get(key))
    elif key := _key(before, after):
        yield from _compare_entries(where, {each[key]: each for each in before}, {each[key]: each for each in after})
    elif before != after:
        yield f"{where}: {_shown(before)} -> {_shown(after)}"


def _compare_entries(where: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name in dict.fromkeys([*before, *after]):
        place = f"{where}.{name}"
        if name not in after:
            yield f"{place}: removed{_kind(before[name])}"
        elif name not in before:
            yield f"{place}: added{_kind(after[name])}"
        else:
            yield from _compare(place, before[name], after[name])
    kept = [name for name in before if name in after]
    if kept != [name for name in after if name in before]:
        yield f"{where}: in another order: {', '.join(kept)} -> {', '.join(name for name in after if name in before)}"


def _key(before: Any, after: Any) -> str | None:
    """Return the field by which the entries of two lists are matched; None where they are no such lists."""
    if not (isinstance(before, Sequence) and isinstance(after, Sequence)) or isinstance(before, str):
        return None
    entries = [*before, *after]
    if not entries or not all(isinstance(entry, Mapping) for entry in entries):
        return None
    for key in _KEYS:
        values = [[entry.get(key) for entry in entries_of] for entries_of in (before, after)]
        if all(None not in names and len(set(names)) == len(names) for names in values):
            return key
    return None


def _kind(entry: Mapping[str, Any]) -> str:
    kind = entry.get("type") or entry.get("kind") or entry.get("subject") or entry.get("filter_subject")
    return f" ({kind})" if kind else ""


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)
