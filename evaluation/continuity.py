"""How long things are followed without a change of track: SIAP's measures of continuity."""

from dataclasses import dataclass

import numpy as np

from svc_tracker.domain.state.types import Floats, Indices


@dataclass(frozen=True, slots=True, eq=False)
class Assigned:
    """Which thing was there, and followed by which track, at which of the times (s,), in seconds and rising.

    `there` (l, 2) has a time's number and a thing's; `pairs` (k, 3) a time's, a thing's and a track's.
    """

    time_s: Floats
    there: Indices
    pairs: Indices


@dataclass(frozen=True, slots=True)
class Continuity:
    """How continuous tracks are, over all things.

    A segment is a run of neighbouring times at which one track belongs to a thing. `track_changes` is sum(NU - 1) over
    the things followed, NU being the fewest segments that cover a thing's times with a track; `tracked_s` is sum(TT),
    the time within segments, `longest_s` sum(TL), the time of the track that has most of a thing, in all its segments,
    and `lifetime_s` sum(T), from a thing's first time to its last.

    Stone Soup 1.9.1 looks for the fewest too, and misses them in two cases: it takes the track that is seen last, not
    the segment that reaches farthest, and so may count more; and it breaks off at a segment of which only the last time
    is needed, and so may count less. It knows no segment of a single time.
    """

    track_changes: int
    tracked_s: float
    longest_s: float
    lifetime_s: float

    @property
    def track_change_rate_hz(self) -> float | None:
        """SIAP's rate of track number change, sum(NU - 1) / sum(TT), 0 at best; None where nothing is followed."""
        return self.track_changes / self.tracked_s if self.tracked_s > 0.0 else None

    @property
    def longest_segment(self) -> float | None:
        """SIAP's longest track segment, sum(TL) / sum(T), 1 at best; None where nothing is there for a while."""
        return self.longest_s / self.lifetime_s if self.lifetime_s > 0.0 else None


def continuity_of(assigned: Assigned) -> Continuity:
    """Return how continuous the tracks are."""
    scan, thing, track = _by_thing_and_track(assigned.pairs).T
    if not len(scan):
        return Continuity(0, 0.0, 0.0, _lifetime_s(assigned))
    same = (np.diff(thing) == 0) & (np.diff(track) == 0)
    linked = np.concatenate([[False], same & (np.diff(scan) == 1)])
    step_s = np.where(linked, assigned.time_s[scan] - assigned.time_s[scan - 1], 0.0)
    # Several tracks on one thing at one step count its time once.
    steps = np.unique(np.column_stack([thing, scan])[linked], axis=0)[:, 1]
    pair = np.concatenate([[0], np.cumsum(~same)])
    begins = np.concatenate([[True], ~same])
    longest_s = np.zeros(int(thing.max()) + 1)
    np.maximum.at(longest_s, thing[begins], np.bincount(pair, step_s))
    first = np.flatnonzero(~linked)
    last = np.append(first[1:], len(scan)) - 1
    return Continuity(
        track_changes=_track_changes(thing[first], scan[first], scan[last]),
        tracked_s=float(np.sum(assigned.time_s[steps] - assigned.time_s[steps - 1])),
        longest_s=float(longest_s.sum()),
        lifetime_s=_lifetime_s(assigned),
    )


def _by_thing_and_track(pairs: Indices) -> Indices:
    """Return the pairs (k, 3) in the order of things, of tracks within a thing, and of times within both."""
    ordered: Indices = pairs[np.lexsort((pairs[:, 0], pairs[:, 2], pairs[:, 1]))]
    return ordered


def _track_changes(thing: Indices, first: Indices, last: Indices) -> int:
    """Return sum(NU - 1) for segments (k,) of things, from a time's number to another's."""
    changes = 0
    order = np.lexsort((first, thing))
    current, needed, reach = -1, -1, -1
    for own, begin, end in zip(thing[order].tolist(), first[order].tolist(), last[order].tolist(), strict=True):
        if own != current:
            current, needed, reach = own, begin, end
        elif begin <= needed:
            reach = max(reach, end)
        elif end > reach:
            # No later segment holds the time that was needed: the one that reaches farthest is taken, and this one, or
            # one that holds the next time needed too, comes after it.
            needed, reach = max(begin, reach + 1), end
            changes += 1
    return changes


def _lifetime_s(assigned: Assigned) -> float:
    """Return the time from each thing's first presence to its last, summed over the things."""
    if not len(assigned.there):
        return 0.0
    scan, thing = assigned.there.T
    count = int(thing.max()) + 1
    first, last = np.full(count, len(assigned.time_s)), np.full(count, -1)
    np.minimum.at(first, thing, scan)
    np.maximum.at(last, thing, scan)
    return float(np.sum(assigned.time_s[last] - assigned.time_s[first]))
