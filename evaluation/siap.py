"""How complete, unambiguous, clean and accurate a picture is, and how continuous: metrics in the manner of SIAP.

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
    """What is there, in one picture or in several added up: the sums that the attributes are ratios of.

    `truths` is J, `tracked` of them, JT, have a track; `tracks` is N, `assigned` of them, NA, have a thing. The errors
    are sums of Euclidean distances over the assigned tracks; that of velocity is None where one is not known.
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
        """The share of things that have a track, JT / J, 1 at best; None where there is nothing."""
        return self.tracked / self.truths if self.truths else None

    @property
    def ambiguity(self) -> float | None:
        """Tracks for each thing that has any, NA / JT, 1 at best; None where none has."""
        return self.assigned / self.tracked if self.tracked else None

    @property
    def spuriousness(self) -> float | None:
        """The share of tracks that belong to nothing, (N - NA) / N, 0 at best; None without a track."""
        return (self.tracks - self.assigned) / self.tracks if self.tracks else None

    @property
    def position_accuracy_m(self) -> float | None:
        """The mean distance of an assigned track from its thing; None where no track is assigned."""
        return self.position_error_m / self.assigned if self.assigned else None

    @property
    def velocity_accuracy_mps(self) -> float | None:
        """The mean difference of an assigned track's velocity; None where none is assigned, or one is not known."""
        if self.velocity_error_mps is None or not self.assigned:
            return None
        return self.velocity_error_mps / self.assigned


NOTHING = Counts(0, 0, 0, 0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Siap:
    """The attributes of a run: each picture's, those over all pictures, and how continuous the tracks are.

    Over all pictures an attribute is the ratio of the sums, not the mean of the ratios. Stone Soup gives a number where
    there is nothing to divide by (0, and 1 for the ambiguity); here that is None.
    """

    at_times: tuple[Counts, ...]
    overall: Counts
    continuity: Continuity


def siap(time_s: ArrayLike, pictures: Sequence[Picture], pairs: Sequence[Indices]) -> Siap:
    """Return the attributes of pictures at rising times (s,), with the pairs of each: (k, 2), rows of truth and track.

    A track belongs to one thing at most, a thing has any number; `nearest` gives such pairs, and the pairs of `gospa`
    are a special case, with an ambiguity of 1. Raises ValueError, which begins with the argument's name.
    """
    if len(pairs) != len(pictures):
        raise ValueError(f"pairs must be as many as pictures, {len(pictures)}, not {len(pairs)}")
    times_s = numbers("time_s", time_s)
    if times_s.shape != (len(pictures),) or (np.diff(times_s) <= 0.0).any():
        raise ValueError(f"time_s must be as many as pictures, {len(pictures)}, and rise, not {times_s}")
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
    """Raise ValueError unless these are rows of the picture's things and tracks, each track's once."""
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not np.issubdtype(pairs.dtype, np.integer):
        raise ValueError(f"pairs must be whole numbers of shape (k, 2), not {pairs.dtype} of {pairs.shape}")
    if (pairs < 0).any() or (pairs >= (len(picture.truth), len(picture.tracks))).any():
        raise ValueError("pairs holds a row that the picture does not have")
    if len(np.unique(pairs[:, 1])) != len(pairs):
        raise ValueError("pairs holds a track twice in one picture")


def _assigned(pictures: Sequence[Picture], pairs: Sequence[Indices], times_s: Floats) -> Assigned:
    """Return the pairs of all pictures in columns, things and tracks by numbers in the order of their appearance."""
    thing_number: dict[Hashable, int] = {}
    track_number: dict[Hashable, int] = {}
    there: list[tuple[int, int]] = []
    paired: list[tuple[int, int, int]] = []
    for scan, (picture, rows) in enumerate(zip(pictures, pairs, strict=True)):
        things = [thing_number.setdefault(own, len(thing_number)) for own in picture.truth.ids]
        tracks = [track_number.setdefault(own, len(track_number)) for own in picture.tracks.ids]
        there.extend((scan, thing) for thing in things)
        paired.extend((scan, things[thing], tracks[track]) for thing, track in rows.tolist())
    return Assigned(
        times_s, np.array(there, dtype=np.intp).reshape(-1, 2), np.array(paired, dtype=np.intp).reshape(-1, 3)
    )
