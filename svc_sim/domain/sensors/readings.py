"""A reading: measured values with a reason for their quality, or the reason why there are none."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class SensorState(StrEnum):
    """The state of a sensor: with values, with degraded values, without values for a defect or for another cause."""

    NOMINAL = "nominal"
    DEGRADED = "degraded"
    FAILED = "failed"
    ABSENT = "absent"


class MeasuredReason(StrEnum):
    """The quality of measured values; `stuck` are the values of the last reading before the fault."""

    NOMINAL = "nominal"
    NOISE = "noise"
    STUCK = "stuck"


class MissingReason(StrEnum):
    """The cause of a reading without values."""

    FAILURE = "failure"
    DROPOUT = "dropout"
    NO_POWER = "no_power"
    OVERHEATED = "overheated"
    NOTHING_IN_VIEW = "nothing_in_view"
    ROTATING_TOO_FAST = "rotating_too_fast"


@dataclass(frozen=True, slots=True)
class Quantity:
    """A measured quantity: its name and unit, one value per component, and the noise's sigma of each component.

    An attitude has the four values of its quaternion.
    """

    name: str
    unit: str
    values: tuple[float, ...]
    sigma: float


@dataclass(frozen=True, slots=True)
class Measured:
    """A reading with values; `since_tick` is the first tick of the same state and reason."""

    quantities: tuple[Quantity, ...]
    reason: MeasuredReason
    since_tick: int

    @property
    def state(self) -> SensorState:
        """The sensor's state, NOMINAL or DEGRADED."""
        return SensorState.NOMINAL if self.reason is MeasuredReason.NOMINAL else SensorState.DEGRADED


@dataclass(frozen=True, slots=True)
class Missing:
    """A reading without values; `since_tick` is the first tick of the same state and reason."""

    reason: MissingReason
    since_tick: int

    @property
    def state(self) -> SensorState:
        """The sensor's state, FAILED or ABSENT."""
        return SensorState.FAILED if self.reason is MissingReason.FAILURE else SensorState.ABSENT


Reading = Measured | Missing


def reason_text(reason: MeasuredReason | MissingReason) -> str:
    """Return the reason in a sentence for people."""
    return _TEXTS[reason]


_TEXTS: Final[Mapping[MeasuredReason | MissingReason, str]] = MappingProxyType(
    {
        MeasuredReason.NOMINAL: "measures within its specification",
        MeasuredReason.NOISE: "a fault raises its noise",
        MeasuredReason.STUCK: "repeats its last values from before a fault",
        MissingReason.FAILURE: "has failed",
        MissingReason.DROPOUT: "lost this reading",
        MissingReason.NO_POWER: "has no power: switched off, or shed",
        MissingReason.OVERHEATED: "is off: its thermal node is too hot",
        MissingReason.NOTHING_IN_VIEW: "has no contact within its field of view and range",
        MissingReason.ROTATING_TOO_FAST: "has no attitude: the craft turns faster than its limit",
    }
)
