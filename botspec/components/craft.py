"""Components that move the bot: rigid body, propellant tank, thrusters and autopilot."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from botspec.base import refuse
from botspec.components.base import Component, Mass, Powered, UnitVector, Vector
from botspec.yaml_core import Loc

_Inertia = Annotated[float, Field(ge=1e-6, le=1e12)]
# Of the sum of two moments: a flat plate has exactly the sum.
_TRIANGLE_TOLERANCE = 1e-12

MAX_THRUSTERS = 64
MAX_TICK_S = 1.0
"""The longest tick with which a body's motion is integrated."""
MAX_BURN_PER_DRY_MASS_PS = 1.0
"""The largest propellant flow of all thrusters in a second, as a share of the dry mass."""
STANDARD_GRAVITY_MPS2 = 9.80665


class RigidBody(Component):
    """The body: mass without propellant, and the principal moments of inertia about the centre of mass, [xx, yy, zz].

    The body frame is x forward, y left, z up, with its origin at the centre of mass.
    """

    PROVIDES = ("body",)

    type: Literal["rigid_body"]
    dry_mass_kg: Mass
    inertia_kgm2: tuple[_Inertia, _Inertia, _Inertia]

    @model_validator(mode="after")
    def _check_inertia(self) -> Self:
        x, y, z = self.inertia_kgm2
        for largest, first, second in ((x, y, z), (y, x, z), (z, x, y)):
            if largest > (first + second) * (1.0 + _TRIANGLE_TOLERANCE):
                message = (
                    f"no body has these moments: {largest!r} exceeds the sum of the others, {first!r} + {second!r}; "
                    f"reduce it, or increase one of the others"
                )
                refuse("RigidBody", [(("inertia_kgm2",), message)])
        return self


class PropellantTank(Component):
    """A tank at the centre of mass; the body's inertia does not change with its content."""

    PROVIDES = ("propellant",)
    CONSUMES = ("body",)

    type: Literal["propellant_tank"]
    capacity_kg: Mass
    initial_kg: Annotated[float, Field(ge=0, le=1e7)]

    @model_validator(mode="after")
    def _check_content(self) -> Self:
        if self.initial_kg > self.capacity_kg:
            message = f"should not exceed capacity_kg, which is {self.capacity_kg!r}"
            refuse("PropellantTank", [(("initial_kg",), message)])
        return self


class Thruster(Powered):
    """A thruster: position on the body, direction of its force on the body, and limits.

    It draws `power_w` while it fires. Propellant flow is thrust / (specific impulse * 9.80665 m/s2).
    """

    PROVIDES = ("thrust",)
    CONSUMES = ("body", "propellant")

    type: Literal["thruster"]
    position_m: Vector
    direction: UnitVector
    max_thrust_n: Annotated[float, Field(gt=0, le=1e7)]
    specific_impulse_s: Annotated[float, Field(ge=10, le=20_000)]


class Autopilot(Component):
    """Control of attitude and velocity by the thrusters, within these limits."""

    PROVIDES = ("guidance",)
    CONSUMES = ("body", "thrust")

    type: Literal["autopilot"]
    max_speed_mps: Annotated[float, Field(gt=0, le=20_000)]
    max_angular_rate_rps: Annotated[float, Field(gt=0, le=10)]
    attitude_bandwidth_rps: Annotated[float, Field(gt=0, le=100)]
    velocity_bandwidth_rps: Annotated[float, Field(gt=0, le=100)]


def craft_problems(components: Sequence[Component], tick_s: float) -> Iterator[tuple[Loc, str]]:
    """Yield (loc, message) where a body cannot be simulated: its tick, number of thrusters, or propellant flow."""
    bodies = [component for component in components if isinstance(component, RigidBody)]
    places = [number for number, component in enumerate(components) if isinstance(component, Thruster)]
    thrusters = [component for component in components if isinstance(component, Thruster)]
    if bodies and tick_s > MAX_TICK_S:
        yield ("simulation", "tick_s"), f"should be at most {MAX_TICK_S:g} s with a rigid_body, not {tick_s!r}"
    if len(thrusters) > MAX_THRUSTERS:
        message = f"a craft has at most {MAX_THRUSTERS} thrusters, not {len(thrusters)}; remove or join some"
        yield ("components", places[MAX_THRUSTERS], "type"), message
    flow_kgps = sum(each.max_thrust_n / (each.specific_impulse_s * STANDARD_GRAVITY_MPS2) for each in thrusters)
    if bodies and flow_kgps > MAX_BURN_PER_DRY_MASS_PS * bodies[0].dry_mass_kg:
        message = (
            f"all thrusters burn {flow_kgps:g} kg/s, "
            f"more than the dry mass of {bodies[0].dry_mass_kg!r} kg in a second: "
            f"lower max_thrust_n, or raise specific_impulse_s"
        )
        yield ("components", places[0], "max_thrust_n"), message
