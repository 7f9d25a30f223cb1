"""Flight: thrust by set-points and direct orders, the body's step under it, and the ends of orders by it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from svc_sim.domain.body.algebra import conjugate, multiply, norm, subtract
from svc_sim.domain.body.checks import InvalidValueError
from svc_sim.domain.body.control import SetPoints, control
from svc_sim.domain.body.integrator import step as step_body
from svc_sim.domain.body.motion import wrench_of
from svc_sim.domain.craft.guidance import measured
from svc_sim.domain.craft.orders import AbortReason, CraftMode, Ending
from svc_sim.domain.craft.parameters import CraftParameters
from svc_sim.domain.craft.state import Burn, CraftState, Guidance, Pursuit
from svc_sim.domain.kinematics import Quaternion

STILL_RPS = 0.01
"""Angular rate below which an attitude counts as reached."""
_WHY_CUT: Final = {
    AbortReason.NO_POWER: "the thruster has no power",
    AbortReason.ROTATING_TOO_FAST: "the craft turns too fast to be computed under thrust",
}


def wanted_thrust(parameters: CraftParameters, state: CraftState) -> tuple[float, ...]:
    """Return the thrust of each thruster that autopilot and direct orders ask for, within its limit."""
    thrusts = list(_autopilot_thrust(parameters, state))
    for burn in state.guidance.burns:
        limit_n = parameters.airframe.thrusters[burn.thruster].max_thrust_n
        thrusts[burn.thruster] = min(thrusts[burn.thruster] + burn.thrust_n, limit_n)
    return tuple(thrusts)


def _autopilot_thrust(parameters: CraftParameters, state: CraftState) -> tuple[float, ...]:
    guidance, idle = state.guidance, (0.0,) * len(parameters.airframe.thrusters)
    if parameters.autopilot is None or guidance.mode is CraftMode.DRIFT:
        return idle
    if guidance.mode is CraftMode.SAFE:
        return control(parameters.autopilot, state.body, SetPoints(angular_rate_rps=(0.0, 0.0, 0.0)))
    set_points = SetPoints(attitude=guidance.attitude, velocity_mps=guidance.velocity_mps)
    return control(parameters.autopilot, state.body, set_points)


@dataclass(frozen=True, slots=True)
class Flown:
    """The craft after the body's step, the share of the thrust that there was propellant for, and ended orders."""

    state: CraftState
    endings: Sequence[Ending]


def fly(
    parameters: CraftParameters, state: CraftState, thrust_n: tuple[float, ...], without_power: Sequence[int], tick: int
) -> Flown:
    """Return the craft one step later under this thrust; `without_power` are the thrusters that would fire, and cannot.

    A rotation too fast for the step's numerics ends all thrust: the body coasts.
    """
    cut = dict.fromkeys(without_power, AbortReason.NO_POWER)
    try:
        body = step_body(parameters.airframe, state.body, thrust_n, parameters.dt_s)
    except InvalidValueError:
        cut, thrust_n = dict.fromkeys(range(len(thrust_n)), AbortReason.ROTATING_TOO_FAST), (0.0,) * len(thrust_n)
        body = step_body(parameters.airframe, state.body, thrust_n, parameters.dt_s)
    share = _share(parameters, state, thrust_n, body.propellant_kg)
    after = replace(state, body=body, thrust_n=tuple([share * n for n in thrust_n]))
    endings: list[Ending] = []
    guidance = after.guidance
    if guidance.burns:
        guidance, endings = _burnt(parameters, after, share, cut, tick)
    guidance = _pursued(after, guidance, tick, endings)
    return Flown(after if guidance is after.guidance else replace(after, guidance=guidance), endings)


def _burnt(
    parameters: CraftParameters, after: CraftState, share: float, cut: Mapping[int, AbortReason], tick: int
) -> tuple[Guidance, list[Ending]]:
    """Return the guidance with the direct thrusts that go on, and the ends of the others."""
    endings, burns = [], []
    for burn in after.guidance.burns:
        impulse_ns = 0.0 if burn.thruster in cut else share * burn.thrust_n * parameters.dt_s
        burnt = replace(burn, ticks_left=burn.ticks_left - 1, impulse_ns=burn.impulse_ns + impulse_ns)
        if ending := _end_of_burn(burnt, after, cut.get(burn.thruster), share, tick):
            endings.append(ending)
        else:
            burns.append(burnt)
    return replace(after.guidance, burns=tuple(burns)), endings


def _share(parameters: CraftParameters, state: CraftState, thrust_n: tuple[float, ...], left_kg: float) -> float:
    needed_kg = wrench_of(parameters.airframe, thrust_n).flow_kgps * parameters.dt_s
    if needed_kg <= state.body.propellant_kg:
        return 1.0
    return (state.body.propellant_kg - left_kg) / needed_kg


def _end_of_burn(burn: Burn, after: CraftState, cut: AbortReason | None, share: float, tick: int) -> Ending | None:
    """Return the end of a direct thrust at this tick, or None if it goes on; `cut` is why it could not fire."""
    effect = replace(measured(burn.begun, after, tick), impulse_ns=burn.impulse_ns)
    command_id = burn.begun.command_id
    if cut is not None:
        return Ending(command_id, tick, effect, cut, _WHY_CUT[cut])
    if share < 1.0 or (after.body.propellant_kg == 0.0 and burn.ticks_left > 0):
        return Ending(command_id, tick, effect, AbortReason.TANK_EMPTY, "the propellant tank is empty")
    return Ending(command_id, tick, effect) if burn.ticks_left == 0 else None


def _pursued(after: CraftState, guidance: Guidance, tick: int, endings: list[Ending]) -> Guidance:
    """Return the guidance without the set-point orders that are reached or given up; the set-points stay."""
    if guidance.attitude_pursuit is not None and guidance.attitude is not None:
        error_rad = pointing_error(after.body.attitude, guidance.attitude)
        still = norm(after.body.angular_rate_rps) < STILL_RPS
        if _ends(guidance.attitude_pursuit, after, tick, error_rad, endings, still=still, attitude=True):
            guidance = replace(guidance, attitude_pursuit=None)
    if guidance.velocity_pursuit is not None and guidance.velocity_mps is not None:
        error_mps = norm(subtract(guidance.velocity_mps, after.body.velocity_mps))
        if _ends(guidance.velocity_pursuit, after, tick, error_mps, endings, still=True, attitude=False):
            guidance = replace(guidance, velocity_pursuit=None)
    return guidance


def _ends(
    pursuit: Pursuit,
    after: CraftState,
    tick: int,
    error: float,
    endings: list[Ending],
    *,
    still: bool,
    attitude: bool,
) -> bool:
    reached = still and error <= pursuit.tolerance
    if not reached and tick < pursuit.last_tick:
        return False
    effect = measured(pursuit.begun, after, tick)
    effect = replace(effect, attitude_error_rad=error) if attitude else replace(effect, velocity_error_mps=error)
    reason, why = (None, "") if reached else (AbortReason.TIMEOUT, "the set-point was not reached in time")
    endings.append(Ending(pursuit.begun.command_id, tick, effect, reason, why))
    return True


def pointing_error(attitude: Quaternion, wanted: Quaternion) -> float:
    """Return the chord 2 sin(angle / 2) of the rotation from one attitude to another: the angle, for small ones."""
    _w, x, y, z = multiply(conjugate(attitude), wanted)
    return 2.0 * norm((x, y, z))
