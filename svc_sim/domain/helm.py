"""Steering: how a motion goes on when it is told to, from a time on. Pure."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from svc_sim.domain.kinematics import Leg, Motion


@dataclass(frozen=True, slots=True)
class Helm:
    """What a body is told to do: course clockwise from north, horizontal speed, turn (clockwise positive), climb.

    What is None stays as it is at the time when the helm is set.
    """

    course_deg: float | None = None
    speed_mps: float | None = None
    turn_rate_dps: float | None = None
    climb_mps: float | None = None


def steer(motion: Motion, helms: Sequence[tuple[float, Helm]]) -> Motion:
    """Return the motion that is the given one until the first helm, and is then as told; `helms` by time, in seconds.

    A helm ends whatever was planned after its time. Of several at one time each one sets what it gives.
    """
    starts_s, legs = list(motion.starts_s), list(motion.legs)
    for t_s, helm in helms:
        under_way = max(bisect_right(starts_s, t_s) - 1, 0)
        leg = _turned(legs[under_way], t_s, helm)
        kept = bisect_left(starts_s, t_s)
        del starts_s[kept:], legs[kept:]
        starts_s.append(t_s)
        legs.append(leg)
    return Motion(tuple(starts_s), tuple(legs))


def _turned(leg: Leg, t_s: float, helm: Helm) -> Leg:
    """Return the leg that follows at a time: its position and all that the helm does not give are the old leg's."""
    return Leg(
        t_s,
        leg.point_at(t_s)[0],
        leg.course_at(t_s) if helm.course_deg is None else math.radians(helm.course_deg),
        leg.speed_mps if helm.speed_mps is None else helm.speed_mps,
        leg.climb_mps if helm.climb_mps is None else helm.climb_mps,
        leg.turn_rate_rps if helm.turn_rate_dps is None else math.radians(helm.turn_rate_dps),
    )
