"""Goals of the picture, measured against the truth: continuity of a track, its identification, and alarms."""

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

from cli.runs.replay.track_history import CONFIRMED
from cli.runs.scenario.goals.needs import GUARD, TRACKS, WORLD
from cli.runs.scenario.goals.verdict import Verdict
from qiki.radar.v1.track_pb2 import FriendFoe
from qiki.sim.v1.world_pb2 import WorldSnapshot
from qiki.tracker.v1.guard_pb2 import GuardPhase
from svc_sim.domain.scenario.goals import Alarm, Identified, TrackContinuity

Point = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class _Seen:
    """A confirmed track in a set: its id, identification and position in metres, ENU."""

    track_id: str
    iff: FriendFoe.ValueType
    position_m: Point


class _Companion:
    """The confirmed tracks of each set, with the true position of one contact at its time."""

    def __init__(self, contact: str) -> None:
        self._contact = contact
        self._truth: dict[float, Point] = {}
        self._sets: dict[int, tuple[float, list[_Seen]]] = {}
        self._by_time: dict[float, list[int]] = defaultdict(list)

    def take(self, payload: Any, time_s: float) -> None:
        """Take a snapshot, or a part of a set of tracks."""
        if isinstance(payload, WorldSnapshot):
            for contact in payload.contacts:
                if contact.name == self._contact:
                    self._truth[time_s] = _point(contact.position)
            return
        _time_s, seen = self._sets.setdefault(payload.frame_sequence, (time_s, []))
        for track in payload.tracks:
            if track.status in CONFIRMED:
                seen.append(_Seen(track.track_id.value, track.iff, _point(track.position)))

    def nearest(self, within_m: float) -> Iterator[tuple[float, _Seen | None]]:
        """Yield the time of each set in which the contact is there, and the nearest track within a distance."""
        for _sequence, (time_s, tracks) in sorted(self._sets.items()):
            truth_m = self._truth.get(time_s)
            if truth_m is not None:
                near = [(math.dist(track.position_m, truth_m), track) for track in tracks]
                best = min(near, key=lambda each: each[0], default=None)
                yield time_s, best[1] if best is not None and best[0] <= within_m else None


class ContinuityJudge:
    """The share of sets in which a contact has a track, and the number of times it becomes another one."""

    TYPES: ClassVar[tuple[str, ...]] = (WORLD, TRACKS)

    def __init__(self, goal: TrackContinuity) -> None:
        self._goal = goal
        self._companion = _Companion(goal.contact)
        self.take = self._companion.take

    def verdict(self) -> Verdict:
        """Return whether the contact was tracked continuously."""
        goal, until_s = self._goal, math.inf if self._goal.until_s is None else self._goal.until_s
        found = [track for time_s, track in self._companion.nearest(goal.within_m) if goal.from_s <= time_s <= until_s]
        text = f"{goal.contact} has a track in {goal.min_share:.0%} of the sets from {goal.from_s:g} s on"
        text += f", with at most {goal.max_changes} changes"
        if not found:
            return Verdict(text, False, "it was in none of them")
        ids = [track.track_id for track in found if track is not None]
        changes = sum(one != other for one, other in pairwise(ids))
        share = len(ids) / len(found)
        passed = share >= goal.min_share and changes <= goal.max_changes
        return Verdict(text, passed, f"in {share:.1%} of {len(found)}, {changes} changes")


class IdentityJudge:
    """The first time at which a contact's track is identified as wanted."""

    TYPES: ClassVar[tuple[str, ...]] = (WORLD, TRACKS)

    def __init__(self, goal: Identified) -> None:
        self._goal = goal
        self._companion = _Companion(goal.contact)
        self.take = self._companion.take

    def verdict(self) -> Verdict:
        """Return whether the contact was identified in time."""
        wanted = FriendFoe.Value(f"FRIEND_FOE_{self._goal.iff}")
        text = f"{self._goal.contact} is identified as {self._goal.iff} by {self._goal.by_s:g} s"
        last = "it had no track"
        for time_s, track in self._companion.nearest(self._goal.within_m):
            if track is None or time_s > self._goal.by_s:
                continue
            if track.iff == wanted:
                return Verdict(text, True, f"at {time_s:.1f} s")
            last = f"last it was {FriendFoe.Name(track.iff).removeprefix('FRIEND_FOE_')}"
        return Verdict(text, False, last)


class AlarmJudge:
    """The first alarm of a guard rule."""

    TYPES: ClassVar[tuple[str, ...]] = (GUARD,)

    def __init__(self, goal: Alarm) -> None:
        self._goal = goal
        self._first_s: float | None = None

    def take(self, payload: Any, time_s: float) -> None:
        """Take an alarm."""
        raised = payload.phase == GuardPhase.GUARD_PHASE_RAISED
        if raised and payload.rule == self._goal.rule and self._first_s is None:
            self._first_s = time_s

    def verdict(self) -> Verdict:
        """Return whether the alarm was raised in time, or never, as wanted."""
        by_s = math.inf if self._goal.by_s is None else self._goal.by_s
        limit = "" if self._goal.by_s is None else f" by {self._goal.by_s:g} s"
        text = f"the alarm {self._goal.rule} is {'raised' if self._goal.raised else 'not raised'}{limit}"
        raised = self._first_s is not None and self._first_s <= by_s
        measured = "it never was" if self._first_s is None else f"raised at {self._first_s:.1f} s"
        return Verdict(text, raised == self._goal.raised, measured)


def _point(vector: Any) -> Point:
    return vector.x, vector.y, vector.z
