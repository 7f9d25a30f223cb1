"""Assembly of components: the union of all types, and the checks between components."""

from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import Field

from botspec.components.base import SINGLE, Capability, Component
from botspec.components.craft import Autopilot, PropellantTank, RigidBody, Thruster
from botspec.components.radar import Radar
from botspec.components.sensors import (
    AisReceiver,
    GnssSensor,
    ImuSensor,
    Magnetometer,
    PowerMeter,
    Proximity,
    Sensor,
    StarTracker,
    Thermometer,
)
from botspec.components.subsystems import Battery, Generator, Load, Shield, ThermalNode, Transponder
from botspec.yaml_core import Loc

MAX_COMPONENTS = 256

AnyComponent = Annotated[
    RigidBody
    | PropellantTank
    | Thruster
    | Autopilot
    | Battery
    | Generator
    | Load
    | ThermalNode
    | Transponder
    | Shield
    | GnssSensor
    | ImuSensor
    | StarTracker
    | Thermometer
    | PowerMeter
    | Proximity
    | Magnetometer
    | AisReceiver
    | Radar,
    Field(discriminator="type"),
]

# The types that provide a capability, for advice.
_TYPES: dict[Capability, str] = {
    "body": "rigid_body",
    "propellant": "propellant_tank",
    "thrust": "thruster",
    "guidance": "autopilot",
    "power_bus": "battery",
    "generation": "generator",
    "heat_sink": "thermal_node",
    "transponder": "transponder",
    "shield": "shield",
    "position": "gnss",
    "velocity": "gnss",
    "angular_rate": "imu",
    "acceleration": "imu",
    "attitude": "star_tracker",
    "temperature": "thermometer",
    "power_state": "power_meter",
    "proximity": "proximity",
    "magnetic_field": "magnetometer",
    "detections": "radar",
    "identities": "ais_receiver",
}


def assembly_problems(components: Sequence[Component]) -> Iterator[tuple[Loc, str]]:
    """Yield (loc, message) for each problem between components; locations begin with the component's number."""
    yield from _repeated_names(components)
    yield from _repeated_sensor_ids(components)
    yield from _repeated_providers(components)
    yield from _unprovided(components)
    yield from _dangling(components)
    if not any(isinstance(component, Radar) for component in components):
        yield (), "a radar is required: add a component of `type: radar`"


def _repeated_names(components: Sequence[Component]) -> Iterator[tuple[Loc, str]]:
    first: dict[str, int] = {}
    for number, component in enumerate(components):
        if (other := first.setdefault(component.name, number)) != number:
            message = f"component {component.name!r} is given twice, first as components[{other}]; rename one"
            yield (number, "name"), message


def _repeated_sensor_ids(components: Sequence[Component]) -> Iterator[tuple[Loc, str]]:
    first: dict[str, int] = {}
    for number, component in enumerate(components):
        if isinstance(component, Sensor | Radar):
            other = first.setdefault(str(component.sensor_id), number)
            if other != number:
                message = f"{component.sensor_id} is already that of components[{other}]; give it another UUID"
                yield (number, "sensor_id"), message


def _repeated_providers(components: Sequence[Component]) -> Iterator[tuple[Loc, str]]:
    first: dict[str, Component] = {}
    for number, component in enumerate(components):
        for capability in component.provided:
            if capability in SINGLE and (other := first.setdefault(capability, component)) is not component:
                message = f"{capability!r} is already provided by {other.name!r}; a bot has one: remove one of the two"
                yield (number, "provides" if component.provides else "type"), message


def _unprovided(components: Sequence[Component]) -> Iterator[tuple[Loc, str]]:
    provided = {capability for component in components for capability in component.provided}
    for number, component in enumerate(components):
        for capability in component.consumed:
            if capability not in provided:
                message = (
                    f"{component.name!r} consumes {capability!r}, which no component provides: "
                    f"add a component of `type: {_TYPES[capability]}`"
                )
                yield (number, _reason(component, capability)), message


def _reason(component: Component, capability: Capability) -> str:
    """Return the field because of which the component consumes the capability."""
    if component.consumes and capability in component.consumes:
        return "consumes"
    return "type" if capability in component.CONSUMES else "power_w"


def _dangling(components: Sequence[Component]) -> Iterator[tuple[Loc, str]]:
    """Yield the references to thermal nodes that do not exist."""
    nodes = [component.name for component in components if isinstance(component, ThermalNode)]
    for number, component in enumerate(components):
        for loc, name in _references(component):
            if name not in nodes:
                declared = ", ".join(nodes) or "none"
                yield (
                    (number, *loc),
                    f"no component {name!r} of `type: thermal_node` is declared (declared: {declared})",
                )


def _references(component: Component) -> Iterator[tuple[Loc, str]]:
    for field in ("node", "heat_to"):
        if (name := getattr(component, field, None)) is not None:
            yield (field,), name
    if isinstance(component, ThermalNode):
        for number, link in enumerate(component.links):
            yield ("links", number, "to"), link.to
