"""The craft for tests: the inspection craft of the BotSpec, and a flight of it without a simulator."""

import copy
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import botspec
from botspec import yaml_source
from botspec.model import load_bot_spec
from svc_sim.craft.run import CraftSetup
from svc_sim.craft.spec import craft_setup
from svc_sim.domain.craft.orders import Ending, GivenOrder, Order
from svc_sim.domain.craft.parameters import CraftParameters
from svc_sim.domain.craft.sensing import Surroundings
from svc_sim.domain.craft.state import CraftState, initial_craft
from svc_sim.domain.craft.step import Stepped, step_craft
from svc_sim.domain.craft.transitions import Transition
from svc_sim.domain.kinematics import Kinematics, attitude_of
from svc_sim.domain.scenario.sensor_faults import FaultState
from svc_sim.domain.sensors.readings import Reading

BOT_SPEC = Path(botspec.__file__).parent / "bots" / "inspection-craft.yaml"
SEED = 7


def setup() -> CraftSetup:
    """Return the inspection craft."""
    found = craft_setup(load_bot_spec(BOT_SPEC).spec, SEED)
    assert found is not None, "it has a rigid body"
    return found


class Flight:
    """A craft at rest at the origin, heading north, stepped by hand."""

    def __init__(self, parameters: CraftParameters | None = None) -> None:
        self.parameters = parameters or setup().parameters
        at_rest = Kinematics((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), attitude_of(0.0, 0.0), (0.0, 0.0, 0.0))
        self.state: CraftState = initial_craft(self.parameters, at_rest)
        self.tick = 0
        self.faults: tuple[FaultState, ...] = ()
        self.endings: list[Ending] = []
        self.transitions: list[tuple[int, Transition]] = []
        self.readings: dict[str, Reading] = {}

    def step(self, *orders: Order) -> Stepped:
        """Step one tick with these orders, whose ids are `<tick>-<number>`."""
        self.tick += 1
        given = [GivenOrder(f"{self.tick}-{number}", order) for number, order in enumerate(orders)]
        around = Surroundings(lambda: self.faults, lambda: (), (0.0, 2.0e-5, -4.5e-5))
        stepped = step_craft(self.parameters, self.state, given, around, self.tick)
        self.state = stepped.state
        self.endings += stepped.endings
        self.transitions += [(self.tick, each) for each in stepped.transitions]
        for index, reading in stepped.readings:
            self.readings[self.parameters.parts[self.parameters.sensor_parts[index]].name] = reading
        return stepped

    def run(self, ticks: int, *orders: Order) -> None:
        """Step so many ticks, with these orders in the first."""
        self.step(*orders)
        for _ in range(ticks - 1):
            self.step()

    def kinds(self) -> Sequence[str]:
        """Return the kinds of all transitions so far."""
        return [f"{each.kind} {each.component}".strip() for _tick, each in self.transitions]

    def with_propellant(self, propellant_kg: float) -> "Flight":
        """Leave so much propellant in the tank."""
        self.state = replace(self.state, body=replace(self.state.body, propellant_kg=propellant_kg))
        return self

    def with_charge(self, fraction: float) -> "Flight":
        """Leave so much charge in the battery."""
        assert self.parameters.power is not None
        assert self.state.power is not None
        charge_j = fraction * self.parameters.power.battery.capacity_j
        self.state = replace(self.state, power=replace(self.state.power, charge_j=charge_j))
        return self


# The channels of the craft's own feeds: payload type, RPC, subject and policy.
_CHANNELS = {
    "energy": ("EnergyStatus", "WatchEnergy", "qiki.sim.v1.energy", "derived"),
    "shield": ("ShieldStatus", "WatchShield", "qiki.sim.v1.shield", "derived"),
    "nav": ("NavState", "WatchNavState", "qiki.sim.v1.nav", "derived"),
    "commands": ("CommandEvent", "WatchCommands", "qiki.sim.v1.commands_log", "recorded"),
}


def write_bot_spec(directory: Path) -> Path:
    """Write the inspection craft with a channel and a required reader for each of its feeds; return the path."""
    spec: Any = copy.deepcopy(yaml_source.load(BOT_SPEC).data)
    declared = {channel["name"] for channel in spec["channels"]}
    stream = next(stream for stream in spec["streams"] if stream["name"] == "QIKI_SIM_V1")
    for name, (payload, rpc, subject, policy) in _CHANNELS.items():
        if name not in declared:
            channel = {
                "name": name,
                "type": f"qiki.sim.v1.{payload}",
                "rpc": f"qiki.sim.v1.SimService/{rpc}",
                "subject": subject,
                "stream": stream["name"],
                "policy": policy,
            }
            spec["channels"].append(channel)
            stream["subjects"].append(subject)
        spec["required_readers"].setdefault(name, ["bridge"])
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "craft.yaml"
    path.write_text(json.dumps(spec, indent=1), encoding="utf-8")  # JSON is YAML
    return path
