"""Sequence of each event id: 16 bytes of memory an id, whatever their number. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEWEST = 65_536
# A run of this length is not merged again: merging blocks, whereas a lookup in one more run takes microseconds.
LONGEST_RUN = 4 * NEWEST
_MASK = 2**64 - 1


@dataclass(frozen=True, slots=True)
class _Sorted:
    """Hashes in ascending order, with the sequence of each at the same index."""

    hashes: NDArray[np.uint64]
    sequences: NDArray[np.uint64]

    @classmethod
    def of(cls, hashes: NDArray[np.uint64], sequences: NDArray[np.uint64]) -> "_Sorted":
        order = np.argsort(hashes, kind="stable")
        return cls(hashes[order], sequences[order])

    def merged(self, other: "_Sorted") -> "_Sorted":
        return _Sorted.of(
            np.concatenate((self.hashes, other.hashes)), np.concatenate((self.sequences, other.sequences))
        )


class IdTable:
    """Sequences by event id.

    The newest ids are in a dictionary; each time it is full it becomes a sorted run, and runs of similar length are
    merged up to `LONGEST_RUN`, so that there are few more runs than ids divided by that length.
    """

    def __init__(self) -> None:
        self._newest: dict[int, int] = {}
        self._runs: list[_Sorted] = []

    def add(self, event_id: bytes, sequence: int) -> None:
        """Add the sequence of an id."""
        self._newest[_hash(event_id)] = sequence
        if len(self._newest) >= NEWEST:
            self._settle()

    def candidates(self, event_id: bytes) -> Iterator[int]:
        """Yield the sequences that the id may have: rarely more than one; the caller has to compare."""
        wanted = _hash(event_id)
        if (sequence := self._newest.get(wanted)) is not None:
            yield sequence
        for run in self._runs:
            first = int(np.searchsorted(run.hashes, np.uint64(wanted), "left"))
            last = int(np.searchsorted(run.hashes, np.uint64(wanted), "right"))
            yield from (int(sequence) for sequence in run.sequences[first:last])

    def _settle(self) -> None:
        run = _Sorted.of(
            np.fromiter(self._newest.keys(), np.uint64, len(self._newest)),
            np.fromiter(self._newest.values(), np.uint64, len(self._newest)),
        )
        while self._runs and len(self._runs[-1].hashes) <= len(run.hashes) < LONGEST_RUN:
            run = self._runs.pop().merged(run)
        self._runs.append(run)
        self._newest = {}


def _hash(event_id: bytes) -> int:
    return hash(event_id) & _MASK
