"""Index of each event id, on the disk: memory stays the same whatever their number."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from svc_registrar.domain.ids import ID, IdFilter, sorted_ids
from svc_registrar.log.derived_file import DerivedFile

# Ids in memory, after which they become a run on the disk: 1 MB.
NEWEST = 65_536
# Hashes are uniform: the position of one in a run differs from its share by some hundreds, rarely by more than this.
_SPREAD = 1_024
_HASH_BITS = 64


class IdFile:
    """Indexes by the hash of an event id: the newest in a dictionary, all others in sorted runs in one file.

    Run k holds the ids of the records `k * newest + 1` to `(k + 1) * newest`. `candidates` may run in another thread
    than `add`.
    """

    def __init__(self, path: Path, newest: int = NEWEST) -> None:
        """Open the file, or create an empty one; raises OSError."""
        self._file = DerivedFile(path)
        self._run_bytes = newest * ID.itemsize
        self._size = newest
        self._newest: dict[int, int] = {}
        self._filter = IdFilter()
        self._runs = self._last = 0

    def open(self, trusted: int) -> int:
        """Use the runs whose records are among the first `trusted`; return the number of records in them."""
        self._runs = min(self._file.size_bytes // self._run_bytes, trusted // self._size)
        for run in range(self._runs):
            self._filter.add_all(self._read(run, 0, self._size)["hash"])
        self._last = self._runs * self._size
        return self._runs * self._size

    def add(self, id_hash: int, index: int) -> None:
        """Add the index of an id; the indexes follow one another."""
        self._newest[id_hash] = index
        self._last = index

    def settle(self) -> None:
        """Move ids from the dictionary to the file, as many whole runs as there are; raises OSError."""
        while self._last >= (self._runs + 1) * self._size:
            self._settle((self._runs + 1) * self._size)

    def candidates(self, id_hash: int) -> Iterator[int]:
        """Yield the indexes that the id may have: rarely more than one; the caller has to compare."""
        newest = self._newest  # first: `settle` makes a run before it replaces the dictionary
        if (index := newest.get(id_hash)) is not None:
            yield index
        if self._filter.may_contain(id_hash):
            for run in range(self._runs - 1, -1, -1):
                yield from self._find(run, id_hash)

    def sync(self) -> None:
        """Flush the runs to the disk; raises OSError."""
        self._file.sync()

    def clear(self) -> None:
        """Remove every run; raises OSError."""
        self._file.cut(0)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _settle(self, end: int) -> None:
        """Make a run of the ids up to the record `end`."""
        settled = {id_hash: index for id_hash, index in self._newest.items() if index <= end}
        found = sorted_ids(list(settled.keys()), list(settled.values()))
        # Two ids of one hash are one entry: a run has the same length nevertheless.
        found = np.concatenate((found, np.repeat(found[-1:], self._size - len(found))))
        self._file.write(found.tobytes(), self._runs * self._run_bytes)
        self._filter.add_all(found["hash"])
        self._runs += 1
        self._newest = {id_hash: index for id_hash, index in self._newest.items() if index > end}

    def _find(self, run: int, id_hash: int) -> Iterator[int]:
        expected = id_hash * self._size >> _HASH_BITS
        first, end = max(0, expected - _SPREAD), min(self._size, expected + _SPREAD)
        ids = self._read(run, first, end - first)
        if (first and ids["hash"][0] >= id_hash) or (end < self._size and ids["hash"][-1] <= id_hash):
            ids = self._read(run, 0, self._size)
        low = int(np.searchsorted(ids["hash"], np.uint64(id_hash), "left"))
        high = int(np.searchsorted(ids["hash"], np.uint64(id_hash), "right"))
        yield from sorted(set(ids["index"][low:high].tolist()))

    def _read(self, run: int, first: int, count: int) -> NDArray[np.void]:
        offset = run * self._run_bytes + first * ID.itemsize
        return np.frombuffer(self._file.read(count * ID.itemsize, offset), ID)
