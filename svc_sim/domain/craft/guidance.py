"""Orders to the craft: their effect on mode, switches, set-points and direct thrust at the begin of a tick. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from svc_sim.domain.body.algebra import norm, subtract
from svc_sim.domain.craft.orders import (
    AbortReason,
    CraftMode,
    Effect,
    Ending,
    FireThruster,
    GivenOrder,
    SetAttitude,
    SetMode,
    SetTransponder,
    SetVelocity,
    SwitchPower,
)
from svc_sim.domain.craft.parameters import CraftParameters, PartKind
from svc_sim.domain.craft.state import Begun, Burn, CraftState, Guidance, Pursuit
from svc_sim.domain.subsystems.shield import set_raised
from svc_sim.domain.subsystems.transponder import TransponderParameters

DONE_AT_ONCE = Effect(ticks=1)


@dataclass(slots=True)
class OrderOutcome:
    """The craft after the orders of one tick, and the orders that ended by them."""

    state: CraftState
    endings: list[Ending] = field(default_factory=list)


def apply_orders(
    parameters: CraftParameters, state: CraftState, orders: Sequence[GivenOrder], tick: int
) -> OrderOutcome:
    """Return the craft with the orders that act from this tick on; later orders follow earlier ones."""
    outcome = OrderOutcome(state)
    for given in orders:
        _apply(parameters, outcome, given, tick)
    return outcome


def _apply(parameters: CraftParameters, outcome: OrderOutcome, given: GivenOrder, tick: int) -> None:
    match given.order:
        case FireThruster() as order:
            _fire(parameters, outcome, given.command_id, order, tick)
        case SetAttitude() | SetVelocity() as order:
            _set_point(outcome, given.command_id, order, tick)
        case SetMode(mode):
            _set_mode(parameters, outcome, mode, tick)
            _done(outcome, given, tick)
        case SwitchPower(component, on):
            outcome.state = switched(parameters, outcome.state, parameters.part_named(component), on)
            _done(outcome, given, tick)
        case SetTransponder() as order:
            outcome.state = _with_transponder(parameters, outcome.state, order)
            _done(outcome, given, tick)


def _fire(parameters: CraftParameters, outcome: OrderOutcome, command_id: str, order: FireThruster, tick: int) -> None:
    guidance, thruster = outcome.state.guidance, parameters.thruster_named(order.thruster)
    if guidance.mode is CraftMode.SAFE:
        _refuse(outcome, command_id, tick, guidance.mode)
        return
    replaced = [burn for burn in guidance.burns if burn.thruster == thruster]
    for burn in replaced:
        _abort_burn(outcome, burn, tick, AbortReason.SUPERSEDED, "another command fires the same thruster")
    kept = tuple(burn for burn in guidance.burns if burn.thruster != thruster)
    burn = Burn(_begun(outcome.state, command_id, tick), thruster, order.thrust_n, order.ticks)
    outcome.state = replace(outcome.state, guidance=replace(guidance, burns=(*kept, burn)))


def _set_point(outcome: OrderOutcome, command_id: str, order: SetAttitude | SetVelocity, tick: int) -> None:
    guidance = outcome.state.guidance
    if guidance.mode is not CraftMode.NOMINAL:
        _refuse(outcome, command_id, tick, guidance.mode)
        return
    begun, last_tick = _begun(outcome.state, command_id, tick), tick - 1 + order.timeout_ticks
    if isinstance(order, SetAttitude):
        replaced = guidance.attitude_pursuit
        pursuit = Pursuit(begun, order.tolerance_rad, last_tick)
        guidance = replace(guidance, attitude=order.attitude, attitude_pursuit=pursuit)
    else:
        replaced = guidance.velocity_pursuit
        pursuit = Pursuit(begun, order.tolerance_mps, last_tick)
        guidance = replace(guidance, velocity_mps=order.velocity_mps, velocity_pursuit=pursuit)
    if replaced is not None:
        _abort(outcome, replaced.begun, tick, AbortReason.SUPERSEDED, "another command sets the same set-point")
    outcome.state = replace(outcome.state, guidance=guidance)


def _set_mode(parameters: CraftParameters, outcome: OrderOutcome, mode: CraftMode, tick: int) -> None:
    guidance, why = outcome.state.guidance, f"the craft entered the mode {mode.name}"
    if mode is guidance.mode:
        return
    for pursuit in (guidance.attitude_pursuit, guidance.velocity_pursuit):
        if pursuit is not None:
            _abort(outcome, pursuit.begun, tick, AbortReason.MODE, why)
    burns = guidance.burns
    if mode is CraftMode.SAFE:
        for burn in burns:
            _abort_burn(outcome, burn, tick, AbortReason.MODE, why)
        burns = ()
    outcome.state = replace(outcome.state, guidance=Guidance(mode=mode, burns=burns))
    if mode is CraftMode.SAFE:
        for index, part in enumerate(parameters.parts):
            if part.kind is PartKind.LOAD and part.switchable:
                outcome.state = switched(parameters, outcome.state, index, on=False)


def switched(parameters: CraftParameters, state: CraftState, part: int, on: bool) -> CraftState:
    """Return the craft with one part switched; a shield is raised or lowered by it."""
    switched_on = (*state.switched_on[:part], on, *state.switched_on[part + 1 :])
    shield = state.shield
    if shield is not None and parameters.parts[part].kind is PartKind.SHIELD:
        shield = set_raised(shield, on)
    return replace(state, switched_on=switched_on, shield=shield)


def _with_transponder(parameters: CraftParameters, state: CraftState, order: SetTransponder) -> CraftState:
    assert state.transponder is not None, "the order was validated against the limits"
    identity = order.spoof_identity or state.spoof_identity
    own = with_identity(parameters, identity)
    return replace(state, transponder=own.set_mode(state.transponder, order.mode), spoof_identity=identity)


def with_identity(parameters: CraftParameters, spoof_identity: str) -> TransponderParameters:
    """Return the transponder's parameters with the false identity of an order, empty: the BotSpec's."""
    assert parameters.transponder is not None, "only a bot with a transponder has one to set"
    if not spoof_identity:
        return parameters.transponder
    return replace(parameters.transponder, spoof_identity=spoof_identity)


def _begun(state: CraftState, command_id: str, tick: int) -> Begun:
    return Begun(command_id, tick - 1, state.body.propellant_kg, state.body.velocity_mps)


def _done(outcome: OrderOutcome, given: GivenOrder, tick: int) -> None:
    outcome.endings.append(Ending(given.command_id, tick, DONE_AT_ONCE))


def _refuse(outcome: OrderOutcome, command_id: str, tick: int, mode: CraftMode) -> None:
    why = f"the craft is in the mode {mode.name}"
    outcome.endings.append(Ending(command_id, tick, Effect(), AbortReason.MODE, why))


def _abort(outcome: OrderOutcome, begun: Begun, tick: int, reason: AbortReason, why: str) -> None:
    # The effect lasted through the tick before, whose state this is.
    effect = measured(begun, outcome.state, tick - 1)
    outcome.endings.append(Ending(begun.command_id, tick, effect, reason, why))


def _abort_burn(outcome: OrderOutcome, burn: Burn, tick: int, reason: AbortReason, why: str) -> None:
    effect = replace(measured(burn.begun, outcome.state, tick - 1), impulse_ns=burn.impulse_ns)
    outcome.endings.append(Ending(burn.begun.command_id, tick, effect, reason, why))


def measured(begun: Begun, state: CraftState, tick: int) -> Effect:
    """Return the effect common to all orders from their begin to a tick."""
    return Effect(
        ticks=tick - begun.tick,
        propellant_kg=begun.propellant_kg - state.body.propellant_kg,
        delta_v_mps=norm(subtract(state.body.velocity_mps, begun.velocity_mps)),
    )
