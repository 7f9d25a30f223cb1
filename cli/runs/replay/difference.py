"""First difference of two protobuf messages of one type, in words."""

from typing import Any

from google.protobuf.message import Message

MAX_VALUE_CHARACTERS = 60


def first_difference(archived: Message, folded: Message, path: str = "") -> str:
    """Return the first differing field and both its values; empty if there is none."""
    for field in archived.DESCRIPTOR.fields:
        name = f"{path}.{field.name}" if path else field.name
        found = _of_field(field, getattr(archived, field.name), getattr(folded, field.name), name)
        if not found and field.has_presence and archived.HasField(field.name) != folded.HasField(field.name):
            found = f"{name}: is there in one of them only"
        if found:
            return found
    return ""


def _of_field(field: Any, archived: Any, folded: Any, name: str) -> str:
    if field.is_repeated:
        if len(archived) != len(folded):
            return f"{name}: {len(archived)} archived, {len(folded)} folded"
        for number, (first, second) in enumerate(zip(archived, folded, strict=True)):
            if found := _of_value(first, second, f"{name}[{number}]"):
                return found
        return ""
    return _of_value(archived, folded, name)


def _of_value(archived: Any, folded: Any, name: str) -> str:
    if isinstance(archived, Message):
        return first_difference(archived, folded, name)
    # As text, so that two NaNs are equal and the two zeros are not.
    if repr(archived) == repr(folded):
        return ""
    return f"{name}: {repr(archived)[:MAX_VALUE_CHARACTERS]} archived, {repr(folded)[:MAX_VALUE_CHARACTERS]} folded"
