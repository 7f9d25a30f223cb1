import hashlib
import math
from datetime import UTC, datetime
from pathlib import Path

import pytest

import svc_sim
from botspec.example import example_bot_spec
from botspec.model import load_bot_spec
from botspec.yaml_source import SpecError
from svc_sim.domain.scenario.loader import load_scenario
from svc_sim.domain.scenario.scenario import ObjectType, TransponderMode
from svc_sim.domain.scenario.sensor_faults import FaultKind, FaultPlan, FaultState

EXAMPLES = Path(__file__).parents[3] / "examples" / "scenarios"
BASE = """\
schema_version: 1
name: test
own_ship: {position_m: [0, 0, 0]}
"""
CONTACT = "  - {name: a, object_type: drone, position_m: [1, 2, 3], rcs_dbsm: 0%s}\n"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "scenario.yaml"
    path.write_text(text)
    return path


def refusals(tmp_path: Path, text: str) -> list[str]:
    path = write(tmp_path, text)
    with pytest.raises(SpecError) as caught:
        load_scenario(path)
    return [problem.removeprefix(f"{path}:") for problem in str(caught.value).splitlines()]


def test_the_example_is_a_world_worth_looking_at() -> None:
    loaded = load_scenario(EXAMPLES / "crossing.yaml")
    contacts = {contact.name: contact for contact in loaded.scenario.contacts}
    assert loaded.scenario.duration_s == 120.0
    assert len(contacts) == 12
    assert {contact.object_type for contact in contacts.values()} == set(ObjectType) - {ObjectType.UNSPECIFIED}
    assert {contact.transponder.mode for contact in contacts.values()} == set(TransponderMode)
    assert contacts["late-comer"].appears_at_s == 60.0
    assert loaded.digest == hashlib.sha256((EXAMPLES / "crossing.yaml").read_bytes()).hexdigest()


def test_an_omitted_value_is_unknown_and_has_no_default(tmp_path: Path) -> None:
    scenario = load_scenario(write(tmp_path, BASE)).scenario
    assert (scenario.duration_s, scenario.start_time, scenario.seed, scenario.contacts) == (None, None, None, ())


def test_the_modes_on_and_off_need_no_quotes(tmp_path: Path) -> None:
    on, off = CONTACT % ", transponder: {mode: on, id: X}", CONTACT % ", transponder: {mode: off}"
    text = f"{BASE}contacts:\n{on}{off.replace('name: a', 'name: b')}"
    first, second = load_scenario(write(tmp_path, text)).scenario.contacts
    assert (first.transponder.mode, first.transponder.id) == (TransponderMode.ON, "X")
    assert (second.transponder.mode, second.transponder.id) == (TransponderMode.OFF, "")


def test_a_start_time_is_utc(tmp_path: Path) -> None:
    scenario = load_scenario(write(tmp_path, BASE + "start_time: 2026-01-01T12:00:00Z\n")).scenario
    assert scenario.start_time == datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    ["2026-01-01T12:00:00", "2026-01-01T12:00:00+02:00", "1760000000", "1969-12-31T00:00:00Z", "soon", "2026-01-01"],
)
def test_a_start_time_that_is_not_utc_is_refused(tmp_path: Path, value: str) -> None:
    (problem,) = refusals(tmp_path, f"{BASE}start_time: {value}\n")
    assert problem.startswith("4: start_time: ")


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        ("duration_s: 0\n", "4: duration_s: should be greater than 0, not 0"),
        ("duration_s: .inf\n", "4: duration_s: "),
        ("seed: -1\n", "4: seed: "),
        ("sead: 1\n", "4: sead: unknown key; did you mean 'seed'?"),
        ("contacts: {}\n", "4: contacts: "),
        ("trajectory: nowhere.csv\n", "4: trajectory: there is no file "),
        ("trajectory: .\n", "4: trajectory: there is no file "),
        ("contacts:\n" + CONTACT % "" + CONTACT % "", "6: contacts[1].name: contact 'a' is given twice"),
        ("contacts:\n" + CONTACT % ", speed_mps: -1", "5: contacts[0].speed_mps: "),
        ("contacts:\n" + CONTACT % ", speed_mps: 1e300", "5: contacts[0].speed_mps: "),
        (
            "contacts:\n" + CONTACT % ", appears_at_s: 5, disappears_at_s: 5",
            "5: contacts[0].disappears_at_s: should come",
        ),
        (
            "contacts:\n" + CONTACT % ", transponder: {mode: on}",
            "5: contacts[0].transponder.id: required with mode 'on'",
        ),
        ("contacts:\n" + CONTACT % ", transponder: {mode: spoof}", "5: contacts[0].transponder.id: required"),
        ("contacts:\n" + CONTACT % ", transponder: {mode: off, id: X}", "5: contacts[0].transponder.id: has no use"),
        ("contacts:\n" + CONTACT % ", transponder: {mode: loud}", "5: contacts[0].transponder.mode: "),
        ("contacts:\n" + CONTACT % ", legs: [{duration_s: -1}]", "5: contacts[0].legs[0].duration_s: "),
        (
            "contacts:\n" + CONTACT % ", legs: [{duration_s: 1, turn_rate_dps: .nan}]",
            "5: contacts[0].legs[0].turn_rate_dps: ",
        ),
        ("contacts:\n" + CONTACT.replace("[1, 2, 3]", "[1, 2]") % "", "5: contacts[0].position_m[2]: required"),
        ("contacts:\n" + CONTACT.replace("[1, 2, 3]", "[1, 2, 3e9]") % "", "5: contacts[0].position_m[2]: "),
        ("contacts:\n" + CONTACT.replace("drone", "bird") % "", "5: contacts[0].object_type: "),
    ],
)
def test_a_problem_is_reported_with_its_line(tmp_path: Path, extra: str, problem: str) -> None:
    assert refusals(tmp_path, BASE + extra)[0].startswith(problem)


def test_more_contacts_than_a_snapshot_can_hold_are_refused(tmp_path: Path) -> None:
    many = "".join(CONTACT.replace("name: a", f"name: a{number}") % "" for number in range(2001))
    (problem,) = refusals(tmp_path, f"{BASE}contacts:\n{many}")
    assert problem.startswith("4: contacts: ")
    assert "at most 2000" in problem


def test_a_trajectory_file_beside_the_scenario_replaces_its_contacts(tmp_path: Path) -> None:
    (tmp_path / "traffic").mkdir()
    (tmp_path / "traffic" / "two.csv").write_bytes((EXAMPLES / "two_aircraft.csv").read_bytes())
    path = write(tmp_path, BASE + "trajectory: traffic/two.csv\n")
    loaded = load_scenario(path)
    assert loaded.trajectory == load_scenario(EXAMPLES / "two_aircraft.csv").trajectory
    (problem,) = refusals(tmp_path, BASE + "trajectory: traffic/two.csv\ncontacts:\n" + CONTACT % "")
    assert problem == "4: trajectory: excludes contacts: give one of them"


@pytest.mark.parametrize("name", ["crossing.yaml", "faults.yaml"])
def test_the_simulators_scenarios_are_those_of_the_examples(name: str) -> None:
    shipped = Path(svc_sim.__file__).parent / "scenarios" / name
    assert shipped.read_bytes() == (EXAMPLES / name).read_bytes()


def test_the_digest_covers_scenario_and_trajectory(tmp_path: Path) -> None:
    recording = tmp_path / "two.csv"
    recording.write_bytes((EXAMPLES / "two_aircraft.csv").read_bytes())
    digests = [load_scenario(write(tmp_path, BASE + "trajectory: two.csv\n")).digest]
    digests.append(load_scenario(write(tmp_path, BASE + "trajectory: two.csv # said\n")).digest)
    recording.write_text(recording.read_text().replace("150.00", "150.01"))
    digests.append(load_scenario(tmp_path / "scenario.yaml").digest)
    assert len(set(digests)) == 3


FAULT = "  - {sensor: radar-long, kind: %s}\n"
SECTOR = "sector: {start_deg: 350, width_deg: 20}"


def planned(path: Path) -> tuple[FaultPlan, ...]:
    return load_scenario(path, load_bot_spec(example_bot_spec()).spec.radars).faults


def test_the_example_of_faults_has_one_of_every_kind_that_radars_have_and_names_those_of_the_example_bot() -> None:
    own = {FaultKind.FAILURE, FaultKind.STUCK, FaultKind.NOISE}
    assert {plan.state.kind for plan in planned(EXAMPLES / "faults.yaml")} == set(FaultKind) - own


def test_a_fault_names_its_radar_by_name_or_id(tmp_path: Path) -> None:
    text = f"{BASE}sensor_faults:\n{FAULT % 'dropout, probability: 0.25, from_s: 2'}"
    long_range = "6f3d1f0e-6f0a-4d5c-9a59-0b6c1a2f7e11"
    state = FaultState(long_range, FaultKind.DROPOUT, dropout_probability=0.25)
    for said in (text, text.replace("radar-long", long_range)):
        assert planned(write(tmp_path, said)) == (FaultPlan(state, 2.0, math.inf),)


def test_a_fault_of_an_unknown_sensor_is_reported_with_its_line(tmp_path: Path) -> None:
    faults = FAULT % "dropout" + FAULT.replace("radar-long", "radar-lang") % "dropout"
    path = write(tmp_path, f"{BASE}sensor_faults:\n{faults}{FAULT.replace('radar-long', 'gnss-main') % 'dropout'}")
    with pytest.raises(SpecError) as caught:
        planned(path)
    first, second = str(caught.value).splitlines()
    assert first.startswith(f"{path}:6: sensor_faults[1].sensor: the BotSpec has no radar 'radar-lang' (it has: radar-")
    assert second.startswith(f"{path}:7: sensor_faults[2].sensor: the BotSpec has no radar 'gnss-main'")


def test_a_name_of_two_radars_is_reported_as_ambiguous(tmp_path: Path) -> None:
    radars = load_bot_spec(example_bot_spec()).spec.radars
    twins = [radar.model_copy(update={"name": "radar-long"}) for radar in radars]
    with pytest.raises(SpecError, match=r"sensor_faults\[0\].sensor: 'radar-long' is the name of 2 radars"):
        load_scenario(write(tmp_path, f"{BASE}sensor_faults:\n{FAULT % 'dropout'}"), twins)


def test_without_a_bot_the_sensors_of_faults_are_not_checked(tmp_path: Path) -> None:
    path = write(tmp_path, f"{BASE}sensor_faults:\n{FAULT.replace('radar-long', 'nobody') % 'dropout'}")
    loaded = load_scenario(path)
    assert (loaded.faults, loaded.scenario.sensor_faults[0].sensor) == ((), "nobody")


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ("jamming", "5: sensor_faults[0].sector: required, and missing"),
        (f"jamming, {SECTOR}", "5: sensor_faults[0].jamming_db: required, and missing"),
        (f"jamming, {SECTOR}, jamming_db: 0", "5: sensor_faults[0].jamming_db: "),
        (f"jamming, {SECTOR}, jamming_db: .nan", "5: sensor_faults[0].jamming_db: "),
        (f"jamming, {SECTOR}, jamming_db: 201", "5: sensor_faults[0].jamming_db: "),
        ("dead_sector, sector: {start_deg: 360, width_deg: 20}", "5: sensor_faults[0].sector.start_deg: "),
        ("dead_sector, sector: {start_deg: 0, width_deg: 0}", "5: sensor_faults[0].sector.width_deg: "),
        (f"dead_sector, {SECTOR}, jamming_db: 3", "5: sensor_faults[0].jamming_db: unknown key"),
        ("bias_step, range_bias_m: .inf", "5: sensor_faults[0].range_bias_m: "),
        ("bias_step, bearing_bias_deg: 181", "5: sensor_faults[0].bearing_bias_deg: "),
        ("dropout, probability: 1.1", "5: sensor_faults[0].probability: "),
        ("dropout, from_s: 5, until_s: 5", "5: sensor_faults[0].until_s: should come after from_s, which is 5.0"),
        ("dropout, from_s: -1", "5: sensor_faults[0].from_s: "),
        ("haunted", "5: sensor_faults[0].kind: should be one of 'jamming', 'dead_sector', 'bias_step', 'dropout', not"),
    ],
)
def test_an_invalid_fault_is_reported_with_its_line(tmp_path: Path, fault: str, problem: str) -> None:
    assert refusals(tmp_path, f"{BASE}sensor_faults:\n{FAULT % fault}")[0].startswith(problem)


def test_more_faults_than_a_frame_can_report_are_refused(tmp_path: Path) -> None:
    (problem,) = refusals(tmp_path, f"{BASE}sensor_faults:\n" + FAULT % "dropout" * 65)
    assert problem.startswith("4: sensor_faults: ")
    assert "at most 64" in problem


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="should end in"):
        load_scenario(tmp_path / "scenario.json")
