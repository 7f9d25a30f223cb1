"""Steering: changes of a motion by helm commands at given times. Pure."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from svc_sim.domain.kinematics import Leg, Motion


@dataclass(frozen=True, slots=True)
class Helm:
    """Commanded motion: course clockwise from north, horizontal speed, turn rate (clockwise positive), climb rate.

    A field that is None keeps its value at the time of the helm.
    """

    course_deg: float | None = None
    speed_mps: float | None = None
    turn_rate_dps: float | None = None
    climb_mps: float | None = None


def steer(motion: Motion, helms: Sequence[tuple[float, Helm]]) -> Motion:
    """Return the given motion, changed from each helm's time on; `helms` in the order of their times, in seconds.

    A helm replaces the motion planned after its time. Several helms at one time combine, each setting its own fields.
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
    """Return the leg after a helm: its position, and every value that the helm leaves out, are the old leg's."""
    return Leg(
        t_s,
        leg.point_at(t_s)[0],
        leg.course_at(t_s) if helm.course_deg is None else math.radians(helm.course_deg),
        leg.speed_mps if helm.speed_mps is None else helm.speed_mps,
        leg.climb_mps if helm.climb_mps is None else helm.climb_mps,
        leg.turn_rate_rps if helm.turn_rate_dps is None else math.radians(helm.turn_rate_dps),
    )
