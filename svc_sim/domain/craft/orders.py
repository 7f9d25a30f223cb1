"""Orders to the craft, their measured effects, and their ends."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from svc_sim.domain.kinematics import Quaternion, Vector
from svc_sim.domain.scenario.scenario import TransponderMode


class CraftMode(StrEnum):
    """Mode of the craft: autopilot with set-points, no autopilot, or rotation stopped and loads off."""

    NOMINAL = "nominal"
    DRIFT = "drift"
    SAFE = "safe"


@dataclass(frozen=True, slots=True)
class FireThruster:
    """Constant thrust of one thruster for a number of ticks."""

    thruster: str
    thrust_n: float
    ticks: int


@dataclass(frozen=True, slots=True)
class SetAttitude:
    """Attitude set-point (body to ENU); reached within the tolerance, or given up after the timeout."""

    attitude: Quaternion
    tolerance_rad: float
    timeout_ticks: int


@dataclass(frozen=True, slots=True)
class SetVelocity:
    """Velocity set-point (ENU); reached within the tolerance, or given up after the timeout."""

    velocity_mps: Vector
    tolerance_mps: float
    timeout_ticks: int


@dataclass(frozen=True, slots=True)
class SetMode:
    """Change of the craft's mode."""

    mode: CraftMode


@dataclass(frozen=True, slots=True)
class SwitchPower:
    """Change of one component's power switch."""

    component: str
    on: bool


@dataclass(frozen=True, slots=True)
class SetTransponder:
    """Change of the transponder's mode; `spoof_identity` replaces the BotSpec's, None keeps it."""

    mode: TransponderMode
    spoof_identity: str | None


Order: TypeAlias = FireThruster | SetAttitude | SetVelocity | SetMode | SwitchPower | SetTransponder


@dataclass(frozen=True, slots=True)
class GivenOrder:
    """An order under its command's id."""

    command_id: str
    order: Order


class AbortReason(StrEnum):
    """Reason for which an order ended before it had its effect."""

    TANK_EMPTY = "tank_empty"
    NO_POWER = "no_power"
    SUPERSEDED = "superseded"
    MODE = "mode"
    TIMEOUT = "timeout"
    ROTATING_TOO_FAST = "rotating_too_fast"


@dataclass(frozen=True, slots=True)
class Effect:
    """Measured effect of an order from its first tick to its last; values that do not concern it are 0."""

    ticks: int = 0
    impulse_ns: float = 0.0
    propellant_kg: float = 0.0
    delta_v_mps: float = 0.0
    attitude_error_rad: float = 0.0
    velocity_error_mps: float = 0.0


@dataclass(frozen=True, slots=True)
class Ending:
    """End of an order at a tick: completed, or aborted for a reason."""

    command_id: str
    tick: int
    effect: Effect = Effect()
    aborted: AbortReason | None = None
    message: str = ""
