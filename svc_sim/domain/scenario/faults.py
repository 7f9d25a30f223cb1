"""Faults of components and of contacts' transponders, scheduled in simulation time.

They are part of the scenario's digest and act as functions of time, so they are the same in every replay of the run.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from botspec.base import Label, Spec, refuse
from botspec.yaml_core import Loc
from svc_sim.domain.scenario.types import Instant
from svc_sim.domain.transponder_mode import TransponderMode

MAX_FAULTS = 64
MAX_NOISE_FACTOR = 1000.0
RADAR = "radar"
# Types of components that are sensors of the bot itself, with readings on the feed `sensors`.
OWN_SENSORS: tuple[str, ...] = (
    *("gnss", "imu", "star_tracker", "thermometer", "power_meter", "proximity", "magnetometer", "ais_receiver"),
)


@dataclass(frozen=True, slots=True)
class BotPart:
    """A component of a bot: its type, and its sensor's id, empty for a component that is no sensor."""

    type: str
    sensor_id: str = ""


class _Fault(Spec):
    """A fault from `from_s` until just before `until_s`; without `until_s` it lasts to the end."""

    TYPES: ClassVar[tuple[str, ...]] = ()
    """The types of components that can have it."""

    from_s: Instant = 0.0
    until_s: Instant | None = None

    def holds_at(self, t_s: float) -> bool:
        """Return whether the fault is active at this time."""
        return self.from_s <= t_s and (self.until_s is None or t_s < self.until_s)

    @model_validator(mode="after")
    def _check_times(self) -> Self:
        if self.until_s is not None and self.until_s <= self.from_s:
            refuse("Fault", [(("until_s",), f"should come after from_s, which is {self.from_s!r}")])
        return self


class _ComponentFault(_Fault):
    """A fault of one component, given by its name in the BotSpec."""

    component: Label


class SensorFailed(_ComponentFault):
    """The sensor has failed: its readings carry no value; a radar's scans are lost, and flagged."""

    TYPES = (*OWN_SENSORS, RADAR)

    kind: Literal["sensor_failed"]


class SensorAbsent(_ComponentFault):
    """The sensor is not there: its readings carry no value."""

    TYPES = OWN_SENSORS

    kind: Literal["sensor_absent"]


class SensorDegraded(_ComponentFault):
    """The standard deviations of the sensor's errors are multiplied."""

    TYPES = OWN_SENSORS

    kind: Literal["sensor_degraded"]
    noise_factor: Annotated[float, Field(gt=1, le=MAX_NOISE_FACTOR)]


class TransponderFault(_Fault):
    """A transponder of a contact or of the bot has another mode; `identity` is the false one of a spoof."""

    TYPES = ("transponder",)

    kind: Literal["transponder"]
    contact: Label | None = None
    component: Label | None = None
    mode: TransponderMode
    identity: Annotated[str, Field(pattern=r"^([!-~]([ -~]{0,62}[!-~])?)?$")] = ""

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        problems: list[tuple[Loc, str]] = []
        if (self.contact is None) == (self.component is None):
            problems.append((("contact",), "give either a contact or a component"))
        if self.mode is TransponderMode.ON:
            problems.append((("mode",), "is no fault: give off, silent or spoof"))
        if (self.mode is TransponderMode.SPOOF) != bool(self.identity):
            problems.append((("identity",), "required with mode 'spoof', and with no other"))
        refuse("TransponderFault", problems)
        return self


class LoadStuck(_ComponentFault):
    """A load stays on or off, whatever is commanded or shed."""

    TYPES = ("load",)

    kind: Literal["load_stuck"]
    state: Literal["on", "off"]


class GeneratorOut(_ComponentFault):
    """A generator gives only a fraction of its power."""

    TYPES = ("generator",)

    kind: Literal["generator_out"]
    remaining_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.0


class Heating(_ComponentFault):
    """A thermal node receives a heat flow from outside."""

    TYPES = ("thermal_node",)

    kind: Literal["heating"]
    power_w: Annotated[float, Field(gt=0, le=1e8)]


Fault = Annotated[
    SensorFailed | SensorAbsent | SensorDegraded | TransponderFault | LoadStuck | GeneratorOut | Heating,
    Field(discriminator="kind"),
]


# Faults of parts that this simulator does not model: refused, because they would have no effect.
NOT_SIMULATED = (LoadStuck, GeneratorOut, Heating)


def fault_problems(
    faults: Sequence[Fault], parts: Mapping[str, BotPart] | None, contacts: Sequence[str]
) -> Iterator[tuple[Loc, str]]:
    """Yield the faults of components and contacts that do not exist, or cannot have them.

    `parts` are the bot's components by name; None: they are not known, and not checked.
    """
    for number, fault in enumerate(faults):
        if isinstance(fault, TransponderFault) and fault.contact is not None:
            if fault.contact not in contacts:
                known = ", ".join(contacts) or "none"
                yield ("faults", number, "contact"), f"there is no contact {fault.contact!r} (there are: {known})"
        elif parts is not None and fault.component is not None:
            problem = _component_problem(fault, fault.component, parts) or _model_problem(fault)
            if problem:
                yield ("faults", number, "component"), problem


def _model_problem(fault: Fault) -> str:
    if isinstance(fault, NOT_SIMULATED) or (isinstance(fault, TransponderFault) and fault.component is not None):
        return f"the simulator does not model {fault.kind!r} of a component of the bot: it would have no effect"
    return ""


def _component_problem(fault: Fault, name: str, parts: Mapping[str, BotPart]) -> str:
    able = ", ".join(known for known, part in parts.items() if part.type in fault.TYPES) or "none"
    if name not in parts:
        return f"the bot has no component {name!r}; {fault.kind!r} can happen to: {able}"
    if parts[name].type not in fault.TYPES:
        return f"{name!r} is of type {parts[name].type}, to which {fault.kind!r} cannot happen; it can to: {able}"
    return ""
