"""SIAP's continuity measures: track changes, and the longest track segments of the targets."""

from dataclasses import dataclass

import numpy as np

from svc_tracker.domain.state.types import Floats, Indices


@dataclass(frozen=True, slots=True, eq=False)
class Assigned:
    """The targets present and tracked at each of the times (s,), in seconds and increasing.

    Rows of `present` (l, 2) are the indices of a time and a target; those of `pairs` (k, 3) of a time, a target and its
    track.
    """

    time_s: Floats
    present: Indices
    pairs: Indices


@dataclass(frozen=True, slots=True)
class Continuity:
    """The continuity of the tracks of all targets.

    A segment is a run of successive times at which one track belongs to a target. `track_changes` is sum(NU - 1) over
    the tracked targets, NU being the fewest segments that cover a target's tracked times; `tracked_s` is sum(TT), the
    time within segments, `longest_s` sum(TL), the time in all segments of the target's longest track, and `lifetime_s`
    sum(T), from a target's first time to its last.

    Stone Soup 1.9.1 also searches for the fewest segments, and misses them in two cases: it takes the track seen last,
    not the segment that extends farthest, and may count more; and it stops at a segment of which only the last time is
    needed, and may count fewer. It has no segments of a single time.
    """

    track_changes: int
    tracked_s: float
    longest_s: float
    lifetime_s: float

    @property
    def track_change_rate_hz(self) -> float | None:
        """SIAP's rate of track number change, sum(NU - 1) / sum(TT), 0 at best; None without tracked time."""
        return self.track_changes / self.tracked_s if self.tracked_s > 0.0 else None

    @property
    def longest_segment(self) -> float | None:
        """SIAP's longest track segment, sum(TL) / sum(T), 1 at best; None without lifetime."""
        return self.longest_s / self.lifetime_s if self.lifetime_s > 0.0 else None


def continuity_of(assigned: Assigned) -> Continuity:
    """Return the continuity of the tracks."""
    scan, target, track = _by_target_and_track(assigned.pairs).T
    if not len(scan):
        return Continuity(0, 0.0, 0.0, _lifetime_s(assigned))
    same = (np.diff(target) == 0) & (np.diff(track) == 0)
    linked = np.concatenate([[False], same & (np.diff(scan) == 1)])
    step_s = np.where(linked, assigned.time_s[scan] - assigned.time_s[scan - 1], 0.0)
    # Several tracks of one target at one step count its time once.
    steps = np.unique(np.column_stack([target, scan])[linked], axis=0)[:, 1]
    pair = np.concatenate([[0], np.cumsum(~same)])
    begins = np.concatenate([[True], ~same])
    longest_s = np.zeros(int(target.max()) + 1)
    np.maximum.at(longest_s, target[begins], np.bincount(pair, step_s))
    first = np.flatnonzero(~linked)
    last = np.append(first[1:], len(scan)) - 1
    return Continuity(
        track_changes=_track_changes(target[first], scan[first], scan[last]),
        tracked_s=float(np.sum(assigned.time_s[steps] - assigned.time_s[steps - 1])),
        longest_s=float(longest_s.sum()),
        lifetime_s=_lifetime_s(assigned),
    )


def _by_target_and_track(pairs: Indices) -> Indices:
    """Return the pairs (k, 3) in the order of targets, then tracks, then times."""
    ordered: Indices = pairs[np.lexsort((pairs[:, 0], pairs[:, 2], pairs[:, 1]))]
    return ordered


def _track_changes(target: Indices, first: Indices, last: Indices) -> int:
    """Return sum(NU - 1) for segments (k,) of targets, given by the indices of their first and last times."""
    changes = 0
    order = np.lexsort((first, target))
    current, needed, reach = -1, -1, -1
    for own, begin, end in zip(target[order].tolist(), first[order].tolist(), last[order].tolist(), strict=True):
        if own != current:
            current, needed, reach = own, begin, end
        elif begin <= needed:
            reach = max(reach, end)
        elif end > reach:
            # No later segment covers the needed time: the one that extends farthest is taken, and this one, or one that
            # covers the next needed time too, follows it.
            needed, reach = max(begin, reach + 1), end
            changes += 1
    return changes


def _lifetime_s(assigned: Assigned) -> float:
    """Return the sum over all targets of the time from the first presence to the last."""
    if not len(assigned.present):
        return 0.0
    scan, target = assigned.present.T
    count = int(target.max()) + 1
    first, last = np.full(count, len(assigned.time_s)), np.full(count, -1)
    np.minimum.at(first, target, scan)
    np.maximum.at(last, target, scan)
    return float(np.sum(assigned.time_s[last] - assigned.time_s[first]))
