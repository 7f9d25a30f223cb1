"""Ranges of sequences, each with its first and last: in order, and joined where they touch. Pure."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

Range: TypeAlias = tuple[int, int]


def covers(ranges: Sequence[Range], sequence: int) -> bool:
    """Return whether a sequence is in one of the ranges."""
    return any(first <= sequence <= last for first, last in ranges)


def joined(ranges: Iterable[Range], above: int = 0) -> list[Range]:
    """Return the ranges in order, without what is not above a sequence, those that touch as one."""
    found: list[Range] = []
    for first, last in sorted((max(first, above + 1), last) for first, last in ranges if last > above):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found
