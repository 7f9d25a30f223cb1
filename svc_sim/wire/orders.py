"""Wire form of orders to the craft: validation against the BotSpec's limits, and conversion. Pure."""

import math
from collections.abc import Callable, Mapping
from typing import Final

from qiki.common.v1.contact_pb2 import TransponderMode as WireTransponderMode
from qiki.sim.v1 import commands_pb2 as pb
from svc_sim.domain.craft.limits import CraftLimits
from svc_sim.domain.craft.orders import (
    CraftMode,
    FireThruster,
    Order,
    SetAttitude,
    SetMode,
    SetTransponder,
    SetVelocity,
    SwitchPower,
)
from svc_sim.domain.scenario.scenario import TransponderMode
from svc_sim.wire.refused import RefusedError, check_name, check_within

NS_PER_S = 1_000_000_000
MAX_BURN_S = 3_600.0
MAX_TIMEOUT_S, DEFAULT_TIMEOUT_S = 86_400.0, 600.0
MAX_ATTITUDE_TOLERANCE_RAD, DEFAULT_ATTITUDE_TOLERANCE_RAD = 0.5, 0.01
MAX_VELOCITY_TOLERANCE_MPS, DEFAULT_VELOCITY_TOLERANCE_MPS = 100.0, 0.1
UNIT_TOLERANCE = 1e-3
MAX_IDENTITY_CHARACTERS = 64

CRAFT_MODES: Final = {
    CraftMode.NOMINAL: pb.CraftMode.CRAFT_MODE_NOMINAL,
    CraftMode.DRIFT: pb.CraftMode.CRAFT_MODE_DRIFT,
    CraftMode.SAFE: pb.CraftMode.CRAFT_MODE_SAFE,
}
TRANSPONDER_MODES: Final = {
    TransponderMode.OFF: WireTransponderMode.TRANSPONDER_MODE_UNSPECIFIED,
    TransponderMode.ON: WireTransponderMode.TRANSPONDER_MODE_ON,
    TransponderMode.SILENT: WireTransponderMode.TRANSPONDER_MODE_SILENT,
    TransponderMode.SPOOF: WireTransponderMode.TRANSPONDER_MODE_SPOOF,
}


def to_order(command: pb.Command, limits: CraftLimits, tick_ns: int) -> Order:
    """Return the order of a command to a craft with these limits.

    Raises:
        RefusedError: it holds no order, or a value that is not finite, out of range, or of no component of the bot.
    """
    action = command.WhichOneof("action")
    if action is None or action not in _ORDERS:
        why = "a bot with a rigid body is not steered by helm" if action == "set_helm" else "nothing known is asked for"
        raise RefusedError("action", f"{why}; known: {', '.join(_ORDERS)}")
    return _ORDERS[action](command, limits, tick_ns)


def _fire_thruster(command: pb.Command, limits: CraftLimits, tick_ns: int) -> Order:
    given = command.fire_thruster
    name = check_name("fire_thruster.thruster", given.thruster, tuple(limits.thrusters), "thruster")
    thrust_n = check_within("fire_thruster.thrust_n", given.thrust_n, 0.0, limits.thrusters[name], open_low=True)
    duration_s = check_within("fire_thruster.duration_s", given.duration_s, 0.0, MAX_BURN_S, open_low=True)
    return FireThruster(name, thrust_n, _ticks(duration_s, tick_ns))


def _set_attitude(command: pb.Command, limits: CraftLimits, tick_ns: int) -> Order:
    given = command.set_attitude
    _require_autopilot("set_attitude", limits, limits.rotation_problem)
    parts = given.attitude.w, given.attitude.x, given.attitude.y, given.attitude.z
    length = math.sqrt(sum(part * part for part in parts)) if all(map(math.isfinite, parts)) else math.nan
    if not abs(length - 1.0) <= UNIT_TOLERANCE:
        raise RefusedError("set_attitude.attitude", f"must be a unit quaternion, its length is {length!r}")
    w, x, y, z = (part / length for part in parts)
    tolerance_rad = _or_default(
        "set_attitude.tolerance_rad",
        given.tolerance_rad,
        MAX_ATTITUDE_TOLERANCE_RAD,
        DEFAULT_ATTITUDE_TOLERANCE_RAD,
    )
    return SetAttitude((w, x, y, z), tolerance_rad, _timeout("set_attitude", given.timeout_s, tick_ns))


def _set_velocity(command: pb.Command, limits: CraftLimits, tick_ns: int) -> Order:
    given = command.set_velocity
    problem = limits.velocity_problem or limits.rotation_problem
    max_speed_mps = _require_autopilot("set_velocity", limits, problem)
    x, y, z = given.velocity.x, given.velocity.y, given.velocity.z
    for axis, value in (("x", x), ("y", y), ("z", z)):
        check_within(f"set_velocity.velocity.{axis}", value, -max_speed_mps, max_speed_mps)
    check_within("set_velocity.velocity", math.sqrt(x * x + y * y + z * z), 0.0, max_speed_mps)
    tolerance_mps = _or_default(
        "set_velocity.tolerance_mps",
        given.tolerance_mps,
        MAX_VELOCITY_TOLERANCE_MPS,
        DEFAULT_VELOCITY_TOLERANCE_MPS,
    )
    return SetVelocity((x, y, z), tolerance_mps, _timeout("set_velocity", given.timeout_s, tick_ns))


def _set_mode(command: pb.Command, limits: CraftLimits, tick_ns: int) -> Order:
    for mode, wire in CRAFT_MODES.items():
        if wire == command.set_mode.mode:
            return SetMode(mode)
    raise RefusedError("set_mode.mode", f"must be one of {', '.join(mode.name for mode in CraftMode)}")


def _switch_power(command: pb.Command, limits: CraftLimits, tick_ns: int) -> Order:
    given = command.switch_power
    name = check_name("switch_power.component", given.component, limits.switchable, "switchable component")
    return SwitchPower(name, given.on)


def _set_transponder(command: pb.Command, limits: CraftLimits, tick_ns: int) -> Order:
    given = command.set_transponder
    if not limits.has_transponder:
        raise RefusedError("set_transponder", "the bot has no transponder")
    modes = {wire: mode for mode, wire in TRANSPONDER_MODES.items()}
    if given.mode not in modes:
        raise RefusedError("set_transponder.mode", f"must be one of {', '.join(mode.name for mode in TransponderMode)}")
    mode, identity = modes[given.mode], given.spoof_identity
    field = "set_transponder.spoof_identity"
    if identity and mode is not TransponderMode.SPOOF:
        raise RefusedError(field, f"has no use with mode {mode.name}: leave it empty")
    if len(identity) > MAX_IDENTITY_CHARACTERS or not all(" " <= character <= "~" for character in identity):
        raise RefusedError(field, f"must have at most {MAX_IDENTITY_CHARACTERS} printable ASCII characters")
    if mode is TransponderMode.SPOOF and not identity and not limits.spoof_identity:
        raise RefusedError(field, "is required: the BotSpec gives no spoof_identity")
    return SetTransponder(mode, identity or None)


_ORDERS: Final[Mapping[str, Callable[[pb.Command, CraftLimits, int], Order]]] = {
    "fire_thruster": _fire_thruster,
    "set_attitude": _set_attitude,
    "set_velocity": _set_velocity,
    "set_mode": _set_mode,
    "switch_power": _switch_power,
    "set_transponder": _set_transponder,
}


def _require_autopilot(field: str, limits: CraftLimits, problem: str) -> float:
    if limits.max_speed_mps is None:
        raise RefusedError(field, "the bot has no autopilot; use fire_thruster")
    if problem:
        raise RefusedError(field, f"the thrusters cannot follow it: {problem}")
    return limits.max_speed_mps


def _or_default(field: str, value: float, high: float, default: float) -> float:
    return check_within(field, value, 0.0, high) or default


def _timeout(action: str, timeout_s: float, tick_ns: int) -> int:
    return _ticks(_or_default(f"{action}.timeout_s", timeout_s, MAX_TIMEOUT_S, DEFAULT_TIMEOUT_S), tick_ns)


def _ticks(duration_s: float, tick_ns: int) -> int:
    """Return a duration in whole ticks, rounded up; at least one."""
    return max(1, -(-round(duration_s * NS_PER_S) // tick_ns))
