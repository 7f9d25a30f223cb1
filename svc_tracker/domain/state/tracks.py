"""Tracks: state estimates and records of every live track; the last axis of each array is the track."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self, TypeAlias

import numpy as np

from svc_tracker.domain.state.records import TrackRecords
from svc_tracker.domain.state.types import Floats, Indices, Layout, ModeEstimates

NO_DETECTION: Final = -1
SelectAndAppend: TypeAlias = Callable[[ModeEstimates, ModeEstimates, Indices], ModeEstimates]


class TrackStatus(IntEnum):
    """The life-cycle status of a track; the numbers are those on the wire."""

    NEW = 1
    TRACKED = 2
    LOST = 3
    COASTING = 4


class LostReason(IntEnum):
    """The reason for deleting a track; the numbers are those on the wire."""

    NONE = 0
    NOT_CONFIRMED = 1
    MISSED = 2
    TOO_OLD = 3
    MERGED = 4


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """n tracks in the order of their numbers: state estimates and records."""

    estimates: ModeEstimates
    records: TrackRecords

    @classmethod
    def none(cls, modes: int, layout: Layout) -> Self:
        """Return zero tracks."""
        s, p = layout.size, layout.packed_size
        estimates = ModeEstimates(np.empty((modes, 0)), np.empty((s, modes, 0)), np.empty((p, modes, 0)))
        return cls(estimates, TrackRecords.zeros(0))

    def __len__(self) -> int:
        return len(self.records)

    def select_and_append(self, kept: Indices, new: Self, select_and_append: SelectAndAppend) -> Self:
        """Return the kept tracks, by index, followed by the new ones; the kernel does the same for the estimates."""
        return type(self)(
            select_and_append(self.estimates, new.estimates, kept), self.records.select_and_append(kept, new.records)
        )


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """The tracker's state between frames: time of the last frame (None before the first), next track number, tracks.

    `sensors` lists the sensor ids in the order of their first frames.
    """

    time_ns: int | None
    next_number: int
    sensors: tuple[str, ...]
    tracks: Tracks


@dataclass(frozen=True, slots=True, eq=False)
class Kinematics:
    """The motion of n tracks: `position_m`, `velocity_mps` (3, n), `covariance` (6, 6, n) of both, in ENU at `time_ns`.

    `dt_s` is the time since the frame before; `own_position_m` and `own_velocity_mps` (3,) are the own ship's.
    """

    time_ns: int
    dt_s: float
    position_m: Floats
    velocity_mps: Floats
    covariance: Floats
    own_position_m: Floats
    own_velocity_mps: Floats


def probability_of(log_odds: Floats) -> Floats:
    """Return p of ln(p / (1 - p)), without overflow however large the odds."""
    # exp of minus the magnitude cannot overflow.
    smaller = np.exp(-np.abs(log_odds))
    return np.where(log_odds >= 0.0, 1.0, smaller) / (1.0 + smaller)
