from dataclasses import dataclass

from pydantic import TypeAdapter

from svc_sim.domain.scenario.scenario import TransponderMode
from svc_sim.domain.scenario.sensor_faults import FaultKind, FaultState
from svc_sim.domain.sensors.parameters import QUANTITIES, Errors, SensorKind, SensorParameters
from svc_sim.domain.sensors.readings import MissingReason
from svc_sim.domain.sensors.sensor import SensorInputs, SensorMemory, read
from svc_sim.domain.sensors.truth import BusTruth, Truth
from svc_sim.domain.subsystems.power import Battery, Load, PowerInputs, PowerParameters, PowerState, step_power
from svc_sim.domain.subsystems.shield import ShieldParameters, ShieldState, step_shield
from svc_sim.domain.subsystems.thermal import ThermalLink, ThermalNode, ThermalParameters, ThermalState, step_thermal
from svc_sim.domain.subsystems.transponder import TransponderParameters, TransponderState, step_transponder

TRUTH = Truth(
    (0.1, 0.2, 0.3),
    (1.0, 2.0, 3.0),
    (1.0, 0.0, 0.0, 0.0),
    (0.1, -0.2, 0.3),
    (0.01, 0.02, -0.03),
    (0.5, 0.25, -0.125),
    temperatures_k=(280.0,),
    bus=BusTruth(120.0, 90.0, 0.75),
    contacts_m=((10.0, 120.0, 30.0),),
)


@dataclass(frozen=True, slots=True)
class Craft:
    """All states that a checkpoint keeps."""

    power: PowerState
    thermal: ThermalState
    transponder: TransponderState
    shield: ShieldState
    sensors: tuple[SensorMemory, ...]


LOADS = (Load("radio", 7.0, 1), Load("heater", 3.0, 2))
POWER = PowerParameters(Battery(300.0, 0.9, 0.7, 9.0, 0.5, 0.6), 10.0, LOADS)
NODES = tuple(ThermalNode(name, 50.0, 300.0, 0.7, 250.0, 0.3, 0.8, 305.0, 302.0) for name in "ab")
THERMAL = ThermalParameters(NODES, (ThermalLink("a", "b", 0.3),))
TRANSPONDER = TransponderParameters("QIKI-1", TransponderMode.SILENT)
SHIELD = ShieldParameters(100.0, 0.3, 7.0, 3.0)
SENSORS = tuple(
    SensorParameters(f"the-{kind}", kind, (Errors(0.1, 0.1),) * len(QUANTITIES[kind]), dropout_probability=0.3)
    for kind in SensorKind
)


def start() -> Craft:
    states = POWER.initial_state(), THERMAL.initial_state(), TRANSPONDER.initial_state(), SHIELD.initial_state()
    return Craft(*states, (SensorMemory(),) * len(SENSORS))


def step(craft: Craft, tick: int) -> Craft:
    supplied = tick % 7 < 5
    faults = tuple(FaultState(sensor.sensor_id, FaultKind.STUCK) for sensor in SENSORS if tick % 11 < 3)
    inputs = SensorInputs(None if supplied else MissingReason.NO_POWER, faults)
    return Craft(
        step_power(POWER, craft.power, PowerInputs((7.0, tick % 5 / 3)), 1 / 3),
        step_thermal(THERMAL, craft.thermal, (tick % 13 / 0.7, 0.1), 1 / 3),
        step_transponder(craft.transponder, supplied=supplied),
        step_shield(SHIELD, craft.shield, 1 / 3, supplied=supplied),
        tuple(read(s, memory, TRUTH, inputs, 5, tick)[1] for s, memory in zip(SENSORS, craft.sensors, strict=True)),
    )


def test_a_state_is_the_same_after_a_checkpoint_and_so_is_all_that_follows() -> None:
    adapter, craft, measured = TypeAdapter(Craft), start(), 0
    restored = craft
    for tick in range(200):
        craft, restored = step(craft, tick), step(adapter.validate_json(adapter.dump_json(restored)), tick)
        assert repr(restored) == repr(craft)
        measured += sum(not isinstance(memory.reason, MissingReason) for memory in craft.sensors)
    assert 0 < measured < 200 * len(SENSORS)
