"""Truth and tracks at one time, and the association of each track with its nearest target."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from evaluation.numbers import numbers
from svc_tracker.domain.state.types import Floats, Indices


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """n targets or n tracks: ids, positions (n, k) in metres and, where known, velocities (n, k) in m/s.

    Raises ValueError naming the field, unless the ids are unique, the shapes agree and every value is finite.
    """

    ids: Sequence[Hashable]
    position_m: Floats
    velocity_mps: Floats | None = None

    def __post_init__(self) -> None:
        if len(set(self.ids)) != len(self.ids):
            raise ValueError("ids must be unique")
        for name, values in (("position_m", self.position_m), ("velocity_mps", self.velocity_mps)):
            if values is None:
                continue
            if values.ndim != 2 or len(values) != len(self.ids) or values.shape[1] != self.position_m.shape[1]:
                raise ValueError(f"{name} must be of shape ({len(self.ids)}, k), not {values.shape}")
            numbers(name, values)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """The truth and the tracks at one time, with the same number of coordinates. Raises ValueError naming the field."""

    truth: Objects
    tracks: Objects

    def __post_init__(self) -> None:
        of_truth, of_tracks = self.truth.position_m.shape[1], self.tracks.position_m.shape[1]
        if of_truth != of_tracks:
            raise ValueError(f"tracks must have as many coordinates as truth, {of_truth}, not {of_tracks}")


def nearest(picture: Picture, limit_m: float) -> Indices:
    """Return the rows (k, 2) of the nearest target and of the track, for each track with a target within the limit.

    A target may have several tracks, a track has one target; of two equally near, either. Each picture is associated
    independently, whereas Stone Soup's `TrackToTruth` starts and ends associations after several. Raises ValueError
    naming the argument, unless the limit is greater than 0 and finite.
    """
    if not 0.0 < limit_m < math.inf:
        raise ValueError(f"limit_m must be greater than 0 and finite, not {limit_m}")
    if not len(picture.truth) or not len(picture.tracks):
        return np.empty((0, 2), dtype=np.intp)
    distance_m, target = cKDTree(picture.truth.position_m).query(picture.tracks.position_m)
    track = np.flatnonzero(distance_m < limit_m)
    return np.column_stack([np.asarray(target)[track], track]).astype(np.intp)
