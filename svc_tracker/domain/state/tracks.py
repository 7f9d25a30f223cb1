"""Every track's state as one array a quantity: the last axis counts the tracks."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

import numpy as np

from svc_tracker.domain.state.records import Records
from svc_tracker.domain.state.types import Belief, Floats, Indices, Layout

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


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """n tracks in the order of their numbers: what is believed of their motion, and their records."""

    belief: Belief
    record: Records

    @classmethod
    def none(cls, modes: int, layout: Layout) -> Self:
        """Return zero tracks."""
        s, p = layout.size, layout.packed
        shapes = ((modes, 0), (s, modes, 0), (p, modes, 0))
        return cls(Belief(*map(np.empty, shapes)), Records.blank(0))

    def __len__(self) -> int:
        return len(self.record)

    def joined(self, younger: Self, kept: Indices, join: Callable[..., Belief]) -> Self:
        """Return those of these tracks that are kept and, after them, the younger ones; `join` joins the beliefs."""
        return type(self)(join(self.belief, younger.belief, kept), self.record.joined(younger.record, kept))


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
