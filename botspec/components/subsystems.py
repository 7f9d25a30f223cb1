"""Subsystems: battery, generator, loads, thermal nodes, transponder and shield."""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from botspec.base import Label, Spec, refuse
from botspec.components.base import (
    Component,
    ComponentName,
    Energy,
    Fraction,
    PositivePower,
    Power,
    Powered,
    Temperature,
)
from botspec.yaml_core import Loc

MAX_LINKS = 32

_Conductance = Annotated[float, Field(ge=0, le=1e7)]


class Battery(Component):
    """The battery, which is the power bus.

    Below `shed_below_fraction` of its charge loads are shed, the highest `priority` number first; above
    `restore_above_fraction` they are restored.
    """

    PROVIDES = ("power_bus",)

    type: Literal["battery"]
    capacity_j: Energy
    initial_fraction: Fraction
    charge_efficiency: Annotated[float, Field(gt=0, le=1)]
    max_charge_w: PositivePower
    shed_below_fraction: Fraction
    restore_above_fraction: Fraction

    @model_validator(mode="after")
    def _check_thresholds(self) -> Self:
        if self.restore_above_fraction <= self.shed_below_fraction:
            message = f"should exceed shed_below_fraction, which is {self.shed_below_fraction!r}"
            refuse("Battery", [(("restore_above_fraction",), message)])
        return self


class Generator(Component):
    """A source of constant power on the bus."""

    PROVIDES = ("generation",)
    CONSUMES = ("power_bus",)

    type: Literal["generator"]
    power_w: PositivePower


class Load(Powered):
    """A consumer of power without another function; its heat goes to the thermal node `heat_to`."""

    CONSUMES = ("power_bus",)

    type: Literal["load"]
    power_w: Power
    switchable: bool = True
    heat_to: ComponentName | None = None


class ThermalLink(Spec):
    """Conduction between a thermal node and another."""

    to: ComponentName
    conductance_wpk: Annotated[float, Field(gt=0, le=1e7)]


class ThermalNode(Component):
    """A mass of one temperature: heat from components in, conduction and radiation to the surroundings out.

    At `trip_k` the components on the node are switched off, and at `recover_k` on again.
    """

    PROVIDES = ("heat_sink",)

    type: Literal["thermal_node"]
    heat_capacity_jpk: Annotated[float, Field(gt=0, le=1e12)]
    initial_k: Temperature
    conductance_wpk: _Conductance = 0.0
    surroundings_k: Temperature
    radiating_area_m2: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    emissivity: Fraction = 0.0
    trip_k: Temperature
    recover_k: Temperature
    links: Annotated[tuple[ThermalLink, ...], Field(max_length=MAX_LINKS)] = ()

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        problems: list[tuple[Loc, str]] = list(self._link_problems())
        if self.recover_k >= self.trip_k:
            problems.append((("recover_k",), f"should be less than trip_k, which is {self.trip_k!r}"))
        refuse("ThermalNode", problems)
        return self

    def _link_problems(self) -> Iterator[tuple[Loc, str]]:
        ends = [link.to for link in self.links]
        for number, end in enumerate(ends):
            if end == self.name:
                yield ("links", number, "to"), "a node has no link to itself; remove it"
            if end in ends[:number]:
                yield ("links", number, "to"), f"the link to {end!r} is given twice; add up the conductances"


class Transponder(Powered):
    """The bot's own transponder: its identity and initial mode; in mode `spoof` it replies with `spoof_identity`."""

    PROVIDES = ("transponder",)

    type: Literal["transponder"]
    identity: Label
    mode: Literal["on", "off", "silent", "spoof"] = "on"
    spoof_identity: Label | None = None

    @model_validator(mode="after")
    def _check_identity(self) -> Self:
        if self.mode == "spoof" and self.spoof_identity is None:
            refuse("Transponder", [(("spoof_identity",), "required with mode 'spoof', and missing")])
        if self.spoof_identity == self.identity:
            refuse("Transponder", [(("spoof_identity",), "should differ from identity: no spoof otherwise")])
        return self


class Shield(Powered):
    """The shield: its capacity in joules, initial charge, and recharge power; `power_w` is its standby draw."""

    PROVIDES = ("shield",)

    type: Literal["shield"]
    capacity_j: Energy
    initial_fraction: Fraction
    recharge_w: Power
