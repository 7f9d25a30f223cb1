"""One fixed step of a rigid body with six degrees of freedom under constant thrust in the body frame. Pure.

Equations, in ENU for the translation and in the body frame for the rotation (Wertz, "Spacecraft attitude determination
and control", 1978, chapter 16; Tsiolkovsky's m' = -T / (Isp g0)):

    x' = v,  v' = R(q) F / m,  m' = -flow,  q' = q (0, w) / 2,  I w' = torque - w x (I w)

Method: a symmetric step of order 2, composed three times with the factors g1, g0, g1 to order 4 (Yoshida, "Construction
of higher order symplectic integrators", Phys. Lett. A 150, 1990). The step of order 2 over h is the implicit
midpoint rule for w, and the Cayley rotation by the midpoint rate for q:

    w1 = w0 + h f((w0 + w1) / 2),   q1 = q0 (1, h (w0 + w1) / 4) / |...|

Without torque both together keep the rotational energy and the angular momentum in ENU, not only to the order of the
method but up to rounding (Austin, Krishnaprasad, Wang, "Almost Poisson integration of rigid body systems", J. Comp.
Physics 107, 1993). Velocity and position follow by the trapezoidal rule between the same nodes, with the mass at each.
"""

import math

from svc_sim.domain.body.algebra import add, norm, normalize, scale
from svc_sim.domain.body.checks import InvalidValueError
from svc_sim.domain.body.craft import Craft
from svc_sim.domain.body.motion import NO_VECTOR, Wrench, wrench_of
from svc_sim.domain.body.state import BodyState, check_state
from svc_sim.domain.kinematics import Quaternion, Vector, to_enu

MAX_STEP_S = 1.0
MAX_TURN_RAD = 0.125
"""A step that turns the body farther is divided into equal parts that do not."""
MAX_PARTS = 512
MAX_SWEEPS = 64
"""Fixed-point sweeps of the midpoint rule; below MAX_TURN_RAD it converges to the last bit within about ten."""

_OUTER = 1.3512071919596578
_INNER = -1.7024143839193153
"""g1 = 1 / (2 - 2^(1/3)) and g0 = 1 - 2 g1."""
_FACTORS = (_OUTER, _INNER, _OUTER)


def step(craft: Craft, state: BodyState, thrust_n: tuple[float, ...], dt_s: float) -> BodyState:
    """Return the state dt_s later with this thrust of each thruster; it ends at the moment when the tank is empty.

    Raise InvalidValueError, naming the field, for a thrust outside its range, a step outside (0, MAX_STEP_S], a
    rotation too fast for the step, or a state that is not finite.
    """
    if not 0.0 < dt_s <= MAX_STEP_S:
        raise InvalidValueError("dt_s", f"is {dt_s}: give a number in (0, {MAX_STEP_S}]")
    _check_finite_state(craft, state)
    wrench = wrench_of(craft, thrust_n)
    needed_kg = wrench.flow_kgps * dt_s
    if needed_kg <= state.propellant_kg:
        after = _advance(craft, state, wrench, dt_s, state.propellant_kg - needed_kg)
    else:
        burn_s = min(state.propellant_kg / wrench.flow_kgps, dt_s)
        if burn_s > 0.0:
            state = _advance(craft, state, wrench, burn_s, 0.0)
        after = _advance(craft, state, Wrench(NO_VECTOR, NO_VECTOR, 0.0), dt_s - burn_s, 0.0)
    _check_finite_state(craft, after)
    return after


def _advance(craft: Craft, state: BodyState, wrench: Wrench, duration_s: float, left_kg: float) -> BodyState:
    """Return the state after duration_s of constant wrench, with left_kg of propellant then."""
    ix, iy, iz = craft.body.inertia_kgm2
    tx, ty, tz = wrench.torque_nm
    acceleration = (tx / ix, ty / iy, tz / iz)
    parts = _parts(state.angular_rate_rps, acceleration, duration_s)
    part_s = duration_s / parts
    mass_kg = craft.body.dry_mass_kg + state.propellant_kg
    position, velocity = state.position_m, state.velocity_mps
    attitude, rate = state.attitude, state.angular_rate_rps
    force, flow_kgps = wrench.force_n, wrench.flow_kgps
    if force == NO_VECTOR:
        position = add(position, scale(duration_s, velocity))
    push = scale(1.0 / mass_kg, to_enu(attitude, force))
    for _ in range(parts):
        for factor in _FACTORS:
            h = factor * part_s
            attitude, rate = _rotate(attitude, rate, craft.gyro, acceleration, 0.5 * h)
            if force == NO_VECTOR:
                continue
            mass_kg -= flow_kgps * h
            before, push = push, scale(1.0 / mass_kg, to_enu(attitude, force))
            position, velocity = _translate(position, velocity, before, push, 0.5 * h)
    return BodyState(position, velocity, attitude, rate, left_kg)


def _parts(rate: Vector, acceleration: Vector, duration_s: float) -> int:
    turn_rad = (norm(rate) + norm(acceleration) * duration_s) * duration_s
    if not turn_rad < MAX_PARTS * MAX_TURN_RAD:
        raise InvalidValueError(
            "angular_rate_rps",
            f"is {rate}: in a step of {duration_s} s the body would turn by {turn_rad} rad, "
            f"and {MAX_PARTS * MAX_TURN_RAD} rad is the limit: lower the rate, the torque or the step",
        )
    return 1 + int(turn_rad / MAX_TURN_RAD)


def _rotate(
    attitude: Quaternion, rate: Vector, gyro: Vector, acceleration: Vector, half_s: float
) -> tuple[Quaternion, Vector]:
    """Return attitude and rate after one step of order 2: the midpoint rule, then the Cayley rotation."""
    (kx, ky, kz), (x, y, z) = gyro, rate
    kx, ky, kz = half_s * kx, half_s * ky, half_s * kz
    cx, cy, cz = x + half_s * acceleration[0], y + half_s * acceleration[1], z + half_s * acceleration[2]
    for _ in range(MAX_SWEEPS):
        last_x, last_y, last_z = x, y, z
        x = cx + kx * y * z
        y = cy + ky * z * x
        z = cz + kz * x * y
        if x == last_x and y == last_y and z == last_z:
            break
    a, b, c, d = attitude
    p, q, r = half_s * x, half_s * y, half_s * z
    turned = (
        a - b * p - c * q - d * r,
        b + a * p + c * r - d * q,
        c + a * q - b * r + d * p,
        d + a * r + b * q - c * p,
    )
    return normalize(turned), (2.0 * x - rate[0], 2.0 * y - rate[1], 2.0 * z - rate[2])


def _translate(
    position: Vector, velocity: Vector, before: Vector, after: Vector, half_s: float
) -> tuple[Vector, Vector]:
    """Return position and velocity by the trapezoidal rule between the accelerations of two nodes."""
    u, v, w = velocity
    new_u = u + half_s * (before[0] + after[0])
    new_v = v + half_s * (before[1] + after[1])
    new_w = w + half_s * (before[2] + after[2])
    x, y, z = position
    return (x + half_s * (u + new_u), y + half_s * (v + new_v), z + half_s * (w + new_w)), (new_u, new_v, new_w)


def _check_finite_state(craft: Craft, state: BodyState) -> None:
    """Refuse a state with NaN or an infinity; the sum over all of them is a quick sign of one."""
    (x, y, z), (u, v, w) = state.position_m, state.velocity_mps
    (a, b, c, d), (p, q, r) = state.attitude, state.angular_rate_rps
    if not math.isfinite(x + y + z + u + v + w + a + b + c + d + p + q + r + state.propellant_kg):
        check_state(craft, state)
