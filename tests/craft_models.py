"""Craft that several tests fly: a symmetric one without thrusters, and an inspection craft with twelve."""

import math

from svc_sim.domain.body.craft import Craft, PropellantTank, RigidBody, Thruster
from svc_sim.domain.body.state import BodyState
from svc_sim.domain.kinematics import Quaternion, Vector

INERTIA_KGM2: Vector = (62.0, 55.0, 38.0)
LEVEL: Quaternion = (1.0, 0.0, 0.0, 0.0)
TILTED: Quaternion = (0.8, 0.36, -0.48, 0.0)
REST: Vector = (0.0, 0.0, 0.0)
TICK_S = 0.05


def thruster(
    position_m: Vector, direction: Vector, max_thrust_n: float = 2.0, specific_impulse_s: float = 220.0, name: str = "t"
) -> Thruster:
    return Thruster(name, position_m, direction, max_thrust_n, specific_impulse_s)


def inspection_craft(initial_kg: float = 20.0, leave_out: frozenset[str] = frozenset()) -> Craft:
    """Twelve thrusters, two for each direction of force, which give a pure torque about each axis both ways."""
    out, arm = 0.8, 0.5
    thrusters = []
    for axis in range(3):
        for sign in (1.0, -1.0):
            for side in (1.0, -1.0):
                position, direction = [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]
                position[axis], position[(axis + 1) % 3], direction[axis] = -sign * out, side * arm, sign
                name = f"{'+' if sign > 0 else '-'}{'xyz'[axis]}{'+' if side > 0 else '-'}"
                thrusters.append(thruster(vector(position), vector(direction), name=name))
    kept = tuple(t for t in thrusters if t.name not in leave_out)
    return Craft(RigidBody(180.0, INERTIA_KGM2), PropellantTank(25.0, initial_kg), kept)


def coasting_craft(inertia_kgm2: Vector = INERTIA_KGM2) -> Craft:
    return Craft(RigidBody(180.0, inertia_kgm2))


def state(
    rate: Vector = REST, *, attitude: Quaternion = LEVEL, velocity: Vector = REST, propellant_kg: float = 0.0
) -> BodyState:
    return BodyState((0.0, 0.0, 0.0), velocity, attitude, rate, propellant_kg)


def vector(values: list[float]) -> Vector:
    x, y, z = values
    return (x, y, z)


def turn_about(axis: Vector, angle_rad: float) -> Quaternion:
    """The rotation by an angle about a unit axis."""
    s = math.sin(0.5 * angle_rad)
    return (math.cos(0.5 * angle_rad), s * axis[0], s * axis[1], s * axis[2])
