"""Parameters of a craft: its body and subsystems, the parts that draw power, and its sensors."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from svc_sim.domain.body.control import Autopilot
from svc_sim.domain.body.craft import Craft as Airframe
from svc_sim.domain.sensors.parameters import SensorParameters
from svc_sim.domain.subsystems.power import PowerParameters
from svc_sim.domain.subsystems.shield import ShieldParameters
from svc_sim.domain.subsystems.thermal import ThermalParameters
from svc_sim.domain.subsystems.transponder import TransponderParameters


class PartKind(StrEnum):
    """The kind of a part that draws power."""

    LOAD = "load"
    SENSOR = "sensor"
    RADAR = "radar"
    THRUSTER = "thruster"
    TRANSPONDER = "transponder"
    SHIELD = "shield"


@dataclass(frozen=True, slots=True)
class Part:
    """A part that draws power: its rated power, and the thermal node that its heat goes to.

    `sensor_id` is that of a sensor or radar. `switchable` is whether a command may switch it.
    """

    name: str
    kind: PartKind
    power_w: float
    node: int | None = None
    switchable: bool = False
    sensor_id: str = ""


@dataclass(frozen=True, slots=True)
class CraftParameters:
    """One craft. The loads of `power` are the `parts`, in the same order; without a battery `power` is None.

    `sensor_parts` are the indices in `parts` of the `sensors`, `periods` their periods in ticks, `thruster_parts` those
    of the thrusters.
    """

    airframe: Airframe
    autopilot: Autopilot | None
    parts: tuple[Part, ...]
    power: PowerParameters | None
    thermal: ThermalParameters | None
    transponder: TransponderParameters | None
    shield: ShieldParameters | None
    sensors: tuple[SensorParameters, ...]
    sensor_parts: tuple[int, ...]
    periods: tuple[int, ...]
    thruster_parts: tuple[int, ...]
    dt_s: float
    seed: int

    def part_of(self, kind: PartKind) -> int | None:
        """Return the index of the first part of a kind, or None."""
        return next((index for index, part in enumerate(self.parts) if part.kind is kind), None)

    def part_named(self, name: str) -> int:
        """Return the index of the part with this name, which must exist."""
        return _index_of(self.parts, name)

    def thruster_named(self, name: str) -> int:
        """Return the index among the thrusters of the one with this name, which must exist."""
        return _index_of(self.airframe.thrusters, name)


def _index_of(named: Sequence[object], name: str) -> int:
    return [getattr(each, "name", "") for each in named].index(name)
