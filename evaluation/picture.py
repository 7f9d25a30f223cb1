"""What is there and what is reported at one time, and which track belongs to which thing."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from evaluation.numbers import numbers
from svc_tracker.domain.state.types import Floats, Indices


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """n things, or n tracks: their ids, positions (n, k) in metres and, where known, velocities (n, k) in m/s.

    Raises ValueError, which begins with the field's name, unless each id is there once, the shapes agree and all is
    finite.
    """

    ids: Sequence[Hashable]
    position_m: Floats
    velocity_mps: Floats | None = None

    def __post_init__(self) -> None:
        if len(set(self.ids)) != len(self.ids):
            raise ValueError("ids holds one twice")
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
    """The truth and the tracks at one time, with as many coordinates. Raises ValueError, named as above."""

    truth: Objects
    tracks: Objects

    def __post_init__(self) -> None:
        of_truth, of_tracks = self.truth.position_m.shape[1], self.tracks.position_m.shape[1]
        if of_truth != of_tracks:
            raise ValueError(f"tracks must have as many coordinates as truth, {of_truth}, not {of_tracks}")


def nearest(picture: Picture, limit_m: float) -> Indices:
    """Return for each track that has a thing nearer than the limit the rows of the nearest and of the track, (k, 2).

    A thing may have several tracks, a track one thing. Where two are equally near it is either. Each picture is judged
    alone, whereas Stone Soup's `TrackToTruth` forms and ends associations after several. Raises ValueError, which
    begins with the argument's name, unless the limit is greater than 0 and finite.
    """
    if not 0.0 < limit_m < math.inf:
        raise ValueError(f"limit_m must be greater than 0 and finite, not {limit_m}")
    if not len(picture.truth) or not len(picture.tracks):
        return np.empty((0, 2), dtype=np.intp)
    distance_m, thing = cKDTree(picture.truth.position_m).query(picture.tracks.position_m)
    track = np.flatnonzero(distance_m < limit_m)
    return np.column_stack([np.asarray(thing)[track], track]).astype(np.intp)
