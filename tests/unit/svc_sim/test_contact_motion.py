"""Motions of contacts: way points, random manoeuvres, recordings; and the faults of their transponders."""

import math
from itertools import pairwise
from pathlib import Path

import pytest

from botspec.yaml_source import SpecError
from svc_sim.domain.contacts.motion import RandomManeuvers, Waypoints, waypoint_motion
from svc_sim.domain.contacts.random_maneuvers import random_maneuvers
from svc_sim.domain.scenario.faults import BotPart
from svc_sim.domain.scenario.loader import load_scenario
from svc_sim.domain.scenario.scenario import TransponderMode
from svc_sim.domain.world import World
from svc_sim.wiring import default_scenario

RUN_ID = "11111111-2222-4333-8444-555555555555"
TICK_NS = 50_000_000
HEAD = "schema_version: 1\nname: test\nduration_s: 60.0\nown_ship: {position_m: [0, 0, 0]}\n"
DRONE = "object_type: drone, rcs_dbsm: 0.0"


def scenario_file(directory: Path, text: str) -> Path:
    path = directory / "test.yaml"
    path.write_text(HEAD + text)
    return path


def problems(directory: Path, text: str, parts: dict[str, BotPart] | None = None) -> list[str]:
    with pytest.raises(SpecError) as refused:
        load_scenario(scenario_file(directory, text), (), parts)
    return [str(problem).rpartition("test.yaml:")[2] for problem in refused.value.problems]


def test_way_points_are_reached_in_order_and_the_contact_stops_at_the_last() -> None:
    points = ((0.0, 1000.0, 200.0), (2000.0, 1000.0, 200.0), (2000.0, -500.0, 0.0))
    for turn_rate_dps in (None, 6.0):
        way = Waypoints(kind="waypoints", speed_mps=50.0, turn_rate_dps=turn_rate_dps, points=points)
        motion = waypoint_motion((0.0, 0.0, 100.0), 45.0, way)
        passed = 0
        for step in range(3000):
            position_m, _velocity = motion.point_at(step * 0.1)
            if passed < len(points) and math.dist(position_m, points[passed]) < 3.0:
                passed += 1
        assert passed == len(points)
        assert motion.point_at(1e6) == (pytest.approx(points[-1], abs=1e-6), (0.0, 0.0, 0.0))


def test_a_turn_to_a_way_point_is_continuous_and_at_the_given_rate_and_speed() -> None:
    way = Waypoints(kind="waypoints", speed_mps=50.0, turn_rate_dps=6.0, points=((-1000.0, 500.0, 0.0),))
    motion = waypoint_motion((0.0, 0.0, 0.0), 90.0, way)
    turn, straight, _stop = motion.legs
    assert turn.turn_rate_rps == pytest.approx(-math.radians(6.0)), "the point lies to the left"
    before, after = turn.point_at(straight.start_s), straight.point_at(straight.start_s)
    assert before[0] == pytest.approx(after[0], abs=1e-9)
    assert before[1] == pytest.approx(after[1], abs=1e-9), "no kink where the turn ends"
    speeds = [math.hypot(*motion.point_at(step * 0.5)[1][:2]) for step in range(20)]
    assert speeds == pytest.approx([50.0] * 20)


def test_a_way_point_inside_the_turning_circle_is_refused_with_its_line(tmp_path: Path) -> None:
    motion = "{kind: waypoints, speed_mps: 100.0, turn_rate_dps: 1.0, points: [[1000.0, 10.0, 0.0]]}"
    found = problems(tmp_path, f"contacts:\n  - {{name: a, {DRONE}, position_m: [0, 0, 0],\n     motion: {motion}}}\n")
    assert len(found) == 1
    assert found[0].startswith("7: contacts[0].motion.points: point 0 lies inside the turning circle")


def test_random_manoeuvres_are_a_function_of_seed_and_name_within_their_limits() -> None:
    motion = RandomManeuvers(kind="random", leg_s=(2.0, 5.0), turn_rate_dps=4.0, climb_mps=3.0)
    drawn = random_maneuvers(motion, "a", 7, 100.0)
    assert drawn == random_maneuvers(motion, "a", 7, 100.0)
    assert drawn[:5] == random_maneuvers(motion, "a", 7, 12.0)[:5][: len(drawn[:5])] or len(drawn) > 5
    assert drawn != random_maneuvers(motion, "a", 8, 100.0)
    assert drawn != random_maneuvers(motion, "b", 7, 100.0)
    assert sum(each.duration_s for each in drawn) >= 100.0
    assert all(2.0 <= each.duration_s <= 5.0 for each in drawn)
    assert all(abs(each.turn_rate_dps) <= 4.0 and abs(each.climb_mps) <= 3.0 for each in drawn)
    assert {each.turn_rate_dps > 0.0 for each in drawn} == {True, False}


def test_the_run_s_seed_draws_the_manoeuvres_of_the_world(tmp_path: Path) -> None:
    motion = "{kind: random, leg_s: [2.0, 5.0], turn_rate_dps: 5.0}"
    contact = f"{{name: a, {DRONE}, position_m: [0, 0, 0], speed_mps: 50.0, motion: {motion}}}"
    loaded = load_scenario(scenario_file(tmp_path, f"contacts:\n  - {contact}\n"))
    positions = [World(loaded, RUN_ID, TICK_NS, seed).at(600).contacts[0].position_m for seed in (1, 1, 2)]
    assert positions[0] == positions[1] != positions[2]


def test_a_recorded_contact_has_the_path_of_the_aircraft_and_its_own_attributes(tmp_path: Path) -> None:
    (tmp_path / "traffic.csv").write_text((default_scenario().parent / "traffic.csv").read_text())
    motion = "{kind: recording, file: traffic.csv, icao24: 4b1a02}"
    path = scenario_file(tmp_path, f"contacts:\n  - {{name: a, {DRONE}, motion: {motion}}}\n")
    loaded = load_scenario(path)
    contact = World(loaded, RUN_ID, TICK_NS).at(100).contacts[0]
    assert (contact.name, contact.object_type, contact.rcs_dbsm) == ("a", "drone", 0.0)
    expected = loaded.recordings["traffic.csv"].of("4b1a02").point_at(5.0)
    assert (contact.position_m, contact.velocity_mps) == expected
    digest = loaded.digest
    (tmp_path / "traffic.csv").write_text((tmp_path / "traffic.csv").read_text().replace("900.00", "901.00", 1))
    assert load_scenario(path).digest != digest, "the recording is part of the run"


@pytest.mark.parametrize(
    ("motion", "problem"),
    [
        ("{kind: recording, file: none.csv, icao24: a}", "6: contacts[0].motion.file: there is no file"),
        (
            "{kind: recording, file: traffic.csv, icao24: abc}",
            "6: contacts[0].motion.icao24: traffic.csv has no aircraft",
        ),
        ("{kind: random, leg_s: [5.0, 2.0], turn_rate_dps: 5.0}", "6: contacts[0].motion.leg_s: the longest, 2.0"),
        ("{kind: circle}", "6: contacts[0].motion.kind: should be one of"),
    ],
)
def test_a_motion_that_cannot_be_is_refused_with_its_line(tmp_path: Path, motion: str, problem: str) -> None:
    (tmp_path / "traffic.csv").write_text((default_scenario().parent / "traffic.csv").read_text())
    position = "" if "recording" in motion else "position_m: [0, 0, 0], "
    found = problems(tmp_path, f"contacts:\n  - {{name: a, {DRONE}, {position}motion: {motion}}}\n")
    assert len(found) == 1
    assert found[0].startswith(problem)


def test_a_contact_without_position_is_refused(tmp_path: Path) -> None:
    found = problems(tmp_path, f"contacts:\n  - {{name: a, {DRONE}}}\n")
    assert found == ["6: contacts[0].position_m: required, and missing"]


def test_a_transponder_fault_holds_from_its_start_until_before_its_end(tmp_path: Path) -> None:
    contact = f"{{name: a, {DRONE}, position_m: [0, 0, 0], transponder: {{mode: on, id: OWN}}}}"
    fault = "{kind: transponder, contact: a, mode: spoof, identity: OTHER, from_s: 10.0, until_s: 20.0}"
    loaded = load_scenario(scenario_file(tmp_path, f"contacts:\n  - {contact}\nfaults:\n  - {fault}\n"))
    world = World(loaded, RUN_ID, TICK_NS)
    states = {tick: world.at(tick).contacts[0] for tick in (199, 200, 399, 400)}
    assert {tick: state.transponder_id for tick, state in states.items()} == {
        199: "OWN",
        200: "OTHER",
        399: "OTHER",
        400: "OWN",
    }
    assert states[200].transponder_mode is TransponderMode.SPOOF


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ("{kind: transponder, contact: b, mode: off}", "6: faults[0].contact: there is no contact 'b'"),
        ("{kind: transponder, mode: off}", "6: faults[0].contact: give either a contact or a component"),
        ("{kind: transponder, component: iff, mode: on}", "6: faults[0].mode: is no fault"),
        ("{kind: transponder, component: iff, mode: spoof}", "6: faults[0].identity: required with mode 'spoof'"),
        ("{kind: transponder, component: iff, mode: off}", "6: faults[0].component: the simulator does not model"),
        ("{kind: generator_out, component: gyro}", "6: faults[0].component: 'gyro' is of type imu, to which"),
        ("{kind: sensor_failed, component: eye}", "6: faults[0].component: the bot has no component 'eye'"),
        (
            "{kind: sensor_failed, component: gyro, from_s: 5.0, until_s: 5.0}",
            "6: faults[0].until_s: should come after",
        ),
        ("{kind: sensor_degraded, component: gyro, noise_factor: 0.5}", "6: faults[0].noise_factor: "),
        ("{kind: ghost}", "6: faults[0].kind: should be one of"),
    ],
)
def test_a_fault_that_cannot_happen_is_refused_with_its_line(tmp_path: Path, fault: str, problem: str) -> None:
    found = problems(tmp_path, f"faults:\n  - {fault}\n", {"gyro": BotPart("imu"), "iff": BotPart("transponder")})
    assert len(found) == 1
    assert found[0].startswith(problem)


@pytest.mark.parametrize(
    ("goal", "problem"),
    [
        ("{kind: track_continuity, contact: b, min_share: 0.5}", "6: goals[0].contact: there is no contact 'b'"),
        ("{kind: keep_clear, distance_m: 5.0, of: [b]}", "6: goals[0].of[0]: there is no contact 'b'"),
        ("{kind: reach, position_m: [0, 0, 0], radius_m: 0.0, by_s: 1.0}", "6: goals[0].radius_m: "),
        ("{kind: win}", "6: goals[0].kind: should be one of"),
    ],
)
def test_a_goal_that_cannot_be_measured_is_refused_with_its_line(tmp_path: Path, goal: str, problem: str) -> None:
    found = problems(tmp_path, f"goals:\n  - {goal}\n")
    assert len(found) == 1
    assert found[0].startswith(problem)


def test_a_repeated_agent_is_refused(tmp_path: Path) -> None:
    assert problems(tmp_path, "lock_step: {agents: [a, b, a]}\n") == ["5: lock_step.agents[2]: 'a' is given twice"]


def test_every_manoeuvre_starts_where_the_one_before_ends(tmp_path: Path) -> None:
    loaded = load_scenario(default_scenario().parent / "manoeuvring.yaml")
    world = World(loaded, RUN_ID, TICK_NS, 3)
    for number in range(len(loaded.scenario.contacts)):
        states = [world.at(tick).contacts[number] for tick in range(0, 800)]
        for one, other in pairwise(states):
            moved_m = math.dist(one.position_m, other.position_m)
            assert moved_m <= 1.01 * TICK_NS / 1e9 * max(math.hypot(*s.velocity_mps) for s in (one, other)) + 1e-9
