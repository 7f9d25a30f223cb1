"""Track records: the per-track quantities besides the state estimates, with a typed property for each.

A new quantity of a track is declared here, computed in `cycle.py`, and, where it is to be seen, added to
`proto/qiki/radar/v1/track.proto` and encoded in `wire/tracks.py` and `wire/columns.py`. Selection, the track table and
checkpoints carry every record; a checkpoint of other quantities is not used.
"""

from typing import ClassVar, Self

import numpy as np

from svc_tracker.domain.state.types import Floats, Indices, Integers


class _IntegerRow:
    """One integer quantity of every track, (n,): a row of the records' words."""

    def __set_name__(self, owner: "type[TrackRecords]", name: str) -> None:
        self._row, owner.names = len(owner.names), (*owner.names, name)

    def __get__(self, records: "TrackRecords", owner: object = None) -> Integers:
        row: Integers = records.words[self._row]
        return row

    def __set__(self, records: "TrackRecords", values: Integers | int) -> None:
        records.words[self._row] = values


class _FloatRow:
    """One real quantity of every track, (n,): a row of the records' words, read as float64."""

    def __set_name__(self, owner: "type[TrackRecords]", name: str) -> None:
        self._row, owner.names = len(owner.names), (*owner.names, name)

    def __get__(self, records: "TrackRecords", owner: object = None) -> Floats:
        row: Floats = records.floats[self._row]
        return row

    def __set__(self, records: "TrackRecords", values: Floats | float) -> None:
        records.floats[self._row] = values


class TrackRecords:
    """The records of n tracks, each property an array (n,) to read and write.

    `consecutive_misses` counts the missed detections in a row, `total_misses` all of them (the wire's `misses`).
    `score` is the log-odds of existence, `initial_score` its value at initiation. `nis` is the normalised innovation
    squared of the last update, of `nis_dof` components. `detection` is the index of this frame's detection, -1 for
    none. `sensor` is the index of the sensor of the last detection, at `measured_ns`. `mean_rcs_dbsm` is a running mean
    of the measured cross sections.

    All quantities are 64-bit words (f, n) of one array, so that the records are selected and concatenated at once.
    """

    names: ClassVar[tuple[str, ...]] = ()

    number = _IntegerRow()
    status = _IntegerRow()
    lost_reason = _IntegerRow()
    birth_ns = _IntegerRow()
    measured_ns = _IntegerRow()
    hits = _IntegerRow()
    consecutive_misses = _IntegerRow()
    total_misses = _IntegerRow()
    nis_dof = _IntegerRow()
    detection = _IntegerRow()
    sensor = _IntegerRow()
    range_band = _IntegerRow()
    score = _FloatRow()
    initial_score = _FloatRow()
    nis = _FloatRow()
    snr_db = _FloatRow()
    rcs_dbsm = _FloatRow()
    mean_rcs_dbsm = _FloatRow()

    __slots__ = ("floats", "words")

    def __init__(self, words: Integers) -> None:
        """Wrap an array of words (f, n), which is not copied."""
        self.words = words
        self.floats: Floats = words.view(np.float64)

    @classmethod
    def zeros(cls, count: int) -> Self:
        """Return this many records, every quantity 0."""
        return cls(np.zeros((len(cls.names), count), dtype=np.int64))

    def __len__(self) -> int:
        return int(self.words.shape[1])

    def copy(self) -> Self:
        """Return a copy in an array of its own."""
        return type(self)(self.words.copy())

    def select(self, rows: Indices) -> Self:
        """Return some of the records, by index, in an array of their own."""
        return type(self)(self.words.take(rows, axis=1))

    def replace_rows(self, rows: Indices, values: Self) -> None:
        """Replace some of the records, by index, in place."""
        self.words[:, rows] = values.words

    def concatenate(self, new: Self) -> Self:
        """Return these records followed by the new ones, in an array of their own."""
        return type(self)(np.concatenate((self.words, new.words), axis=1))

    def select_and_append(self, kept: Indices, new: Self) -> Self:
        """Return the kept records, by index, followed by the new ones."""
        words = np.empty((len(self.names), len(kept) + len(new)), dtype=np.int64)
        words[:, : len(kept)] = self.words.take(kept, axis=1)
        words[:, len(kept) :] = new.words
        return type(self)(words)
