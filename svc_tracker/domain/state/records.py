"""What is kept of tracks besides their motion: by field and, all fields at once, by track."""

from typing import Any, Final, Self

import numpy as np

from svc_tracker.domain.state.types import Indices, Integers

_INTEGERS: Final = (
    *("number", "status", "birth_ns", "measured_ns", "hits", "misses", "misses_in_all"),
    *("nis_dof", "detection", "sensor", "range_band"),
)
_FLOATS: Final = ("score", "birth_score", "nis", "snr_db", "rcs_dbsm", "mean_rcs_dbsm")
_ROW: Final = {name: row for row, name in enumerate(_INTEGERS + _FLOATS)}
_FLOATS_FROM: Final = len(_INTEGERS)


class Records:
    """The records of n tracks: `records["score"]` is that field of all of them, (n,), to be read and written.

    `misses` counts the scans in a row that should have seen a track and did not, `misses_in_all` all of them. `score`
    is the logarithm of the odds that it exists, `birth_score` what it began with. `nis` is of the last innovation, of
    `nis_dof` components; `detection` is that of the last frame, by its place in it. `sensor` says whose detection was
    last, at `measured_ns`, as an index into the tracker's list; `mean_rcs_dbsm` follows the measured cross sections
    slowly. Integers and floats are words (f, n) of one array, which moves as one.
    """

    __slots__ = ("_floats", "words")

    def __init__(self, words: Integers) -> None:
        """Take the words over."""
        self.words = words
        self._floats = words.view(np.float64)

    @classmethod
    def blank(cls, count: int) -> Self:
        """Return so many records, all of them 0."""
        return cls(np.zeros((len(_ROW), count), dtype=np.int64))

    def __len__(self) -> int:
        return int(self.words.shape[1])

    def __getitem__(self, name: str) -> Any:
        row = _ROW[name]
        return self._floats[row] if row >= _FLOATS_FROM else self.words[row]

    def __setitem__(self, name: str, values: Any) -> None:
        self[name][:] = values

    def copied(self) -> Self:
        """Return the same records in an array of their own."""
        return type(self)(self.words.copy())

    def chosen(self, which: Indices) -> Self:
        """Return some of the records, by index."""
        return type(self)(self.words.take(which, axis=1))

    def replace(self, which: Indices, rows: Self) -> None:
        """Replace some of the records, by index, in place."""
        self.words[:, which] = rows.words

    def joined(self, younger: Self, kept: Indices) -> Self:
        """Return the records that are kept and, after them, the younger ones."""
        words = np.empty((len(_ROW), len(kept) + len(younger)), dtype=np.int64)
        words[:, : len(kept)] = self.words.take(kept, axis=1)
        words[:, len(kept) :] = younger.words
        return type(self)(words)
