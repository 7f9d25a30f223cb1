"""SIAP metrics: completeness, ambiguity, spuriousness, accuracy and continuity of tracks.

The attributes of the Single Integrated Air Picture (Votruba et al., "Single Integrated Air Picture (SIAP) metrics
implementation", SIAP System Engineering Task Force, 2001), in the form of Stone Soup's `SIAPMetrics`.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.continuity import Assigned, Continuity, continuity_of
from evaluation.numbers import numbers
from evaluation.picture import Picture
from svc_tracker.domain.state.types import Floats, Indices


@dataclass(frozen=True, slots=True)
class Counts:
    """The sums over one picture or several, whose ratios are the attributes.

    `truths` is the number of targets J, of which `tracked`, JT, have a track; `tracks` is N, of which `assigned`, NA,
    have a target. The errors are sums of Euclidean distances over the assigned tracks; the velocity error is None where
    a velocity is unknown.
    """

    truths: int
    tracked: int
    tracks: int
    assigned: int
    position_error_m: float
    velocity_error_mps: float | None

    def __add__(self, other: "Counts") -> "Counts":
        velocities = (self.velocity_error_mps, other.velocity_error_mps)
        known = [error for error in velocities if error is not None]
        return Counts(
            self.truths + other.truths,
            self.tracked + other.tracked,
            self.tracks + other.tracks,
            self.assigned + other.assigned,
            self.position_error_m + other.position_error_m,
            sum(known) if len(known) == len(velocities) else None,
        )

    @property
    def completeness(self) -> float | None:
        """The fraction of targets with a track, JT / J, 1 at best; None without targets."""
        return self.tracked / self.truths if self.truths else None

    @property
    def ambiguity(self) -> float | None:
        """Tracks per tracked target, NA / JT, 1 at best; None without tracked targets."""
        return self.assigned / self.tracked if self.tracked else None

    @property
    def spuriousness(self) -> float | None:
        """The fraction of tracks without a target, (N - NA) / N, 0 at best; None without tracks."""
        return (self.tracks - self.assigned) / self.tracks if self.tracks else None

    @property
    def position_accuracy_m(self) -> float | None:
        """The mean distance of an assigned track from its target; None without assigned tracks."""
        return self.position_error_m / self.assigned if self.assigned else None

    @property
    def velocity_accuracy_mps(self) -> float | None:
        """The mean velocity error of an assigned track; None without assigned tracks, or with an unknown velocity."""
        if self.velocity_error_mps is None or not self.assigned:
            return None
        return self.velocity_error_mps / self.assigned


NOTHING = Counts(0, 0, 0, 0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Siap:
    """The attributes of a run: of each picture, overall, and the continuity of the tracks.

    An overall attribute is the ratio of the sums, not the mean of the ratios. Where the denominator is 0, Stone Soup
    gives 0 (1 for the ambiguity); here the attribute is None.
    """

    at_times: tuple[Counts, ...]
    overall: Counts
    continuity: Continuity


def siap(time_s: ArrayLike, pictures: Sequence[Picture], pairs: Sequence[Indices]) -> Siap:
    """Return the attributes of pictures at increasing times (s,), each with its pairs (k, 2), rows of truth and track.

    A track has at most one target, a target any number of tracks; `nearest` gives such pairs, and those of `gospa` are
    a special case with ambiguity 1. Raises ValueError naming the argument.
    """
    if len(pairs) != len(pictures):
        raise ValueError(f"pairs must be as many as pictures, {len(pictures)}, not {len(pairs)}")
    times_s = numbers("time_s", time_s)
    if times_s.shape != (len(pictures),) or (np.diff(times_s) <= 0.0).any():
        raise ValueError(f"time_s must be as many as pictures, {len(pictures)}, and increase, not {times_s}")
    for picture, rows in zip(pictures, pairs, strict=True):
        _check(picture, rows)
    at_times = tuple(map(counts_of, pictures, pairs))
    return Siap(at_times, sum(at_times, NOTHING), continuity_of(_assigned(pictures, pairs, times_s)))


def counts_of(picture: Picture, pairs: Indices) -> Counts:
    """Return the counts of one picture with its pairs (k, 2)."""
    truth, tracks = picture.truth, picture.tracks
    of_truth, of_track = pairs.T
    velocity: float | None = None
    if truth.velocity_mps is not None and tracks.velocity_mps is not None:
        velocity = _distances(truth.velocity_mps[of_truth], tracks.velocity_mps[of_track])
    return Counts(
        truths=len(truth),
        tracked=len(np.unique(of_truth)),
        tracks=len(tracks),
        assigned=len(of_track),
        position_error_m=_distances(truth.position_m[of_truth], tracks.position_m[of_track]),
        velocity_error_mps=velocity,
    )


def _distances(first: Floats, second: Floats) -> float:
    """Return the sum of the distances between the rows of two arrays (k, d)."""
    return float(np.sum(np.linalg.norm(first - second, axis=1)))


def _check(picture: Picture, pairs: Indices) -> None:
    """Raise ValueError unless these are rows of the picture's targets and tracks, each track at most once."""
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not np.issubdtype(pairs.dtype, np.integer):
        raise ValueError(f"pairs must be whole numbers of shape (k, 2), not {pairs.dtype} of {pairs.shape}")
    if (pairs < 0).any() or (pairs >= (len(picture.truth), len(picture.tracks))).any():
        raise ValueError("pairs must be rows of the picture")
    if len(np.unique(pairs[:, 1])) != len(pairs):
        raise ValueError("pairs must have each track at most once in a picture")


def _assigned(pictures: Sequence[Picture], pairs: Sequence[Indices], times_s: Floats) -> Assigned:
    """Return the pairs of all pictures, with targets and tracks numbered in the order of their appearance."""
    target_number: dict[Hashable, int] = {}
    track_number: dict[Hashable, int] = {}
    present: list[tuple[int, int]] = []
    paired: list[tuple[int, int, int]] = []
    for scan, (picture, rows) in enumerate(zip(pictures, pairs, strict=True)):
        targets = [target_number.setdefault(own, len(target_number)) for own in picture.truth.ids]
        tracks = [track_number.setdefault(own, len(track_number)) for own in picture.tracks.ids]
        present.extend((scan, target) for target in targets)
        paired.extend((scan, targets[target], tracks[track]) for target, track in rows.tolist())
    return Assigned(
        times_s, np.array(present, dtype=np.intp).reshape(-1, 2), np.array(paired, dtype=np.intp).reshape(-1, 3)
    )
