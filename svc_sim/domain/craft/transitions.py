"""Transitions of the craft from one tick to the next that an operator wants to know. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from svc_sim.domain.craft.energy import brown_out, is_shed
from svc_sim.domain.craft.parameters import CraftParameters
from svc_sim.domain.craft.state import CraftState
from svc_sim.domain.sensors.readings import MissingReason

# A sensor with one of these reasons gives no readings at all; the others concern single readings.
DEFECTS = (MissingReason.FAILURE, MissingReason.NO_POWER, MissingReason.OVERHEATED)


class TransitionKind(StrEnum):
    """The kind of a transition."""

    MODE_CHANGED = "mode_changed"
    BROWN_OUT = "brown_out"
    POWER_RESTORED = "power_restored"
    LOAD_SHED = "load_shed"
    LOAD_RESTORED = "load_restored"
    THERMAL_TRIPPED = "thermal_tripped"
    THERMAL_RECOVERED = "thermal_recovered"
    TANK_EMPTY = "tank_empty"
    SENSOR_FAILED = "sensor_failed"
    SENSOR_RESTORED = "sensor_restored"


@dataclass(frozen=True, slots=True)
class Transition:
    """A transition, the component that it concerns (empty: the whole craft), and the new mode or the reason."""

    kind: TransitionKind
    component: str = ""
    detail: str = ""


def transitions(parameters: CraftParameters, before: CraftState, after: CraftState) -> Iterator[Transition]:
    """Yield the transitions of one step."""
    if after.guidance.mode is not before.guidance.mode:
        yield Transition(TransitionKind.MODE_CHANGED, "", after.guidance.mode.name)
    if after.body.propellant_kg == 0.0 < before.body.propellant_kg:
        yield Transition(TransitionKind.TANK_EMPTY)
    if after.power is not None and before.power is not None and after.power.stages_shed != before.power.stages_shed:
        yield from _of_power(parameters, before, after)
    if after.thermal is not None and before.thermal is not None and after.thermal.tripped != before.thermal.tripped:
        yield from _of_heat(parameters, before, after)
    if after.sensors is not before.sensors:
        yield from _of_sensors(parameters, before, after)


def _of_power(parameters: CraftParameters, before: CraftState, after: CraftState) -> Iterator[Transition]:
    was, now = brown_out(parameters, before), brown_out(parameters, after)
    if was != now:
        yield Transition(TransitionKind.BROWN_OUT if now else TransitionKind.POWER_RESTORED)
    for index, part in enumerate(parameters.parts):
        was, now = is_shed(parameters, before, index), is_shed(parameters, after, index)
        if was != now:
            yield Transition(TransitionKind.LOAD_SHED if now else TransitionKind.LOAD_RESTORED, part.name)


def _of_heat(parameters: CraftParameters, before: CraftState, after: CraftState) -> Iterator[Transition]:
    if parameters.thermal is None or before.thermal is None or after.thermal is None:
        return
    for node, was, now in zip(parameters.thermal.nodes, before.thermal.tripped, after.thermal.tripped, strict=True):
        if was != now:
            yield Transition(TransitionKind.THERMAL_TRIPPED if now else TransitionKind.THERMAL_RECOVERED, node.name)


def _of_sensors(parameters: CraftParameters, before: CraftState, after: CraftState) -> Iterator[Transition]:
    for index, (was, now) in enumerate(zip(before.sensors, after.sensors, strict=True)):
        if was.reason is now.reason:
            continue
        failed, works = now.reason in DEFECTS, was.reason not in DEFECTS
        name = parameters.parts[parameters.sensor_parts[index]].name
        if failed and works:
            yield Transition(TransitionKind.SENSOR_FAILED, name, str(now.reason))
        elif not failed and not works:
            yield Transition(TransitionKind.SENSOR_RESTORED, name)
