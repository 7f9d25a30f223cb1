"""Parameters of the own ship's body: mass and inertia, propellant, thrusters, and what follows from them."""

from dataclasses import dataclass, field
from typing import NamedTuple

from svc_sim.domain.body.algebra import cross, norm, scale
from svc_sim.domain.body.checks import InvalidValueError, check_finite, check_positive, check_unit, check_within
from svc_sim.domain.kinematics import Vector

STANDARD_GRAVITY_MPS2 = 9.80665
"""g0 of the specific impulse, exact by definition (3rd CGPM, 1901)."""
MAX_THRUSTERS = 64
MAX_BURN_PER_DRY_MASS_PS = 1.0
"""All thrusters together burn at most this multiple of the dry mass in a second: the mass in a step is positive."""


@dataclass(frozen=True, slots=True)
class RigidBody:
    """Mass without propellant, and the moments of inertia about the body's axes, which are principal axes.

    The origin of the body frame is the centre of mass.
    """

    dry_mass_kg: float
    inertia_kgm2: Vector

    def __post_init__(self) -> None:
        check_positive("dry_mass_kg", self.dry_mass_kg)
        check_finite("inertia_kgm2", self.inertia_kgm2, 3)
        for index, moment in enumerate(self.inertia_kgm2):
            check_positive(f"inertia_kgm2[{index}]", moment)
        x, y, z = self.inertia_kgm2
        if 2.0 * max(x, y, z) > (x + y + z) * (1.0 + 1e-12):
            raise InvalidValueError(
                "inertia_kgm2", f"is {self.inertia_kgm2}: no moment of a body exceeds the sum of the other two"
            )


@dataclass(frozen=True, slots=True)
class PropellantTank:
    """Propellant at the centre of mass: it adds to the mass, and the moments of inertia do not change with it."""

    capacity_kg: float
    initial_kg: float

    def __post_init__(self) -> None:
        check_positive("capacity_kg", self.capacity_kg)
        check_within("initial_kg", self.initial_kg, 0.0, self.capacity_kg)


@dataclass(frozen=True, slots=True)
class Thruster:
    """A one-sided thruster: position from the centre of mass, unit vector of the force, both in the body frame."""

    name: str
    position_m: Vector
    direction: Vector
    max_thrust_n: float
    specific_impulse_s: float

    def __post_init__(self) -> None:
        check_finite(f"{self.name}.position_m", self.position_m, 3)
        check_unit(f"{self.name}.direction", self.direction, 3)
        check_positive(f"{self.name}.max_thrust_n", self.max_thrust_n)
        check_positive(f"{self.name}.specific_impulse_s", self.specific_impulse_s)


class Effect(NamedTuple):
    """Effects of one thruster a newton of its thrust: force on the body, torque r x F, propellant flow in kg/s."""

    max_thrust_n: float
    force: Vector
    torque_m: Vector
    flow_kgps: float


@dataclass(frozen=True, slots=True)
class Craft:
    """The whole body: mass properties, propellant and thrusters. Without thrusters it coasts and may have no tank.

    `gyro` are the factors of wy wz, wz wx, wx wy in Euler's equations without torque.
    """

    body: RigidBody
    tank: PropellantTank | None = None
    thrusters: tuple[Thruster, ...] = ()
    effects: tuple[Effect, ...] = field(init=False, repr=False, compare=False)
    gyro: Vector = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.thrusters) > MAX_THRUSTERS:
            raise InvalidValueError("thrusters", f"are {len(self.thrusters)}: give at most {MAX_THRUSTERS}")
        if self.thrusters and self.tank is None:
            raise InvalidValueError("tank", "is missing: thrusters need a propellant tank")
        object.__setattr__(self, "effects", tuple(_effect(thruster) for thruster in self.thrusters))
        x, y, z = self.body.inertia_kgm2
        object.__setattr__(self, "gyro", ((y - z) / x, (z - x) / y, (x - y) / z))
        burn_kgps = sum(e.flow_kgps * t.max_thrust_n for e, t in zip(self.effects, self.thrusters, strict=True))
        if burn_kgps > MAX_BURN_PER_DRY_MASS_PS * self.body.dry_mass_kg:
            raise InvalidValueError(
                "max_thrust_n",
                f"of all thrusters burns {burn_kgps} kg/s with a dry mass of {self.body.dry_mass_kg} kg: "
                "lower the thrust or raise specific_impulse_s",
            )


def _effect(thruster: Thruster) -> Effect:
    direction = scale(1.0 / norm(thruster.direction), thruster.direction)
    flow_kgps = 1.0 / (thruster.specific_impulse_s * STANDARD_GRAVITY_MPS2)
    return Effect(thruster.max_thrust_n, direction, cross(thruster.position_m, direction), flow_kgps)
