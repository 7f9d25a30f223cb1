"""Motion of a contact in a scenario: way points, random manoeuvres, or an aircraft of a recording."""

import math
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from botspec.base import Spec, refuse
from botspec.yaml_core import Loc
from svc_sim.domain.contacts.trajectory import MAX_SPEED_MPS
from svc_sim.domain.kinematics import Leg, Motion, Vector
from svc_sim.domain.scenario.types import MAX_TURN_RATE_DPS, Position, RecordingFile

MAX_POINTS = 500
MAX_LEG_S = 3600.0

MovingSpeed = Annotated[float, Field(gt=0, le=MAX_SPEED_MPS)]
TurnLimit = Annotated[float, Field(gt=0, le=MAX_TURN_RATE_DPS)]
LegDuration = Annotated[float, Field(ge=0.1, le=MAX_LEG_S)]


class Waypoints(Spec):
    """Flight from point to point at a constant horizontal speed; the contact stops at the last one.

    With `turn_rate_dps` it turns towards the next point at that rate, without it at once. The climb to a point's height
    is even.
    """

    kind: Literal["waypoints"]
    speed_mps: MovingSpeed
    turn_rate_dps: TurnLimit | None = None
    points: Annotated[tuple[Position, ...], Field(min_length=1, max_length=MAX_POINTS)]


class RandomManeuvers(Spec):
    """Manoeuvres at random, drawn with the run's seed and the contact's name.

    Each lasts between the two durations of `leg_s`; its turn rate and climb are drawn between the limits and their
    negatives. The horizontal speed stays that of the contact.
    """

    kind: Literal["random"]
    leg_s: tuple[LegDuration, LegDuration]
    turn_rate_dps: TurnLimit
    climb_mps: Annotated[float, Field(ge=0, le=MAX_SPEED_MPS)] = 0.0

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.leg_s[1] < self.leg_s[0]:
            refuse("RandomManeuvers", [(("leg_s",), f"the longest, {self.leg_s[1]!r}, is less than the shortest")])
        return self


class RecordedMotion(Spec):
    """The motion of one aircraft of a recording, whose path is relative to the scenario; time 0 is the recording's."""

    kind: Literal["recording"]
    file: RecordingFile
    icao24: Annotated[str, Field(min_length=1, max_length=64)]


ContactMotion = Annotated[Waypoints | RandomManeuvers | RecordedMotion, Field(discriminator="kind")]


def waypoint_motion(start_m: Vector, course_deg: float, way: Waypoints) -> Motion:
    """Return the motion along way points from a position and a course.

    A turn of rate w at speed v ends on the line to the point where the point lies on the tangent of the turning circle:
    with the circle's radius r = v / w, the distance d and the bearing b of the point from its centre, and the turn to
    the side s (+1 right, -1 left), the course there is b + s asin(r / d), and the way left is sqrt(d^2 - r^2).

    Raises ValueError naming the point that lies inside the turning circle.
    """
    legs: list[Leg] = []
    start_s, course_rad, position_m = 0.0, math.radians(course_deg), start_m
    for number, point_m in enumerate(way.points):
        for leg_s, rate_rps, to_rad, climb in _passages(number, position_m, course_rad, point_m, way):
            first_rad = course_rad if rate_rps else to_rad
            leg = Leg(start_s, position_m, first_rad, way.speed_mps, climb, rate_rps)
            legs.append(leg)
            start_s += leg_s
            position_m, course_rad = leg.point_at(start_s)[0], to_rad
        position_m = point_m
    legs.append(Leg(start_s, position_m, course_rad, 0.0, 0.0, 0.0))
    return Motion(tuple(leg.start_s for leg in legs), tuple(legs))


def _passages(
    number: int, from_m: Vector, course_rad: float, to_m: Vector, way: Waypoints
) -> Iterator[tuple[float, float, float, float]]:
    """Yield duration, turn rate, course at the end and climb of the legs to a point: the turn, the straight way."""
    east_m, north_m = to_m[0] - from_m[0], to_m[1] - from_m[1]
    bearing_rad = math.atan2(east_m, north_m)
    if math.hypot(east_m, north_m) == 0.0:
        return
    turn_s, rate_rps, straight_m, to_rad = 0.0, 0.0, math.hypot(east_m, north_m), bearing_rad
    if way.turn_rate_dps is not None and math.remainder(bearing_rad - course_rad, math.tau) != 0.0:
        side = math.copysign(1.0, math.remainder(bearing_rad - course_rad, math.tau))
        rate_rps = side * math.radians(way.turn_rate_dps)
        radius_m = way.speed_mps / abs(rate_rps)
        from_centre_e = east_m - side * radius_m * math.cos(course_rad)
        from_centre_n = north_m + side * radius_m * math.sin(course_rad)
        distance_m = math.hypot(from_centre_e, from_centre_n)
        if distance_m < radius_m:
            raise ValueError(
                f"point {number} lies inside the turning circle, whose radius at this speed and turn rate is "
                f"{radius_m:.0f} m: move it, or raise turn_rate_dps"
            )
        to_rad = math.atan2(from_centre_e, from_centre_n) + side * math.asin(radius_m / distance_m)
        turn_rad = (side * (to_rad - course_rad)) % math.tau
        to_rad = course_rad + side * turn_rad
        turn_s, straight_m = turn_rad / abs(rate_rps), math.sqrt(distance_m**2 - radius_m**2)
    straight_s = straight_m / way.speed_mps
    climb_mps = (to_m[2] - from_m[2]) / (turn_s + straight_s) if turn_s + straight_s else 0.0
    if turn_s:
        yield turn_s, rate_rps, to_rad, climb_mps
    yield straight_s, 0.0, to_rad, climb_mps


def point_problem(start_m: Vector, course_deg: float, way: Waypoints) -> tuple[Loc, str] | None:
    """Return the location and the reason of a way point that cannot be reached; None if all can."""
    try:
        waypoint_motion(start_m, course_deg, way)
    except ValueError as error:
        return ("motion", "points"), str(error)
    return None
