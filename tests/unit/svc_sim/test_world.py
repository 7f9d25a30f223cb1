import math
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid5

import pytest

from botspec.example import example_bot_spec
from botspec.model import load_bot_spec
from mesh.clock import SimulationClock
from qiki.common.v1.stream_pb2 import Run
from qiki.sim.v1.world_pb2 import (
    SENSOR_FAULT_KIND_BIAS_STEP,
    SENSOR_FAULT_KIND_DEAD_SECTOR,
    SENSOR_FAULT_KIND_DROPOUT,
    SENSOR_FAULT_KIND_JAMMING,
    SensorFaultKind,
)
from svc_sim.domain.scenario.loader import load_scenario
from svc_sim.domain.scenario.scenario import (
    Body,
    Contact,
    LegSpec,
    LoadedScenario,
    ObjectType,
    Scenario,
    Transponder,
    TransponderMode,
)
from svc_sim.domain.scenario.sensor_faults import FaultKind, FaultPlan, FaultState
from svc_sim.domain.world import AIRCRAFT_RCS_DBSM, World
from svc_sim.wire.snapshots import to_snapshot

EXAMPLES = Path(__file__).parents[3] / "examples" / "scenarios"
RUN_ID = "7b6f0a3e-2f5c-4f0e-9c41-3a8d2f1e5b00"
TICK_NS = 50_000_000
ORIGIN = Body(position_m=(0.0, 0.0, 0.0))


def world(name: str = "crossing.yaml", run_id: str = RUN_ID) -> World:
    return World(load_scenario(EXAMPLES / name), run_id, TICK_NS)


def scripted(*contacts: Contact, duration_s: float | None = None) -> LoadedScenario:
    scenario = Scenario(schema_version=1, name="t", own_ship=ORIGIN, contacts=contacts, duration_s=duration_s)
    return LoadedScenario(scenario, None, "0" * 64, Path("t.yaml"))


def drone(name: str, **values: object) -> Contact:
    fields = {"name": name, "object_type": "drone", "position_m": (0.0, 0.0, 0.0), "rcs_dbsm": 0.0} | values
    return Contact.model_validate(fields)


def test_the_world_at_a_tick_does_not_depend_on_earlier_queries() -> None:
    first, second = world(), world()
    forwards = [first.at(tick) for tick in range(0, 2401, 37)]
    backwards = [second.at(tick) for tick in reversed(range(0, 2401, 37))]
    assert forwards == backwards[::-1]


def test_the_last_tick_is_that_of_the_duration_or_of_the_recording_or_none() -> None:
    assert world().last_tick == 2400
    assert world("two_aircraft.csv").last_tick == 39 * 20
    assert World(scripted(), RUN_ID, TICK_NS).last_tick == 0
    assert World(scripted(duration_s=0.3), RUN_ID, 100_000_000).last_tick == 3
    assert World(scripted(duration_s=0.34), RUN_ID, 100_000_000).last_tick == 3


def test_a_scenario_shorter_than_a_tick_is_refused() -> None:
    with pytest.raises(ValueError, match="before its first tick"):
        World(scripted(duration_s=0.04), RUN_ID, TICK_NS)


def test_a_world_without_end_goes_on() -> None:
    state = World(scripted(drone("a", speed_mps=1.0)), RUN_ID, TICK_NS).at(20 * 10**7)
    assert state.contacts[0].position_m == pytest.approx((0.0, 1e7, 0.0))


@pytest.mark.parametrize("tick", [-1, 2401])
def test_a_tick_outside_of_the_run_is_refused(tick: int) -> None:
    with pytest.raises(ValueError, match="not in this run"):
        world().at(tick)


@pytest.mark.parametrize(("run_id", "tick_ns"), [("", TICK_NS), ("run-1", TICK_NS), (RUN_ID, 0), (RUN_ID, -5)])
def test_a_run_without_a_proper_id_or_tick_is_refused(run_id: str, tick_ns: int) -> None:
    with pytest.raises(ValueError, match=r"UUID|tick_ns"):
        World(scripted(), run_id, tick_ns)


def test_a_contacts_id_is_a_function_of_run_and_name() -> None:
    other_run = "7b6f0a3e-2f5c-4f0e-9c41-3a8d2f1e5b01"
    state = world().at(0)
    assert [contact.contact_id for contact in state.contacts] == [
        str(uuid5(UUID(RUN_ID), contact.name)) for contact in state.contacts
    ]
    assert state.contacts[0].contact_id == world().at(900).contacts[0].contact_id
    assert state.contacts[0].contact_id != world(run_id=other_run).at(0).contacts[0].contact_id


def test_contacts_keep_the_scenarios_order_and_are_listed_only_while_present() -> None:
    late = drone("late", appears_at_s=1.0, disappears_at_s=2.0)
    there = World(scripted(late, drone("always")), RUN_ID, TICK_NS)
    names = {tick: [contact.name for contact in there.at(tick).contacts] for tick in (0, 19, 20, 39, 40)}
    assert names == {
        0: ["always"],
        19: ["always"],
        20: ["late", "always"],
        39: ["late", "always"],
        40: ["always"],
    }


def test_a_contact_starts_where_it_appears() -> None:
    contact = drone("a", position_m=(5.0, 6.0, 7.0), speed_mps=10.0, course_deg=90.0, appears_at_s=3.0)
    moving = World(scripted(contact), RUN_ID, TICK_NS)
    assert moving.at(60).contacts[0].position_m == (5.0, 6.0, 7.0)
    assert moving.at(80).contacts[0].position_m == pytest.approx((15.0, 6.0, 7.0))


def test_a_leg_without_climb_keeps_the_contacts_own() -> None:
    legs = (LegSpec(duration_s=1.0), LegSpec(duration_s=1.0, climb_mps=-2.0))
    moving = World(scripted(drone("a", climb_mps=3.0, legs=legs)), RUN_ID, TICK_NS)
    assert [moving.at(tick).contacts[0].velocity_mps[2] for tick in (0, 20, 40)] == [3.0, -2.0, 3.0]


def test_a_contact_carries_its_attributes_of_the_scenario() -> None:
    spoofing = Transponder(mode=TransponderMode.SPOOF, id="NOT-ME")
    contact = drone("a", object_type="asteroid", rcs_dbsm=12.5, transponder=spoofing)
    (state,) = World(scripted(contact), RUN_ID, TICK_NS).at(0).contacts
    assert (state.name, state.object_type, state.rcs_dbsm) == ("a", ObjectType.ASTEROID, 12.5)
    assert (state.transponder_mode, state.transponder_id) == (TransponderMode.SPOOF, "NOT-ME")


def test_a_recorded_aircraft_answers_with_its_callsign_and_is_absent_in_its_gap() -> None:
    traffic = world("two_aircraft.csv")
    first, second = traffic.at(0).contacts
    assert (first.name, first.transponder_id, first.transponder_mode) == ("4b1a01", "QKA101", TransponderMode.ON)
    assert (first.object_type, first.rcs_dbsm) == (ObjectType.AIRCRAFT, AIRCRAFT_RCS_DBSM)
    present = [second.name in [contact.name for contact in traffic.at(20 * t).contacts] for t in (12, 13, 31, 32, 39)]
    assert present == [True, False, False, True, True]


def test_a_recorded_aircraft_without_callsign_answers_with_its_icao24(tmp_path: Path) -> None:
    path = tmp_path / "anonymous.csv"
    path.write_text((EXAMPLES / "two_aircraft.csv").read_text().replace("QKA101", ""))
    assert World(load_scenario(path), RUN_ID, TICK_NS).at(0).contacts[0].transponder_id == "4b1a01"


def test_a_snapshot_reports_faults_of_the_bots_own_sensors_with_their_kind_and_factor() -> None:
    states = [FaultState("a", kind, noise_factor=2.5) for kind in FaultKind]
    state = replace(world("crossing.yaml").at(0), sensor_faults=tuple(states))
    sent = to_snapshot(state, SimulationClock.of(Run(tick_ns=TICK_NS))).sensor_faults
    names = [SensorFaultKind.Name(fault.kind).removeprefix("SENSOR_FAULT_KIND_") for fault in sent]
    assert names == [kind.name for kind in FaultKind]
    assert {fault.noise_factor for fault in sent} == {2.5}


def test_sensor_faults_are_listed_only_while_active_and_in_the_scenarios_order() -> None:
    dropout = FaultState("a", FaultKind.DROPOUT, dropout_probability=0.5)
    biased = FaultState("b", FaultKind.BIAS_STEP, range_bias_m=5.0)
    plans = (FaultPlan(dropout, 1.0, math.inf), FaultPlan(biased, 0.5, 2.0))
    wrong = World(replace(scripted(), faults=plans), RUN_ID, TICK_NS)
    found = {tick: wrong.at(tick).sensor_faults for tick in (9, 10, 19, 20, 39, 40, 10**6)}
    assert found == {
        9: (),
        10: (biased,),
        19: (biased,),
        20: (dropout, biased),
        39: (dropout, biased),
        40: (dropout,),
        10**6: (dropout,),
    }


def test_a_snapshot_carries_the_faults_of_each_sensor() -> None:
    radars = load_bot_spec(example_bot_spec()).spec.radars
    there = World(load_scenario(EXAMPLES / "faults.yaml", radars), RUN_ID, TICK_NS)
    clock = SimulationClock.of(Run(tick_ns=TICK_NS))
    jammed, dead = to_snapshot(there.at(20 * 40), clock).sensor_faults
    assert (jammed.sensor_id.value, jammed.kind) == (str(radars[0].sensor_id), SENSOR_FAULT_KIND_JAMMING)
    assert (jammed.sector_start_deg, jammed.sector_width_deg, jammed.jamming_db) == (30.0, 40.0, 25.0)
    assert (dead.kind, dead.sector_start_deg, dead.jamming_db) == (SENSOR_FAULT_KIND_DEAD_SECTOR, 225.0, 0.0)
    lost, biased = sorted(to_snapshot(there.at(20 * 100), clock).sensor_faults, key=lambda fault: -fault.kind)
    assert (lost.kind, lost.dropout_probability) == (SENSOR_FAULT_KIND_DROPOUT, 0.3)
    assert (biased.kind, biased.range_bias_m, biased.bearing_bias_deg) == (SENSOR_FAULT_KIND_BIAS_STEP, 40.0, 1.0)


def test_nothing_in_the_example_worlds_is_out_of_the_radars_range_or_not_finite() -> None:
    for name in ("crossing.yaml", "faults.yaml", "two_aircraft.csv"):
        there = world(name)
        for tick in range(0, there.last_tick + 1, 20):
            state = there.at(tick)
            for contact in state.contacts:
                assert 30.0 < math.dist(contact.position_m, state.own_ship.position_m) < 100_000.0
                assert all(map(math.isfinite, (*contact.position_m, *contact.velocity_mps)))
