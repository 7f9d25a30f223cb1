"""Every track's state as one array a quantity: the last axis counts the tracks."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

import numpy as np

from svc_tracker.domain.arrays import Floats, Indices, Integers, Records
from svc_tracker.domain.beliefs import joined
from svc_tracker.domain.layout import Belief, Layout

NO_DETECTION: Final = -1


class TrackStatus(IntEnum):
    """Where a track is in its life; the numbers are those on the wire."""

    NEW = 1
    TRACKED = 2
    LOST = 3
    COASTING = 4


class LostReason(IntEnum):
    """Why a track was given up; the numbers are those on the wire."""

    NONE = 0
    NOT_CONFIRMED = 1
    MISSED = 2
    TOO_OLD = 3
    MERGED = 4


RECORD: Final = np.dtype(
    [
        ("number", np.int64),
        ("status", np.int64),
        ("birth_ns", np.int64),
        ("measured_ns", np.int64),
        ("hits", np.int64),
        ("misses", np.int64),
        ("misses_in_all", np.int64),
        ("score", np.float64),
        ("birth_score", np.float64),
        ("nis", np.float64),
        ("nis_dof", np.int64),
        ("detection", np.int64),
        ("sensor", np.int64),
        ("range_band", np.int64),
        ("snr_db", np.float64),
        ("rcs_dbsm", np.float64),
        ("mean_rcs_dbsm", np.float64),
    ]
)
"""What is kept of a track besides its motion.

`misses` counts the scans in a row that should have seen a track and did not, `misses_in_all` all of them. `score` is
the logarithm of the odds that it exists, `birth_score` what it began with. `nis` is of the last innovation, of
`nis_dof` components; `detection` is that of the last frame, by its place in it. `sensor` says whose detection was last,
at `measured_ns`, as an index into the tracker's list; `mean_rcs_dbsm` follows the measured cross sections slowly.
"""

_WORDS: Final = RECORD.itemsize // 8


def words(record: Records) -> Integers:
    """Return the records (n,) as rows of words (n, w), in the same memory: as these NumPy moves them far faster."""
    rows: Integers = record.view(np.int64).reshape(len(record), _WORDS)
    return rows


def copied(record: Records) -> Records:
    """Return the records in an array of their own."""
    copy: Records = words(record).copy().reshape(-1).view(RECORD)
    return copy


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """n tracks in the order of their numbers: what is believed of their motion, and their records (n,)."""

    belief: Belief
    record: Records

    @classmethod
    def none(cls, modes: int, layout: Layout) -> Self:
        """Return zero tracks."""
        s, p = layout.size, layout.packed
        shapes = ((modes, 0), (s, modes, 0), (p, modes, 0))
        return cls(Belief(*map(np.empty, shapes)), np.empty(0, dtype=RECORD))

    def __len__(self) -> int:
        return len(self.record)

    def joined(self, younger: Self, kept: Indices, join: Callable[..., Belief] = joined) -> Self:
        """Return those of these tracks that are kept and, after them, the younger ones; `join` joins the beliefs."""
        record = np.empty(len(kept) + len(younger), dtype=RECORD)
        words(record)[: len(kept)] = words(self.record.take(kept))
        words(record)[len(kept) :] = words(younger.record)
        return type(self)(join(self.belief, younger.belief, kept), record)


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """What goes on from frame to frame: the last frame's time, None before the first, the next track's number, the
    sensors heard of in the order of their first frames, and the live tracks.
    """

    time_ns: int | None
    next_number: int
    sensors: tuple[str, ...]
    tracks: Tracks


def probability(log_odds: Floats) -> Floats:
    """Return p of ln(p / (1 - p)), without overflow however large the odds."""
    # Of exp only what cannot overflow is asked: of minus the magnitude.
    smaller = np.exp(-np.abs(log_odds))
    return np.where(log_odds >= 0.0, 1.0, smaller) / (1.0 + smaller)
