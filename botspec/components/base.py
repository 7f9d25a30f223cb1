"""Base of every component: name, capabilities, mount, and the physical ranges of quantities."""

import math
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, field_validator

from botspec.base import Spec

MAX_CAPABILITIES = 32
MAX_PRIORITY = 1000
UNIT_TOLERANCE = 1e-6
"""Permitted difference of a vector's or quaternion's length from 1, for values written with seven digits or more."""

Capability = Literal[
    "body",
    "propellant",
    "thrust",
    "guidance",
    "power_bus",
    "generation",
    "heat_sink",
    "transponder",
    "shield",
    "position",
    "velocity",
    "angular_rate",
    "acceleration",
    "attitude",
    "temperature",
    "power_state",
    "proximity",
    "magnetic_field",
    "detections",
    "identities",
]
SINGLE: frozenset[Capability] = frozenset({"body", "propellant", "guidance", "power_bus", "transponder", "shield"})
"""Capabilities that at most one component provides: their consumers could not choose between two."""

ComponentName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
Coordinate = Annotated[float, Field(ge=-1000, le=1000)]
Vector = tuple[Coordinate, Coordinate, Coordinate]
Fraction = Annotated[float, Field(ge=0, le=1)]
Probability = Annotated[float, Field(ge=0, le=1)]
NonNegative = Annotated[float, Field(ge=0, le=1e9)]
Positive = Annotated[float, Field(gt=0, le=1e9)]
Mass = Annotated[float, Field(ge=0.01, le=1e7)]
Energy = Annotated[float, Field(gt=0, le=1e12)]
Power = Annotated[float, Field(ge=0, le=1e8)]
PositivePower = Annotated[float, Field(gt=0, le=1e8)]
Temperature = Annotated[float, Field(ge=2.7, le=5000)]
FieldOfView = Annotated[float, Field(gt=0, le=360)]
Priority = Annotated[int, Field(ge=1, le=MAX_PRIORITY)]


def _check_unit(values: tuple[float, ...]) -> tuple[float, ...]:
    length = math.sqrt(sum(value * value for value in values))
    if abs(length - 1.0) > UNIT_TOLERANCE:
        shown = [round(value / length, 9) for value in values] if length > 0 else "any direction of length 1"
        raise ValueError(f"should have length 1, not {length:.9g}; in this direction: {shown}")
    return values


_Cosine = Annotated[float, Field(ge=-1.000001, le=1.000001)]
UnitVector = Annotated[tuple[_Cosine, _Cosine, _Cosine], AfterValidator(_check_unit)]
"""A direction in the body frame: x forward, y left, z up."""
Quaternion = Annotated[tuple[_Cosine, _Cosine, _Cosine, _Cosine], AfterValidator(_check_unit)]
"""A rotation (w, x, y, z) from a mount's frame to the body frame."""


class Component(Spec):
    """A part of the bot. Its type provides at most PROVIDES and consumes at least CONSUMES, which are the defaults.

    A file may declare that a component provides less, or consumes more.
    """

    PROVIDES: ClassVar[tuple[Capability, ...]] = ()
    CONSUMES: ClassVar[tuple[Capability, ...]] = ()

    name: ComponentName
    provides: Annotated[tuple[Capability, ...], Field(max_length=MAX_CAPABILITIES)] | None = None
    consumes: Annotated[tuple[Capability, ...], Field(max_length=MAX_CAPABILITIES)] | None = None

    @property
    def provided(self) -> tuple[Capability, ...]:
        """The capabilities that the component provides."""
        return self.PROVIDES if self.provides is None else self.provides

    @property
    def consumed(self) -> tuple[Capability, ...]:
        """The capabilities that the component needs from others."""
        return self.CONSUMES if self.consumes is None else self.consumes

    @field_validator("provides")
    @classmethod
    def _check_provides(cls, given: tuple[Capability, ...] | None) -> tuple[Capability, ...] | None:
        for capability in given or ():
            if capability not in cls.PROVIDES:
                can = ", ".join(cls.PROVIDES) or "nothing"
                raise ValueError(f"this type cannot provide {capability!r}; remove it (it provides {can})")
        return given

    @field_validator("consumes")
    @classmethod
    def _check_consumes(cls, given: tuple[Capability, ...] | None) -> tuple[Capability, ...] | None:
        missing = [capability for capability in cls.CONSUMES if given is not None and capability not in given]
        if missing:
            raise ValueError(f"this type needs {', '.join(map(repr, missing))} too; add it, or omit `consumes`")
        return given


class Powered(Component):
    """A component that draws `power_w` from the bus; in a brown-out the highest `priority` number is shed first."""

    power_w: Power = 0.0
    priority: Priority = 1

    @property
    def consumed(self) -> tuple[Capability, ...]:
        """The capabilities that the component needs; with a power draw, the bus too."""
        declared = super().consumed
        return declared if self.power_w == 0.0 or "power_bus" in declared else (*declared, "power_bus")


class Mount(Spec):
    """Position on the body in metres, and rotation from the mounted component's frame to the body frame."""

    position_m: Vector
    attitude: Quaternion
