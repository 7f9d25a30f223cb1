"""Accelerations of a body under thrust, and what navigation and inertial sensors observe of them."""

from dataclasses import dataclass

from svc_sim.domain.body.algebra import add, canonical, cross, scale
from svc_sim.domain.body.checks import InvalidValueError
from svc_sim.domain.body.craft import Craft
from svc_sim.domain.body.state import BodyState
from svc_sim.domain.kinematics import Kinematics, Vector, to_enu

NO_VECTOR: Vector = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Wrench:
    """Force in newtons and torque in newton metres about the centre of mass, both in the body frame; flow in kg/s."""

    force_n: Vector
    torque_nm: Vector
    flow_kgps: float


def wrench_of(craft: Craft, thrust_n: tuple[float, ...]) -> Wrench:
    """Return the sum over the thrusters: F = sum T d, torque = sum r x (T d), flow = sum T / (Isp g0).

    thrust_n has one number in [0, max_thrust_n] a thruster, in the craft's order; else InvalidValueError names it.
    """
    if len(thrust_n) != len(craft.thrusters):
        raise InvalidValueError("thrust_n", f"has {len(thrust_n)} numbers: give {len(craft.thrusters)}, one a thruster")
    fx = fy = fz = tx = ty = tz = flow_kgps = 0.0
    for thrust, (limit_n, (ax, ay, az), (bx, by, bz), flow) in zip(thrust_n, craft.effects, strict=True):
        if thrust == 0.0:
            continue
        if not 0.0 < thrust <= limit_n:
            raise _out_of_range(craft, thrust_n)
        fx, fy, fz = fx + thrust * ax, fy + thrust * ay, fz + thrust * az
        tx, ty, tz = tx + thrust * bx, ty + thrust * by, tz + thrust * bz
        flow_kgps += thrust * flow
    return Wrench((fx, fy, fz), (tx, ty, tz), flow_kgps)


def _out_of_range(craft: Craft, thrust_n: tuple[float, ...]) -> InvalidValueError:
    """Return the error that names the first thrust outside its thruster's range."""
    pairs = enumerate(zip(thrust_n, craft.thrusters, strict=True))
    index, (thrust, thruster) = next(pair for pair in pairs if not 0.0 <= pair[1][0] <= pair[1][1].max_thrust_n)
    return InvalidValueError(
        f"thrust_n[{index}]", f"of {thruster.name} is {thrust}: give a number in [0, {thruster.max_thrust_n}]"
    )


def kinematics_of(craft: Craft, state: BodyState, thrust_n: tuple[float, ...]) -> Kinematics:
    """Return the state as navigation and snapshots have it, with the acceleration of the centre of mass in ENU."""
    acceleration_mps2 = to_enu(state.attitude, specific_force_at(craft, state, thrust_n, None))
    return Kinematics(
        state.position_m, state.velocity_mps, acceleration_mps2, canonical(state.attitude), state.angular_rate_rps
    )


def specific_force_at(craft: Craft, state: BodyState, thrust_n: tuple[float, ...], mount_m: Vector | None) -> Vector:
    """Return the specific force in m/s^2, body frame, at an accelerometer at mount_m (None: the centre of mass).

    f = F / m + w' x r + w x (w x r), with the angular acceleration w' of Euler's equations. The frame has no gravity.
    """
    wrench = _available(craft, state, thrust_n)
    linear = scale(1.0 / (craft.body.dry_mass_kg + state.propellant_kg), wrench.force_n)
    if mount_m is None:
        return linear
    rate = state.angular_rate_rps
    tangential = cross(_angular_acceleration(craft, rate, wrench.torque_nm), mount_m)
    return add(linear, add(tangential, cross(rate, cross(rate, mount_m))))


def _available(craft: Craft, state: BodyState, thrust_n: tuple[float, ...]) -> Wrench:
    wrench = wrench_of(craft, thrust_n)
    return wrench if state.propellant_kg > 0.0 else Wrench(NO_VECTOR, NO_VECTOR, 0.0)


def _angular_acceleration(craft: Craft, rate: Vector, torque_nm: Vector) -> Vector:
    """Return w' of Euler's equations: I w' = torque - w x (I w)."""
    (ix, iy, iz), (x, y, z) = craft.body.inertia_kgm2, rate
    return (
        (torque_nm[0] + (iy - iz) * y * z) / ix,
        (torque_nm[1] + (iz - ix) * z * x) / iy,
        (torque_nm[2] + (ix - iy) * x * y) / iz,
    )
