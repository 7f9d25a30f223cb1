"""Sorted hashes of event ids with their indexes, and a filter that knows most new ids without looking. Pure."""

import numpy as np
from numpy.typing import NDArray

ID = np.dtype([("hash", "<u8"), ("index", "<u8")])
# 2**27 bits, whatever the number of ids: below one false alarm in a hundred up to 14 million of them. Pages that no id
# has touched take no memory.
_FILTER_BITS = 27
_PROBES = 3
_MASK = (1 << _FILTER_BITS) - 1
# The probes are different bits of the same 64: 3 times 21 bits of distance.
_SHIFT = 18


def sorted_ids(hashes: list[int], indexes: list[int]) -> NDArray[np.void]:
    """Return hashes with their indexes, in ascending order of the hashes."""
    found = np.empty(len(hashes), ID)
    found["hash"], found["index"] = np.array(hashes, np.uint64), np.array(indexes, np.uint64)
    return found[np.argsort(found["hash"], kind="stable")]


class IdFilter:
    """A Bloom filter: an id that it does not contain was never added."""

    def __init__(self) -> None:
        self._bits = np.zeros(1 << (_FILTER_BITS - 3), np.uint8)
        self._view = self._bits.data

    def add_all(self, hashes: NDArray[np.uint64]) -> None:
        """Add hashes."""
        for probe in range(_PROBES):
            places = (hashes >> np.uint64(_SHIFT * probe)) & np.uint64(_MASK)
            np.bitwise_or.at(
                self._bits, places >> np.uint64(3), np.uint8(1) << (places & np.uint64(7)).astype(np.uint8)
            )

    def may_contain(self, id_hash: int) -> bool:
        """Return whether the hash may have been added."""
        view = self._view
        for probe in range(_PROBES):
            place = (id_hash >> (_SHIFT * probe)) & _MASK
            if not view[place >> 3] >> (place & 7) & 1:
                return False
        return True
