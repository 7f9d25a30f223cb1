"""Limits of the orders that a bot can carry out, from its BotSpec."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CraftLimits:
    """The thrusters with their maximum thrust in newtons, the switchable components, autopilot and transponder.

    `max_speed_mps` is None without an autopilot; `spoof_identity` is the BotSpec's, empty for none. `rotation_problem`
    and `velocity_problem` say why the thrusters cannot follow such a set-point, empty: they can.
    """

    thrusters: Mapping[str, float]
    switchable: tuple[str, ...] = ()
    max_speed_mps: float | None = None
    rotation_problem: str = ""
    velocity_problem: str = ""
    has_transponder: bool = False
    spoof_identity: str = ""
