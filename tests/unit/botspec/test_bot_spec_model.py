import hashlib
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from botspec.base import nanoseconds
from botspec.model import BotSpec, Simulation, load_bot_spec
from botspec.yaml_source import SpecError
from declared import minimal_text

EXAMPLE = Path(__file__).parents[3] / "botspec" / "BotSpec.yaml"
# Where a section can be put in.
POLICY = "identity_policy:"
MODE = "{name: straight, turn_rate_dps: 0, horizontal_noise_m2ps3: 1, vertical_noise_m2ps3: 1, mean_stay_s: 60}"


def refusals(tmp_path: Path, *changes: tuple[str, str]) -> list[str]:
    """Return the problems of the example with texts replaced; check that each one names the right line."""
    text = EXAMPLE.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "bot.yaml"
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        load_bot_spec(path)
    lines = text.splitlines()
    for problem in caught.value.problems:
        key = problem.where.rpartition(".")[2].partition("[")[0]
        assert key in lines[problem.line - 1] or "missing" in problem.message
    return [f"{problem.where}: {problem.message}" for problem in caught.value.problems]


def test_the_example_is_valid_and_is_the_bot_of_the_mesh() -> None:
    loaded = load_bot_spec(EXAMPLE)
    spec = loaded.spec
    assert loaded.digest == hashlib.sha256(EXAMPLE.read_bytes()).hexdigest()
    assert loaded.path == EXAMPLE
    assert spec.bot.bot_id == "qiki-01"
    assert [radar.range_band for radar in spec.radars] == ["LR", "SR"]
    assert [sensor.type for sensor in spec.navigation] == ["gnss", "imu"]
    assert spec.body is None
    assert [channel.subject for channel in spec.channels] == [
        "qiki.sim.v1.world",
        "qiki.sim.v1.sensors",
        "qiki.radar.v1.frames",
        "qiki.radar.v1.tracks",
        "qiki.events.v1.guard",
        "qiki.events.v1.audit",
    ]
    assert spec.readers("world") == ("radar", "bridge")
    assert spec.readers("guard") == ("bridge",)
    assert spec.readers("nothing") == ()


def test_periods_are_converted_to_ticks() -> None:
    spec = load_bot_spec(EXAMPLE).spec
    assert spec.simulation.tick_ns == 50_000_000
    assert spec.simulation.world_period_ticks == 2
    assert spec.navigation_period_ticks == (20, 2)
    assert spec.scan_period_ticks == (20, 10)


def test_the_defaults_are_those_of_the_contract(tmp_path: Path) -> None:
    path = tmp_path / "bot.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(minimal_text()), "simulation": {}}, sort_keys=False))
    spec = load_bot_spec(path).spec
    assert (spec.simulation.tick_s, spec.simulation.world_period_s) == (0.05, 0.1)
    assert (spec.guard_rules, spec.required_readers, spec.tracker.modes) == ((), {}, None)


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.1, 10**8), (1e-9, 1), (0.3, 3 * 10**8), (86400.000000001, 86400 * 10**9 + 1)]
)
def test_a_duration_is_the_decimal_that_was_written(seconds: float, expected: int) -> None:
    assert nanoseconds(seconds) == expected


@pytest.mark.parametrize("seconds", [1e-10, 0.1 + 0.2, 1 / 3])
def test_a_duration_that_is_no_whole_number_of_nanoseconds_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="not a whole number of nanoseconds"):
        nanoseconds(seconds)


@pytest.mark.parametrize("tick_s", [0, -0.05, 0.0009, 10.1, float("nan"), float("inf"), 1 / 3])
def test_an_invalid_tick_is_refused(tick_s: float) -> None:
    with pytest.raises(ValidationError):
        Simulation(tick_s=tick_s, world_period_s=60)


def test_a_duration_in_ticks_is_whole_or_refused() -> None:
    assert Simulation(tick_s=0.1, world_period_s=0.3).ticks(0.7) == 7
    with pytest.raises(ValueError, match="not a whole multiple of tick_s"):
        Simulation().ticks(0.07)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5])
def test_a_seed_that_is_no_unsigned_64_bit_number_is_refused(seed: float) -> None:
    with pytest.raises(ValidationError):
        Simulation(seed=seed)


@pytest.mark.parametrize(
    ("old", "new", "refusal"),
    [
        (
            "world_period_s: 0.1 ",
            "world_period_s: 0.12 ",
            "simulation.world_period_s: 0.12 s is not a whole multiple of tick_s, which is 0.05 s",
        ),
        (
            "scan_period_s: 0.5",
            "scan_period_s: 0.25",
            "components[3].scan_period_s: 0.25 s is not a whole multiple of simulation.world_period_s, which is 0.1 s",
        ),
        (
            "    period_s: 1.0",
            "    period_s: 1.01",
            "components[0].period_s: 1.01 s is not a whole multiple of simulation.tick_s, which is 0.05 s",
        ),
        (
            "0b6c1a2f7e12",
            "0b6c1a2f7e02",
            "components[3].sensor_id: 6f3d1f0e-6f0a-4d5c-9a59-0b6c1a2f7e02 is already that of components[1]; ",
        ),
        (
            "min_range_m: 30.0",
            "min_range_m: 12000",
            "components[3].max_range_m: should exceed min_range_m, which is 12000.0",
        ),
        (
            "max_elev_deg: 85.0",
            "max_elev_deg: -60",
            "components[3].max_elev_deg: should exceed min_elev_deg, which is -60.0",
        ),
        (
            "subject: qiki.sim.v1.sensors",
            "subject: qiki.sim.v1.world",
            "channels[1].subject: subject 'qiki.sim.v1.world' is already that of 'world'",
        ),
        ("- name: sensors", "- name: world", "channels[1].name: channel 'world' is given twice"),
        (
            "  tracks: [bridge]",
            "  trucks: [bridge]",
            "required_readers.trucks: no channel 'trucks' is declared (declared: world, sensors, frames, tracks,",
        ),
        ("[radar, bridge]", "[radar, radar]", "required_readers.world[1]: reader 'radar' is given twice"),
        (
            "rpc: qiki.sim.v1.SimService/WatchSensors",
            "rpc: qiki.sim.v1.SimService/WatchSensor",
            "channels[1].rpc: unknown rpc 'qiki.sim.v1.SimService/WatchSensor'",
        ),
        (
            "type: qiki.sim.v1.SensorReading",
            "type: qiki.sim.v1.Reading",
            "channels[1].type: unknown protobuf type 'qiki.sim.v1.Reading'",
        ),
        ("schema_version: 2", "schema_version: 4", "schema_version: should be 2, not 4"),
        (
            "false_alarm_probability: 1.0e-8 ",
            "false_alarm_probability: 0.2 ",
            "components[2].false_alarm_probability: should be less than or equal to 0.1",
        ),
        (
            "false_alarm_probability: 3.0e-9",
            "false_alarm_probability: .nan",
            "components[3].false_alarm_probability: should be a finite number",
        ),
        ("range_sigma_m: 5.0", "range_sigma_m: 0", "components[3].range_sigma_m: should be greater than 0, not 0"),
        ("range_band: SR", "range_band: XR", "components[3].range_band: should be 'LR' or 'SR', not 'XR'"),
        ("bot_id: qiki-01", "bot_id: Qiki", "bot.bot_id: String should match pattern"),
        (
            "max_detections: 4000  ",
            "max_detections: 4001  ",
            "components[2].max_detections: should be less than or equal to 4000",
        ),
        ("type: imu", "type: sonar", "components[1].type: should be one of 'rigid_body', 'propellant_tank',"),
        ("6f3d1f0e-6f0a-4d5c-9a59-0b6c1a2f7e01", "not-a-uuid", "components[0].sensor_id: should be a valid UUID"),
        (
            "reply_probability: 0.98",
            "replies: 0.98",
            "components[3].transponder.reply_probability: required, and missing",
        ),
        ("    name: radar-long", "    nane: radar-long", "components[2].name: required, and missing"),
        (
            POLICY,
            f"tracker: {{confirm_probability: 1.0}}\n{POLICY}",
            "tracker.confirm_probability: should be less than 1",
        ),
        (POLICY, f"tracker: {{max_coast_s: 0}}\n{POLICY}", "tracker.max_coast_s: should be greater than 0"),
        (
            POLICY,
            f"tracker: {{new_target_probability: .nan}}\n{POLICY}",
            "tracker.new_target_probability: should be a finite number",
        ),
        (POLICY, f"tracker: {{mode: []}}\n{POLICY}", "tracker.mode: "),
        (POLICY, f"tracker:\n  modes: []\n{POLICY}", "tracker.modes: "),
        (POLICY, f"tracker: {{compiled: perhaps}}\n{POLICY}", "tracker.compiled: "),
        (
            POLICY,
            f"tracker: {{confirm_probability: 0.5, delete_probability: 0.5}}\n{POLICY}",
            "tracker.delete_probability: should be less than confirm_probability, which is 0.5",
        ),
        (
            POLICY,
            f"tracker:\n  modes:\n    - {MODE}\n    - {MODE}\n{POLICY}",
            "tracker.modes[1].name: mode 'straight' is given twice",
        ),
        (
            POLICY,
            f"tracker:\n  modes:\n    - {MODE.replace('turn_rate_dps: 0', 'turn_rate_dps: 91')}\n{POLICY}",
            "tracker.modes[0].turn_rate_dps: should be less than or equal to 90",
        ),
    ],
)
def test_a_problem_is_reported_with_its_line(tmp_path: Path, old: str, new: str, refusal: str) -> None:
    assert any(problem.startswith(refusal) for problem in refusals(tmp_path, (old, new))), refusals(
        tmp_path, (old, new)
    )


def test_an_undeclared_stream_and_a_subject_outside_its_stream_are_both_reported(tmp_path: Path) -> None:
    problems = refusals(
        tmp_path,
        (
            "subject: qiki.radar.v1.frames\n    stream: QIKI_RADAR_V1",
            "subject: qiki.radar.v1.frames\n    stream: QIKI_X",
        ),
        ("subject: qiki.sim.v1.sensors", "subject: qiki.sim.v1.readings"),
    )
    assert len(problems) == 2
    assert problems[0].startswith("channels[1].subject: 'qiki.sim.v1.readings' is not in stream 'QIKI_SIM_V1'")
    assert problems[1].startswith("channels[2].stream: unbound channel: no stream 'QIKI_X'")


def test_all_problems_of_a_file_are_reported_at_once(tmp_path: Path) -> None:
    problems = refusals(
        tmp_path, ("0b6c1a2f7e12", "0b6c1a2f7e11"), ("  frames: [", "  fremes: ["), ("period_s: 0.5", "period_s: 0.25")
    )
    assert [line.partition(":")[0] for line in problems] == [
        "components[3].sensor_id",
        "components[3].scan_period_s",
        "required_readers.fremes",
    ]


def test_a_bot_spec_cannot_be_changed() -> None:
    spec = load_bot_spec(EXAMPLE).spec
    with pytest.raises(ValidationError, match="frozen"):
        spec.schema_version = 2  # type: ignore[misc]  # that is what is refused
    assert isinstance(spec, BotSpec)
