"""Energy: what each part asks for, what the bus supplies, and the heat that goes to the thermal nodes. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from svc_sim.domain.craft.parameters import CraftParameters, PartKind
from svc_sim.domain.craft.state import CraftState
from svc_sim.domain.subsystems.power import PowerInputs, step_power
from svc_sim.domain.subsystems.shield import ShieldState, step_shield
from svc_sim.domain.subsystems.thermal import ThermalState, step_thermal
from svc_sim.domain.subsystems.transponder import TransponderState, step_transponder


def is_tripped(parameters: CraftParameters, state: CraftState, part: int) -> bool:
    """Return whether the part's thermal node has tripped."""
    node = parameters.parts[part].node
    return node is not None and state.thermal is not None and state.thermal.tripped[node]


def demands(parameters: CraftParameters, state: CraftState, thrust_n: Sequence[float]) -> tuple[float, ...]:
    """Return the power that each part asks for in the next step; 0 for one that is switched off or too hot."""
    found = [0.0] * len(parameters.parts)
    for index, part in enumerate(parameters.parts):
        if not state.switched_on[index] or is_tripped(parameters, state, index):
            continue
        if part.kind is PartKind.TRANSPONDER and parameters.transponder and state.transponder:
            found[index] = parameters.transponder.demand_w(state.transponder)
        elif part.kind is PartKind.SHIELD and parameters.shield and state.shield:
            found[index] = parameters.shield.demand_w(state.shield, parameters.dt_s)
        elif part.kind is not PartKind.THRUSTER:
            found[index] = part.power_w
    for thrust, index in zip(thrust_n, parameters.thruster_parts, strict=True):
        if thrust > 0.0 and state.switched_on[index] and not is_tripped(parameters, state, index):
            found[index] = parameters.parts[index].power_w
    return tuple(found)


def supply(parameters: CraftParameters, state: CraftState, demand_w: tuple[float, ...]) -> CraftState:
    """Return the craft after the bus has supplied the demand for a step, or has shed some of it.

    Without a battery every part that is on is supplied.
    """
    power, shed = state.power, (False,) * len(demand_w)
    delivered_w = demand_w
    if parameters.power is not None and power is not None:
        power = step_power(parameters.power, power, PowerInputs(demand_w), parameters.dt_s)
        shed = tuple([power.is_shed(parameters.power, index) for index in range(len(demand_w))])
        delivered_w = power.delivered_w
    supplied = tuple(
        [
            on and not shed[index] and not is_tripped(parameters, state, index)
            for index, on in enumerate(state.switched_on)
        ]
    )
    transponder, shield = _fed(parameters, state, supplied)
    return replace(
        state,
        power=power,
        supplied=supplied,
        transponder=transponder,
        shield=shield,
        thermal=_heated(parameters, state, delivered_w),
    )


def _fed(
    parameters: CraftParameters, state: CraftState, supplied: tuple[bool, ...]
) -> tuple[TransponderState | None, ShieldState | None]:
    """Return transponder and shield after a step with or without supply."""
    transponder, shield = state.transponder, state.shield
    if transponder is not None and (index := parameters.part_of(PartKind.TRANSPONDER)) is not None:
        transponder = step_transponder(transponder, supplied=supplied[index])
    if shield is not None and parameters.shield and (index := parameters.part_of(PartKind.SHIELD)) is not None:
        shield = step_shield(parameters.shield, shield, parameters.dt_s, supplied=supplied[index])
    return transponder, shield


def _heated(parameters: CraftParameters, state: CraftState, delivered_w: tuple[float, ...]) -> ThermalState | None:
    if parameters.thermal is None or state.thermal is None:
        return None
    heat_w = [0.0] * len(parameters.thermal.nodes)
    for part, power_w in zip(parameters.parts, delivered_w, strict=True):
        if part.node is not None:
            heat_w[part.node] += power_w
    return step_thermal(parameters.thermal, state.thermal, tuple(heat_w), parameters.dt_s)


def is_shed(parameters: CraftParameters, state: CraftState, part: int) -> bool:
    """Return whether a part is shed to save charge."""
    return parameters.power is not None and state.power is not None and state.power.is_shed(parameters.power, part)


def brown_out(parameters: CraftParameters, state: CraftState) -> bool:
    """Return whether the battery cannot carry even the loads that are never shed to save charge."""
    if parameters.power is None or state.power is None:
        return False
    return state.power.stages_shed == len(parameters.power.shed_below_j)
