"""Motion in legs of constant velocity and coordinated turns, evaluated in closed form at any time."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Kinematics:
    """A body's full state.

    position_m, velocity_mps and acceleration_mps2 (gravity not included) are in ENU; attitude is the unit quaternion
    (w, x, y, z), w >= 0, that rotates body (x forward, y left, z up) into ENU; angular_rate_rps is in the body frame.
    """

    position_m: Vector
    velocity_mps: Vector
    acceleration_mps2: Vector
    attitude: Quaternion
    angular_rate_rps: Vector


@dataclass(frozen=True, slots=True)
class Maneuver:
    """A turn (clockwise positive, 0 is straight on) at a constant climb rate for duration_s."""

    duration_s: float
    turn_rate_dps: float
    climb_mps: float


@dataclass(frozen=True, slots=True)
class Leg:
    """A coordinated turn at constant horizontal speed, constant turn rate and constant climb, from start_s on.

    With course chi clockwise from north, turn rate w and tau = t - start_s (Li and Jilkov, "Survey of maneuvering
    target tracking, part I: dynamic models", IEEE Trans. AES 39(4), 2003, section V: coordinated turn with known rate):

        chi(tau) = chi0 + w tau
        east(tau) = east0 + v tau sinc(w tau / 2) sin(chi0 + w tau / 2), north likewise with cos, up = up0 + climb tau
        velocity = (v sin chi, v cos chi, climb), acceleration = (v w cos chi, -v w sin chi, 0)

    where sinc(x) = sin(x) / x. The displacement is the chord of the arc, which is valid for w = 0 too and loses no
    precision near it.
    """

    start_s: float
    position_m: Vector
    course_rad: float
    speed_mps: float
    climb_mps: float
    turn_rate_rps: float

    def course_at(self, t_s: float) -> float:
        """Return the course at a time in radians, clockwise from north, not wrapped."""
        return self.course_rad + self.turn_rate_rps * (t_s - self.start_s)

    def point_at(self, t_s: float) -> tuple[Vector, Vector]:
        """Return (position in m, velocity in m/s) in ENU."""
        east_m, north_m, up_m = self.position_m
        tau = t_s - self.start_s
        half = 0.5 * self.turn_rate_rps * tau
        chord = self.speed_mps * tau * (math.sin(half) / half if half else 1.0)
        middle = self.course_rad + half
        course = self.course_at(t_s)
        return (
            (east_m + chord * math.sin(middle), north_m + chord * math.cos(middle), up_m + self.climb_mps * tau),
            (self.speed_mps * math.sin(course), self.speed_mps * math.cos(course), self.climb_mps),
        )


@dataclass(frozen=True, slots=True)
class Motion:
    """Legs in the order of time; the last one has no end. `starts_s` are their start times, the first one 0."""

    starts_s: tuple[float, ...]
    legs: tuple[Leg, ...]

    def point_at(self, t_s: float) -> tuple[Vector, Vector]:
        """Return (position in m, velocity in m/s) in ENU at t_s >= 0, a function of t_s alone."""
        return self._leg_at(t_s).point_at(t_s)

    def kinematics_at(self, t_s: float) -> Kinematics:
        """Return the full state at t_s >= 0: nose along the velocity, no bank; at rest, along the course."""
        leg = self._leg_at(t_s)
        position_m, velocity_mps = leg.point_at(t_s)
        course, rate = leg.course_at(t_s), leg.turn_rate_rps
        centripetal = leg.speed_mps * rate
        climb_angle = math.atan2(leg.climb_mps, leg.speed_mps)
        attitude = attitude_of(course, climb_angle)
        return Kinematics(
            position_m,
            velocity_mps,
            (centripetal * math.cos(course), -centripetal * math.sin(course), 0.0),
            attitude,
            to_body(attitude, (0.0, 0.0, -rate)),
        )

    def _leg_at(self, t_s: float) -> Leg:
        return self.legs[max(bisect_right(self.starts_s, t_s) - 1, 0)]


def plan_motion(
    position_m: Vector, course_deg: float, speed_mps: float, climb_mps: float, maneuvers: Sequence[Maneuver]
) -> Motion:
    """Return the motion that starts at time 0 with these values and performs the maneuvers one after the other.

    speed_mps is horizontal. After the last maneuver the body goes straight on at its own climb_mps.
    """
    legs: list[Leg] = []
    start_s, course_rad = 0.0, math.radians(course_deg)
    for maneuver in maneuvers:
        rate_rps = math.radians(maneuver.turn_rate_dps)
        leg = Leg(start_s, position_m, course_rad, speed_mps, maneuver.climb_mps, rate_rps)
        legs.append(leg)
        start_s += maneuver.duration_s
        position_m, _ = leg.point_at(start_s)
        course_rad = leg.course_at(start_s)
    legs.append(Leg(start_s, position_m, course_rad, speed_mps, climb_mps, 0.0))
    return Motion(tuple(leg.start_s for leg in legs), tuple(legs))


def attitude_of(course_rad: float, climb_angle_rad: float) -> Quaternion:
    """Return the attitude of a body that points along a course and a climb angle, wings level.

    q = q_z(psi) q_y(theta) with yaw psi = pi/2 - course about up and theta = -climb angle about the body's left
    (Diebel, "Representing attitude", 2006, with roll 0). Of q and -q, which are the same attitude, the one with w >= 0.
    """
    psi, theta = 0.5 * math.pi - math.remainder(course_rad, 2.0 * math.pi), -climb_angle_rad
    c1, s1 = math.cos(0.5 * psi), math.sin(0.5 * psi)
    c2, s2 = math.cos(0.5 * theta), math.sin(0.5 * theta)
    w, x, y, z = c1 * c2, -s1 * s2, c1 * s2, s1 * c2
    return (w, x, y, z) if w >= 0.0 else (-w, -x, -y, -z)


def to_enu(attitude: Quaternion, vector: Vector) -> Vector:
    """Turn a vector from the body frame into ENU: v' = v + 2 w (q x v) + 2 q x (q x v), q the vector part."""
    w, x, y, z = attitude
    a, b, c = vector
    tx, ty, tz = 2.0 * (y * c - z * b), 2.0 * (z * a - x * c), 2.0 * (x * b - y * a)
    return (a + w * tx + y * tz - z * ty, b + w * ty + z * tx - x * tz, c + w * tz + x * ty - y * tx)


def to_body(attitude: Quaternion, vector: Vector) -> Vector:
    """Turn a vector from ENU into the body frame."""
    w, x, y, z = attitude
    return to_enu((w, -x, -y, -z), vector)
