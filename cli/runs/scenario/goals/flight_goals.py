"""Goals of the flight, measured from the truth: keep clear of contacts, and reach a position."""

import math
from typing import Any, ClassVar

from cli.runs.scenario.goals.needs import WORLD
from cli.runs.scenario.goals.verdict import Verdict
from svc_sim.domain.scenario.goals import KeepClear, Reach

Point = tuple[float, float, float]


class ClearanceJudge:
    """The smallest distance to a contact, from snapshot to snapshot along straight lines."""

    TYPES: ClassVar[tuple[str, ...]] = (WORLD,)

    def __init__(self, goal: KeepClear) -> None:
        self._goal = goal
        self._before: dict[str, Point] = {}
        self._nearest: tuple[float, str, float] | None = None

    def take(self, payload: Any, time_s: float) -> None:
        """Take a snapshot."""
        own = _point(payload.own_ship.position)
        now: dict[str, Point] = {}
        for contact in payload.contacts:
            if self._goal.of and contact.name not in self._goal.of:
                continue
            relative = tuple(a - b for a, b in zip(_point(contact.position), own, strict=True))
            now[contact.name] = relative[0], relative[1], relative[2]
            distance_m = nearest_on_line(self._before.get(contact.name, now[contact.name]), now[contact.name])
            if self._nearest is None or distance_m < self._nearest[0]:
                self._nearest = distance_m, contact.name, time_s
        self._before = now

    def verdict(self) -> Verdict:
        """Return whether every contact was far enough away."""
        of = " and ".join(self._goal.of) or "all contacts"
        goal = f"keep clear of {of} by {self._goal.distance_m:g} m"
        if self._nearest is None:
            return Verdict(goal, True, "there was no contact")
        distance_m, name, time_s = self._nearest
        passed = distance_m >= self._goal.distance_m
        return Verdict(goal, passed, f"nearest: {distance_m:.0f} m to {name} at {time_s:.1f} s")


class ReachJudge:
    """The smallest distance to the position up to the time."""

    TYPES: ClassVar[tuple[str, ...]] = (WORLD,)

    def __init__(self, goal: Reach) -> None:
        self._goal = goal
        self._reached_s: float | None = None
        self._nearest_m = math.inf

    def take(self, payload: Any, time_s: float) -> None:
        """Take a snapshot."""
        if time_s > self._goal.by_s:
            return
        distance_m = math.dist(_point(payload.own_ship.position), self._goal.position_m)
        self._nearest_m = min(self._nearest_m, distance_m)
        if self._reached_s is None and distance_m <= self._goal.radius_m:
            self._reached_s = time_s

    def verdict(self) -> Verdict:
        """Return whether the position was reached in time."""
        place = ", ".join(f"{value:g}" for value in self._goal.position_m)
        goal = f"reach ({place}) m within {self._goal.radius_m:g} m by {self._goal.by_s:g} s"
        if self._reached_s is None:
            return Verdict(goal, False, f"nearest: {self._nearest_m:.0f} m")
        return Verdict(goal, True, f"reached at {self._reached_s:.1f} s")


def nearest_on_line(start: Point, end: Point) -> float:
    """Return the smallest distance from the origin to the line between two points, in their unit."""
    way = [b - a for a, b in zip(start, end, strict=True)]
    length2 = sum(value * value for value in way)
    share = -sum(a * b for a, b in zip(start, way, strict=True)) / length2 if length2 else 0.0
    share = min(1.0, max(0.0, share))
    return math.hypot(*(a + share * b for a, b in zip(start, way, strict=True)))


def _point(vector: Any) -> Point:
    return vector.x, vector.y, vector.z
