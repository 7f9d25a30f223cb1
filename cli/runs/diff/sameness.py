"""Sameness of two messages of two runs: ids are compared as pairs, and times as time since each run's start.

Ids are functions of the run's id, so two runs of the same scenario have other ids for the same contacts, frames and
tracks. An id of the first run is the same as the id of the second that it was paired with when it first appeared.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

MAX_VALUE_CHARACTERS: Final = 60
# An id, or its first eight digits as an alarm's text has them.
_ID: Final = re.compile(r"\b[0-9a-f]{8}(?:(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})?\b")

Difference = tuple[str, str, str]
"""A field's path, and its value in the first and in the second message."""


class Sameness:
    """The comparison of the events of two runs; `shift_ns` is the second run's start time less the first's."""

    def __init__(self, *, same_run: bool, shift_ns: int) -> None:
        self._same_run = same_run
        self.shift_ns = shift_ns
        self._second_of: dict[str, str] = {}
        self._first_of: dict[str, str] = {}

    def differences(self, first: Message, second: Message) -> list[Difference]:
        """Return every differing field of two messages of one type; ids are paired only where there is none."""
        comparison = _Comparison(self._same_run, self.shift_ns, self._second_of, self._first_of)
        found = list(comparison.of_message(first, second, ""))
        if not found:
            for one, other in comparison.fresh.items():
                self._second_of[one], self._first_of[other] = other, one
        return found


class _Comparison:
    """The comparison of two messages, with the ids that it pairs for the first time in `fresh`."""

    def __init__(self, same_run: bool, shift_ns: int, second_of: dict[str, str], first_of: dict[str, str]) -> None:
        self._same_run = same_run
        self._shift_ns = shift_ns
        self._second_of = second_of
        self._first_of = first_of
        self.fresh: dict[str, str] = {}
        self._fresh_back: dict[str, str] = {}

    def of_message(self, first: Message, second: Message, path: str) -> Iterator[Difference]:
        """Yield the differing fields below a path."""
        if isinstance(first, Timestamp) and isinstance(second, Timestamp):
            if second.ToNanoseconds() - first.ToNanoseconds() != self._shift_ns:
                yield path, first.ToJsonString(), second.ToJsonString()
            return
        for field in first.DESCRIPTOR.fields:
            name = f"{path}.{field.name}" if path else field.name
            one, other = getattr(first, field.name), getattr(second, field.name)
            if field.is_repeated:
                yield from self._of_list(one, other, name)
            elif field.has_presence and first.HasField(field.name) != second.HasField(field.name):
                there = first.HasField(field.name)
                yield name, shown(one) if there else "absent", "absent" if there else shown(other)
            elif field.message_type is not None and not first.HasField(field.name):
                continue
            else:
                yield from self._of_value(one, other, name)

    def _of_list(self, first: Any, second: Any, path: str) -> Iterator[Difference]:
        if len(first) != len(second):
            yield f"{path} (number)", str(len(first)), str(len(second))
        for number, (one, other) in enumerate(zip(first, second, strict=False)):
            yield from self._of_value(one, other, f"{path}[{number}]")

    def _of_value(self, first: Any, second: Any, path: str) -> Iterator[Difference]:
        if isinstance(first, Message):
            yield from self.of_message(first, second, path)
        elif isinstance(first, str) and not self._same_run:
            if not self._same_text(first, second):
                yield path, shown(first), shown(second)
        elif repr(first) != repr(second):  # as text, so that two NaNs are equal and the two zeros are not
            yield path, shown(first), shown(second)

    def _same_text(self, first: str, second: str) -> bool:
        if _ID.sub("", first) != _ID.sub("", second):
            return False
        pairs = zip(_ID.findall(first), _ID.findall(second), strict=False)
        paired = [self._paired(one, other) for one, other in pairs]  # all of them, also after one that differs
        return all(paired)

    def _paired(self, first: str, second: str) -> bool:
        known = self._second_of.get(first) or self.fresh.get(first)
        known_back = self._first_of.get(second) or self._fresh_back.get(second)
        if known is None and known_back is None:
            self.fresh[first], self._fresh_back[second] = second, first
            return True
        return known == second and known_back == first


def shown(value: object) -> str:
    """Return a value as text of bounded length."""
    text = " ".join(str(value).split()) if isinstance(value, Message) else repr(value)
    return text if len(text) <= MAX_VALUE_CHARACTERS else f"{text[:MAX_VALUE_CHARACTERS]}..."
