"""Set-points of attitude, body rate and velocity, and the thrusts that bring the body there. Pure and without state."""

import math
from dataclasses import dataclass, field

from svc_sim.domain.body.algebra import conjugate, cross, limit, multiply, norm, normalize, scale, subtract
from svc_sim.domain.body.allocation import AXES, Allocation, allocate, plan_allocation
from svc_sim.domain.body.checks import InvalidValueError, check_finite, check_positive, check_unit, check_within
from svc_sim.domain.body.craft import Craft
from svc_sim.domain.body.state import BodyState
from svc_sim.domain.kinematics import Quaternion, Vector, to_body

MAX_BANDWIDTH_RPS = 5.0
"""A larger bandwidth would be unstable in steps of 0.05 s, in which a thrust is constant."""
_STOPPING_SHARE = 0.5
"""Share of the torque that is planned for stopping a turn in time."""
_NO_RATE: Vector = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class AutopilotParameters:
    """Limits and bandwidths of the control; a bandwidth is the inverse of the time constant of an error's decay."""

    max_speed_mps: float
    max_angular_rate_rps: float
    attitude_bandwidth_rps: float
    velocity_bandwidth_rps: float

    def __post_init__(self) -> None:
        check_positive("max_speed_mps", self.max_speed_mps)
        check_positive("max_angular_rate_rps", self.max_angular_rate_rps)
        for name in ("attitude_bandwidth_rps", "velocity_bandwidth_rps"):
            check_positive(name, getattr(self, name))
            check_within(name, getattr(self, name), 0.0, MAX_BANDWIDTH_RPS)


@dataclass(frozen=True, slots=True)
class SetPoints:
    """Commanded motion. An attitude or a body rate, not both; with a velocity alone, rotation is stopped.

    attitude rotates body into ENU; angular_rate_rps is in the body frame, velocity_mps in ENU. Without any, no thruster
    fires.
    """

    attitude: Quaternion | None = None
    angular_rate_rps: Vector | None = None
    velocity_mps: Vector | None = None

    def __post_init__(self) -> None:
        if self.attitude is not None:
            check_unit("attitude", self.attitude, 4)
            if self.angular_rate_rps is not None:
                raise InvalidValueError("angular_rate_rps", "is given beside attitude: give one of the two")
        if self.angular_rate_rps is not None:
            check_finite("angular_rate_rps", self.angular_rate_rps, 3)
        if self.velocity_mps is not None:
            check_finite("velocity_mps", self.velocity_mps, 3)


@dataclass(frozen=True, slots=True)
class AuthorityProblem:
    """A kind of set-point ("rotation" or "velocity") that the thrusters cannot follow, the axis, and the text of it."""

    set_point: str
    axis: str
    problem: str


@dataclass(frozen=True, slots=True)
class Autopilot:
    """The control of one craft. `problems` name every axis along which its thrusters have no torque or force."""

    craft: Craft
    parameters: AutopilotParameters
    allocation: Allocation = field(init=False, repr=False, compare=False)
    problems: tuple[AuthorityProblem, ...] = field(init=False, compare=False)
    stopping_rps2: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        allocation = plan_allocation(self.craft)
        inertia = self.craft.body.inertia_kgm2
        slowest = min(authority / inertia[i % 3] for i, authority in enumerate(allocation.torque_authority_nm))
        object.__setattr__(self, "allocation", allocation)
        object.__setattr__(self, "problems", _problems(allocation))
        object.__setattr__(self, "stopping_rps2", _STOPPING_SHARE * slowest)


def check_set_points(autopilot: Autopilot, set_points: SetPoints) -> None:
    """Refuse set-points beyond the limits, or without authority, with InvalidValueError naming the field."""
    parameters = autopilot.parameters
    for name, longest in (
        ("velocity_mps", parameters.max_speed_mps),
        ("angular_rate_rps", parameters.max_angular_rate_rps),
    ):
        value = getattr(set_points, name)
        if value is not None and norm(value) > longest:
            raise InvalidValueError(
                name, f"has length {norm(value)}: give at most {longest}, the limit of the autopilot"
            )
    for problem in autopilot.problems:
        refused = _refused_field(set_points, problem.set_point)
        if refused is not None:
            raise InvalidValueError(refused, f"cannot be followed: {problem.problem}")


def control(autopilot: Autopilot, state: BodyState, set_points: SetPoints) -> tuple[float, ...]:
    """Return the thrust of each thruster in newtons, in [0, max_thrust_n], for the step that starts in this state.

    Rotation: the demanded rate is b e / 2 along the error e of the attitude (twice the vector part of its quaternion,
    the angle for small ones), limited to max_angular_rate_rps and to sqrt(2 a |e|), from which half the torque can stop
    in time; torque = 2 b I (demanded rate - rate) + rate x (I rate). With the bandwidth b the error decays as a
    critically damped oscillator of that frequency. Translation: force = m b (demanded velocity - velocity).
    """
    if set_points.attitude is None and set_points.angular_rate_rps is None and set_points.velocity_mps is None:
        return (0.0,) * len(autopilot.craft.thrusters)
    force_n = None
    if set_points.velocity_mps is not None:
        force_n = _demanded_force(autopilot, state, set_points.velocity_mps)
    return allocate(autopilot.allocation, force_n, _demanded_torque(autopilot, state, set_points))


def _demanded_torque(autopilot: Autopilot, state: BodyState, set_points: SetPoints) -> Vector:
    parameters, rate = autopilot.parameters, state.angular_rate_rps
    if set_points.attitude is not None:
        demanded = _demanded_rate(autopilot, state.attitude, set_points.attitude)
    else:
        demanded = limit(set_points.angular_rate_rps or _NO_RATE, parameters.max_angular_rate_rps)
    ix, iy, iz = autopilot.craft.body.inertia_kgm2
    gain = 2.0 * parameters.attitude_bandwidth_rps
    x, y, z = rate
    gx, gy, gz = cross(rate, (ix * x, iy * y, iz * z))
    return (
        gain * ix * (demanded[0] - x) + gx,
        gain * iy * (demanded[1] - y) + gy,
        gain * iz * (demanded[2] - z) + gz,
    )


def _demanded_rate(autopilot: Autopilot, attitude: Quaternion, demanded: Quaternion) -> Vector:
    w, x, y, z = multiply(conjugate(attitude), normalize(demanded))
    error = scale(2.0 if w >= 0.0 else -2.0, (x, y, z))
    size = norm(error)
    if size == 0.0:
        return _NO_RATE
    parameters = autopilot.parameters
    rate_rps = min(
        0.5 * parameters.attitude_bandwidth_rps * size,
        parameters.max_angular_rate_rps,
        math.sqrt(2.0 * autopilot.stopping_rps2 * size),
    )
    return scale(rate_rps / size, error)


def _demanded_force(autopilot: Autopilot, state: BodyState, velocity_mps: Vector) -> Vector:
    parameters = autopilot.parameters
    error = subtract(limit(velocity_mps, parameters.max_speed_mps), state.velocity_mps)
    mass_kg = autopilot.craft.body.dry_mass_kg + state.propellant_kg
    return to_body(state.attitude, scale(mass_kg * parameters.velocity_bandwidth_rps, error))


def _problems(allocation: Allocation) -> tuple[AuthorityProblem, ...]:
    rotation = [
        AuthorityProblem(
            "rotation", axis, f"no thrusters produce a torque about {axis}: add one whose r x F points there"
        )
        for axis, thrusts in zip(AXES, allocation.torque, strict=True)
        if thrusts is None
    ]
    velocity = [
        AuthorityProblem("velocity", axis, f"no thrusters produce a force along {axis} without a torque: add some")
        for axis, thrusts in zip(AXES, allocation.force, strict=True)
        if thrusts is None
    ]
    return (*rotation, *velocity)


def _refused_field(set_points: SetPoints, kind: str) -> str | None:
    """Return the set-point that a missing authority of this kind makes impossible, or None."""
    if set_points.velocity_mps is not None:
        return "velocity_mps"
    if kind == "rotation" and set_points.attitude is not None:
        return "attitude"
    if kind == "rotation" and set_points.angular_rate_rps is not None:
        return "angular_rate_rps"
    return None
