"""The BotSpec's validator, as seen by an author of a specification: each mistake is reported with file and line."""

import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from botspec.example import example_bot_spec, example_bots
from botspec.model import BotSpec, load_bot_spec
from botspec.yaml_source import MAX_PROBLEMS, Problem, SpecError

EXAMPLE = example_bot_spec().read_text()
CRAFT = example_bots()["inspection-craft"].read_text()
LINES = CRAFT.splitlines()


def refusal(tmp_path: Path, text: str) -> str:
    """Write the specification and return the text of its refusal, without the path."""
    path = tmp_path / "BotSpec.yaml"
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        load_bot_spec(path)
    return str(caught.value).replace(f"{path}:", "")


def line_of(text: str, needle: str, nth: int = 1) -> int:
    """Return the number of the nth line that holds the needle."""
    return [number for number, line in enumerate(text.splitlines(), 1) if needle in line][nth - 1]


def test_the_example_is_valid() -> None:
    spec = load_bot_spec(example_bot_spec()).spec
    assert spec.bot.bot_id == "qiki-01"
    assert {channel.name for channel in spec.channels} == {"world", "sensors", "frames", "tracks", "guard", "audit"}


@pytest.mark.parametrize("name", example_bots())
def test_every_example_bot_is_valid_and_has_an_identity_of_its_own(name: str) -> None:
    bots = {other: load_bot_spec(path).spec for other, path in example_bots().items()}
    assert bots[name].radars
    assert [other for other, spec in bots.items() if spec.bot.bot_id == bots[name].bot.bot_id] == [name]


def test_the_two_further_bots_differ_in_what_they_are() -> None:
    craft, post = (load_bot_spec(example_bots()[name]).spec for name in ("inspection-craft", "coastal-post"))
    assert [radar.range_band for radar in craft.radars] == ["LR", "SR"]
    assert craft.body is not None
    assert post.body is None
    types = [{component.type for component in spec.components} for spec in (craft, post)]
    assert types[0] >= {
        *("rigid_body", "propellant_tank", "thruster", "autopilot", "battery", "generator", "load", "thermal_node"),
        *("transponder", "shield", "gnss", "imu", "star_tracker", "thermometer", "power_meter", "proximity"),
        *("magnetometer", "radar"),
    }
    assert types[1] == {"radar", "ais_receiver"}


def test_two_channels_on_one_subject_are_refused(tmp_path: Path) -> None:
    text = EXAMPLE.replace("subject: qiki.radar.v1.tracks", "subject: qiki.radar.v1.frames")
    assert refusal(tmp_path, text) == (
        f"{line_of(text, 'subject: qiki.radar.v1.frames', 2)}: channels[3].subject: "
        "subject 'qiki.radar.v1.frames' is already that of 'frames'"
    )


def test_an_unknown_type_is_refused(tmp_path: Path) -> None:
    text = EXAMPLE.replace("type: qiki.radar.v1.RadarFrame", "type: qiki.radar.v1.RadarFrames")
    assert refusal(tmp_path, text).startswith(
        f"{line_of(text, 'RadarFrames')}: channels[2].type: unknown protobuf type"
    )


def test_an_unbound_channel_is_refused(tmp_path: Path) -> None:
    text = EXAMPLE.replace("stream: QIKI_EVENTS_V1", "stream: QIKI_EVENTS_V2")
    assert refusal(tmp_path, text).startswith(f"{line_of(text, 'QIKI_EVENTS_V2')}: channels[4].stream: unbound channel")


def test_a_type_that_the_rpc_does_not_stream_is_refused(tmp_path: Path) -> None:
    text = EXAMPLE.replace("type: qiki.radar.v1.TrackSet", "type: qiki.radar.v1.RadarFrame")
    assert "channels[3].type: 'qiki.tracker.v1.TrackerService/WatchTracks' streams 'qiki.radar.v1.TrackSet'" in refusal(
        tmp_path, text
    )


def test_an_unknown_rpc_is_refused(tmp_path: Path) -> None:
    text = EXAMPLE.replace("RadarService/WatchFrames", "RadarService/WatchFrame")
    assert f"{line_of(text, 'WatchFrame')}: channels[2].rpc: unknown rpc" in refusal(tmp_path, text)


def test_a_subject_outside_its_stream_is_refused(tmp_path: Path) -> None:
    text = EXAMPLE.replace("subject: qiki.events.v1.audit", "subject: qiki.audit.v1.log")
    assert "channels[5].subject: 'qiki.audit.v1.log' is not in stream 'QIKI_EVENTS_V1'" in refusal(tmp_path, text)


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("max_range_m: 100000.0", "max_range_m: .nan", "components[2].max_range_m"),
        ("max_range_m: 100000.0", "max_range_m: .inf", "components[2].max_range_m"),
        ("max_range_m: 100000.0", "max_range_m: -1.0", "components[2].max_range_m"),
        ("snr_ref_db: 23.0", "snr_ref_db: -1.0", "components[2].snr_ref_db"),
        ("scan_period_s: 1.0", "scan_period_s: 0.25", "components[2].scan_period_s"),
        ("bot_id: qiki-01", "bot_id: Qiki 01", "bot.bot_id"),
        ("range_band: LR", "range_band: XR", "components[2].range_band"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_its_field_and_line(
    tmp_path: Path, old: str, new: str, field: str
) -> None:
    text = EXAMPLE.replace(old, new, 1)
    assert text != EXAMPLE
    assert f"{line_of(text, new)}: {field}: " in refusal(tmp_path, text)


def test_an_unknown_key_is_refused_with_the_one_that_was_probably_meant(tmp_path: Path) -> None:
    text = EXAMPLE.replace("  tick_s: 0.05", "  tik_s: 0.05", 1)
    message = refusal(tmp_path, text)
    assert f"{line_of(text, 'tik_s')}: simulation.tik_s: unknown key" in message
    assert "tick_s" in message


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    text = EXAMPLE.replace("bot:\n", "bot:\n  name: Another\n", 1)
    assert "name" in refusal(tmp_path, text)


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    text = EXAMPLE.replace("range_band: LR", "range_band: XR").replace("bot_id: qiki-01", "bot_id: Q")
    assert len(refusal(tmp_path, text).splitlines()) == 2


# Text of the inspection craft, its replacement, a part of the refused field's name, the remedy, and the line: counted
# from the replacement, or the first with a text, or the nth with it.
Place = int | str | tuple[str, int]
BROKEN: list[tuple[str, str, str, str, Place]] = [
    # components: names, types, required ones
    ("name: imu-main", "name: gnss-main", "name", "given twice, first as components[", 0),
    ("type: magnetometer", "type: sonar", "type", "should be one of 'rigid_body', 'propellant_tank', 'thruster'", 0),
    ("    name: imu-main\n", "", "name", "required, and missing", "type: imu"),
    ("name: imu-main", "name: IMU main", "name", "should match pattern", 0),
    ("name: imu-main", "name: 7", "name", "should be text, not 7: put it in quotes", 0),
    ("    period_s: 0.5\n    mount: {position_m: [-0.2, 0.2", "    mount: {position_m: [-0.2, 0.2", "period_s",
     "required, and missing", "type: star_tracker"),
    # capabilities
    ("  - {type: propellant_tank, name: tank, capacity_kg: 30, initial_kg: 30}\n", "", "type",
     "consumes 'propellant', which no component provides: add a component of `type: propellant_tank`",
     "name: thruster-x-plus-1"),
    ("  - {type: rigid_body, name: hull-structure, dry_mass_kg: 180, inertia_kgm2: [45, 60, 70]}\n", "", "type",
     "consumes 'body', which no component provides: add a component of `type: rigid_body`", "type: propellant_tank"),
    ("{type: generator, name: generator, power_w: 1400}",
     "{type: rigid_body, name: second, dry_mass_kg: 1, inertia_kgm2: [1, 1, 1]}", "type",
     "'body' is already provided by 'hull-structure'; a bot has one: remove one of the two", 0),
    ("name: camera,", "name: camera, consumes: [body],", "consumes",
     "this type needs 'power_bus' too; add it, or omit `consumes`", 0),
    ("name: camera,", "name: camera, provides: [shield],", "provides",
     "this type cannot provide 'shield'; remove it (it provides nothing)", 0),
    ("name: camera,", "name: camera, consumes: [power_bus, identities],", "consumes",
     "'camera' consumes 'identities', which no component provides: add a component of `type: ais_receiver`", 0),
    ("name: camera,", "name: camera, consumes: [power_bus, warp],", "consumes[1]", "should be 'body', 'propellant'", 0),
    # motion
    ("inertia_kgm2: [45, 60, 70]", "inertia_kgm2: [45, 60, 170]", "inertia_kgm2",
     "no body has these moments: 170.0 exceeds the sum of the others, 45.0 + 60.0; reduce it", 0),
    ("inertia_kgm2: [45, 60, 70]", "inertia_kgm2: [45, 60, 0]", "inertia_kgm2[2]", "should be greater than", 0),
    ("inertia_kgm2: [45, 60, 70]", "inertia_kgm2: [45, 60]", "inertia_kgm2[2]", "required, and missing", 0),
    ("dry_mass_kg: 180", "dry_mass_kg: 0", "dry_mass_kg", "should be greater than or equal to 0.01, not 0", 0),
    ("dry_mass_kg: 180", "dry_mass_kg: 1.0e+9", "dry_mass_kg", "should be less than or equal to 10000000", 0),
    ("initial_kg: 30", "initial_kg: 31", "initial_kg", "should not exceed capacity_kg, which is 30.0", 0),
    ("direction: [1, 0, 0]", "direction: [1, 1, 0]", "direction",
     "should have length 1, not 1.41421356; in this direction: [0.707106781, 0.707106781, 0.0]", 0),
    ("direction: [1, 0, 0]", "direction: [0, 0, 0]", "direction", "should have length 1, not 0", 0),
    ("max_thrust_n: 100", "max_thrust_n: -100", "max_thrust_n", "should be greater than 0, not -100", 0),
    ("specific_impulse_s: 220", "specific_impulse_s: 1", "specific_impulse_s",
     "should be greater than or equal to 10", 0),
    ("position_m: [0, 0.6, 0]", "position_m: [0, 6000, 0]", "position_m[1]", "should be less than or equal to 1000", 0),
    ("max_angular_rate_rps: 0.35", "max_angular_rate_rps: .inf", "max_angular_rate_rps",
     "should be a finite number", 0),
    ("max_thrust_n: 100,", "max_thrust_n: 9.0e+5,", "max_thrust_n",
     "more than the dry mass of 180.0 kg in a second: lower max_thrust_n, or raise specific_impulse_s", 0),
    ("  tick_s: 0.05\n  world_period_s: 0.1", "  tick_s: 2\n  world_period_s: 2", "simulation.tick_s",
     "should be at most 1 s with a rigid_body, not 2.0", 0),
    # power, heat, transponder, shield
    ("restore_above_fraction: 0.35", "restore_above_fraction: 0.2", "restore_above_fraction",
     "should exceed shed_below_fraction, which is 0.2", 0),
    ("initial_fraction: 0.9", "initial_fraction: 1.1", "initial_fraction", "should be less than or equal to 1", 0),
    ("charge_efficiency: 0.95", "charge_efficiency: 0", "charge_efficiency", "should be greater than 0", 0),
    ("power_w: 150, priority: 1", "power_w: 150, priority: 0", "priority", "should be greater than or equal to 1", 0),
    ("heat_to: electronics}", "heat_to: electronic}", "heat_to",
     "no component 'electronic' of `type: thermal_node` is declared (declared: electronics, hull)", 0),
    ("heat_to: electronics}", "heat_to: battery}", "heat_to", "no component 'battery' of `type: thermal_node`", 0),
    ("links: [{to: hull", "links: [{to: electronics", "links[0].to", "a node has no link to itself; remove it", 0),
    ("links: [{to: hull", "links: [{to: keel", "links[0].to", "no component 'keel' of `type: thermal_node`", 0),
    ("recover_k: 328.15", "recover_k: 400", "recover_k", "should be less than trip_k, which is 348.15", 0),
    ("emissivity: 0.85", "emissivity: 1.5", "emissivity", "should be less than or equal to 1", 0),
    ("initial_k: 283.15", "initial_k: -5", "initial_k", "should be greater than or equal to 2.7, not -5", 0),
    ("mode: on", "mode: spoof", "spoof_identity", "required with mode 'spoof', and missing", "type: transponder"),
    ("mode: on", "mode: loud", "mode", "should be 'on', 'off', 'silent' or 'spoof', not 'loud'", 0),
    ("initial_fraction: 1, ", "initial_fraction: 1, capacity: 2, ", "capacity", "did you mean 'capacity_j'?", 0),
    # sensors and radars
    ("attitude: [0.70710678, 0, -0.70710678, 0]", "attitude: [0.7, 0, -0.7, 0]", "mount.attitude",
     "should have length 1, not 0.989949494; in this direction: [0.707106781, 0.0, -0.707106781, 0.0]", 0),
    ("field_of_view_deg: 20", "field_of_view_deg: 0", "field_of_view_deg", "should be greater than 0", 0),
    ("    field_of_view_deg: 40\n", "", "field_of_view_deg", "required, and missing", "type: proximity"),
    ("max_range_m: 2000", "max_range_m: 0.4", "max_range_m", "should exceed min_range_m, which is 0.5", 0),
    ("dropout_probability: 0.01\n", "dropout_probability: 1.01\n", "dropout_probability",
     "should be less than or equal to 1", 0),
    ("    period_s: 0.2\n", "    period_s: 0.21\n", "period_s",
     "0.21 s is not a whole multiple of simulation.tick_s", 0),
    ("0b6c1a2f8002", "0b6c1a2f8001", "sensor_id", "give it another UUID", 0),
    ("    node: hull\n    temperature_sigma_k", "    temperature_sigma_k", "node", "required, and missing",
     ("type: thermometer", 2)),
    # channels
    ("  - name: frames\n", "  - name: pictures\n", "channels",
     "channel 'frames' is required: add it with `rpc: ", "channels:"),
    ("  - name: audit\n", "  - name: log\n", "channels",
     "channel 'audit' is required: add it with `rpc: ", "channels:"),
    ("  - name: world\n", "  - name: tracks\n", "name", "channel 'tracks' is given twice", ("- name: tracks", 2)),
    ("    rpc: qiki.sim.v1.SimService/WatchWorld\n", "    rpc: qiki.sim.v1.SimService/GetWorld\n", "rpc",
     "'qiki.sim.v1.SimService/GetWorld' is not a Watch rpc", 0),
    ("subject: qiki.sim.v1.world", "subject: qiki sim", "subject", "is no NATS subject to publish on: names of", 0),
    ("    stream: QIKI_EVENTS_V1\n    policy: derived", "    stream: QIKI_COMMANDS_V1\n    policy: derived", "stream",
     "has max_age_s, and a bridge needs each subject's last message: limit it by max_msgs_per_subject", 0),
    # streams and durables
    ("subjects: [qiki.events.v1.>]", "subjects: [qiki.dlq.v1.audit, qiki.events.v1.>]", "subjects[0]",
     "overlaps 'qiki.dlq.v1.audit' of stream 'QIKI_EVENTS_V1': narrow one of the two", "subjects: [qiki.dlq.v1.>"),
    ("subjects: [qiki.responses.v1.>]", "subjects: [qiki.answers.v1.>]", "streams",
     "no stream stores 'qiki.responses.v1.>', which the mesh uses: add it to a stream's subjects", "streams:"),
    ("name: QIKI_SIM_V1\n    subjects", "name: QIKI_RADAR_V1\n    subjects", "name",
     "stream 'QIKI_RADAR_V1' is given twice; rename one, or join the two",
     ("- name: QIKI_RADAR_V1", 2)),
    ("max_bytes: 536870912", "max_bytes: 5", "max_bytes", "should be greater than or equal to 1024, not 5", 0),
    ("    max_msgs_per_subject: 200000\n", "", "stream",
     "has no max_msgs_per_subject and would fill up: give it this limit", "stream: QIKI_EVENTS_V1"),
    ("subjects: [qiki.commands.v1.>]", "subjects: [qiki.commands.v1.>.x]", "subjects[0]",
     "is no pattern of NATS subjects: names of", 0),
    ("  - name: dlq_advisories", "  - name: mine", "durables", "durable 'dlq_advisories' is required", "durables:"),
    ("    stream: QIKI_DLQ_V1\n", "    stream: QIKI_DEAD_V1\n", "stream", "no stream 'QIKI_DEAD_V1' is declared", 0),
    ("    max_deliver: 30", "    max_deliver: 5", "max_deliver",
     "5 deliveries never use the last of 5 waits in backoff_s: give at least 6, or remove waits", 0),
    ("    max_ack_pending: 1\n", "    max_ack_pending: 2\n", "max_ack_pending",
     "should be 1: commands act in the order", 0),
    ("    ack_wait_s: 8 ", "    ack_wait_s: 5 ", "ack_wait_s",
     "should exceed 5 s, the bridge's time for one command", 0),
    ("filter_subject: qiki.events.v1.>", "filter_subject: qiki.events.v1.guard", "filter_subject",
     "should be 'qiki.events.v1.>', which the bridge reads with 'registrar_intake'", 0),
    ("required_readers:\n", "required_readers:\n  heat: [bridge]\n", "required_readers.heat",
     "no channel 'heat' is declared (declared: world,", 1),
    # the file
    ("schema_version: 2", "schema_version: 3", "schema_version", "should be 2, not 3", 0),
    ("simulation:\n", "radars: []\nsimulation:\n", "radars", "move it to `components`, with `type: radar`", 0),
    ("seed: 20240229", "seed: !!int 7", "", "tags are not supported", 0),
    ("  tick_s: 0.05", "  tick_s: [", "", "not YAML of ours", 2),
]  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: f"{broken[2]}: {broken[3][:40]}")
def test_a_broken_spec_is_refused_with_the_line_the_field_and_the_remedy(
    tmp_path: Path, broken: tuple[str, str, str, str, Place]
) -> None:
    old, new, field, remedy, place = broken
    assert old in CRAFT, "the example has changed"
    text = CRAFT.replace(old, new, 1)
    if isinstance(place, int):
        line = CRAFT[: CRAFT.index(old)].count("\n") + 1 + place
    else:
        line = line_of(text, *place) if isinstance(place, tuple) else line_of(text, place)
    found = refusal(tmp_path, text).splitlines()
    assert any(
        each.startswith(f"{line}: ") and remedy in each and field in each.partition(": ")[2].partition(": ")[0]
        for each in found
    ), found


def test_more_thrusters_than_the_simulator_takes_are_refused_at_the_first_too_many(tmp_path: Path) -> None:
    line = next(number for number, each in enumerate(LINES) if "name: thruster-z-minus-2" in each)
    more = [text.replace("thruster-z-minus-2", f"thruster-{n}") for n in range(53) for text in LINES[line : line + 2]]
    found = refusal(tmp_path, "\n".join([*LINES[: line + 2], *more, *LINES[line + 2 :]]))
    expected = f"{line + 2 + 2 * 52 + 1}: components[66].type: a craft has at most 64 thrusters, not 65"
    assert expected in found, found


@pytest.mark.parametrize("section", ["components", "channels", "streams", "durables"])
def test_an_empty_section_is_refused_with_what_is_required_in_it(tmp_path: Path, section: str) -> None:
    document = {**yaml.safe_load(EXAMPLE), section: []}
    text = yaml.safe_dump(document, sort_keys=False)
    message = refusal(tmp_path, text)
    assert f"{line_of(text, f'{section}: []')}: {section}: " in message
    assert "is required" in message or "which the mesh uses: add it" in message


@pytest.mark.parametrize("section", ["bot", "simulation", "components", "channels", "streams", "durables"])
def test_a_missing_section_is_refused(tmp_path: Path, section: str) -> None:
    document = {name: value for name, value in yaml.safe_load(EXAMPLE).items() if name != section}
    assert f"1: {section}: required, and missing" in refusal(tmp_path, yaml.safe_dump(document, sort_keys=False))


def test_a_spec_without_a_radar_is_refused(tmp_path: Path) -> None:
    document = yaml.safe_load(EXAMPLE)
    document["components"] = [each for each in document["components"] if each["type"] != "radar"]
    text = yaml.safe_dump(document, sort_keys=False)
    expected = f"{line_of(text, 'components:')}: components: a radar is required: add a component of `type: radar`"
    assert expected in refusal(tmp_path, text)


def test_a_file_of_schema_version_1_is_refused_with_the_new_place_of_each_section(tmp_path: Path) -> None:
    text = "schema_version: 1\nnavigation: []\nradars: []\nchannels: []\n"
    lines = refusal(tmp_path, text).splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["1", "2", "3"]
    assert "docs/botspec.md" in lines[0]
    assert "`type` in place of `kind`" in lines[1]
    assert "`type: radar`" in lines[2]


@pytest.mark.parametrize(
    ("change", "field", "remedy"),
    [
        ({"stream": "QIKI_X"}, "stream", "no stream 'QIKI_X' is declared"),
        ({"filter_subject": "qiki.sim.v1.world"}, "filter_subject", "is not in stream 'QIKI_RADAR_V1', which holds"),
        ({"filter_subject": ">"}, "filter_subject", "is no pattern of NATS subjects"),
        ({"max_deliver": 2}, "max_deliver", "give at least 3"),
        ({"max_deliver": 0}, "max_deliver", "should be greater than or equal to 1"),
        ({"ack_wait_s": 2}, "ack_wait_s", "should be 1.0, the first of backoff_s"),
        ({"ack_wait_s": 0}, "ack_wait_s", "should be greater than or equal to 0.001"),
        ({"max_ack_pending": 0}, "max_ack_pending", "should be greater than or equal to 1"),
        ({"backoff_s": [-1]}, "backoff_s[0]", "should be greater than or equal to 0.001"),
        ({"name": "sim_commands"}, "filter_subject", "should be 'qiki.commands.v1.>', which the bridge reads"),
        ({"wait_s": 3}, "wait_s", "unknown key; did you mean 'ack_wait_s'?"),
    ],
)
def test_a_users_own_durable_is_checked_too(tmp_path: Path, change: dict[str, Any], field: str, remedy: str) -> None:
    document = yaml.safe_load(EXAMPLE)
    assert load_text(tmp_path, {**document, "durables": [*document["durables"], OWN_DURABLE]})
    text = yaml.safe_dump({**document, "durables": [*document["durables"], OWN_DURABLE | change]}, sort_keys=False)
    message = refusal(tmp_path, text)
    assert f": durables[3].{field}: " in message
    assert remedy in message


def test_a_durable_given_twice_on_one_stream_is_refused(tmp_path: Path) -> None:
    document = yaml.safe_load(EXAMPLE)
    text = yaml.safe_dump({**document, "durables": [*document["durables"], OWN_DURABLE, deepcopy(OWN_DURABLE)]})
    assert "durables[4].name: durable 'agent' is given twice; rename one" in refusal(tmp_path, text)


OWN_DURABLE: dict[str, Any] = {
    "name": "agent",
    "stream": "QIKI_RADAR_V1",
    "filter_subject": "qiki.radar.v1.frames",
    "ack_wait_s": 1,
    "max_deliver": 4,
    "max_ack_pending": 10,
    "backoff_s": [1, 2],
}


def load_text(tmp_path: Path, document: Any) -> BotSpec:
    path = tmp_path / "valid.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return load_bot_spec(path).spec


@pytest.mark.parametrize(
    ("section", "entry"),
    [
        ("components", "  - {type: radar, nane: x, max_rnge: 2}\n"),
        ("components", "  - {a: 1}\n"),
        ("channels", "  - {}\n"),
        ("guard_rules", "  - {name: a, kind: X}\n"),
    ],
)
def test_of_very_many_problems_the_first_are_reported_and_the_others_counted(
    tmp_path: Path, section: str, entry: str
) -> None:
    text = EXAMPLE.replace(f"\n{section}:\n", f"\n{section}:\n{entry * 3000}", 1)
    lines = refusal(tmp_path, text).splitlines()
    assert len(lines) == MAX_PROBLEMS + 1
    assert lines[0].startswith(f"{line_of(text, entry.strip())}: {section}[0]")
    assert re.fullmatch(r"\d+: \d+ further problems from here on: correct these first", lines[-1])


def test_a_file_larger_than_any_bot_is_refused_unread(tmp_path: Path) -> None:
    assert refusal(tmp_path, EXAMPLE + "# x\n" * 131_072).endswith("larger than 524288 bytes")


# -- fuzz --------------------------------------------------------------------------------------------------------------


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.just([]), st.just({}),
    st.sampled_from([-1, 0, 1e308, "on", "qiki.>", [[]], {"to": "x"}, [1, 2, 3], "a" * 300]),
)  # fmt: skip
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["remove", "double", "indent", "insert", "cut"]),
        st.integers(0, len(LINES) - 1),
        st.text(max_size=12)
        | st.sampled_from(["- ", "? ", ": ", "{", "]", "&a ", "*a", "!!x ", "|", "---", "\t", "\x00"]),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=EDITS)
def test_any_edit_of_the_text_is_read_or_refused_with_lines(tmp_path: Path, edits: list[tuple[str, int, str]]) -> None:
    lines = list(LINES)
    for kind, number, text in edits:
        place = number % len(lines)
        old = lines[place]
        replacement = {
            "remove": [],
            "double": [old, old],
            "indent": [f" {old}"],
            "insert": [f"{old}{text}"],
            "cut": [old[: number % (len(old) + 1)] + text],
        }[kind]
        lines[place : place + 1] = replacement
    read_or_refuse(tmp_path, "\n".join(lines))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_in_any_place_is_read_or_refused_with_lines(tmp_path: Path, data: st.DataObject) -> None:
    document = yaml.safe_load(CRAFT)
    for _ in range(data.draw(st.integers(1, 3))):
        parent: Any = document
        key = data.draw(st.sampled_from(sorted(document)))
        while isinstance(parent[key], dict | list) and parent[key] and data.draw(st.integers(0, 3)):
            parent = parent[key]
            key = data.draw(st.sampled_from(sorted(parent) if isinstance(parent, dict) else range(len(parent))))
        parent[key] = data.draw(SCALARS)
    read_or_refuse(tmp_path, yaml.safe_dump(document, sort_keys=False))


def read_or_refuse(tmp_path: Path, text: str) -> None:
    """Load the text; any exception but a refusal with lines fails the test."""
    path = tmp_path / "fuzzed.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    problems: tuple[Problem, ...] = ()
    try:
        load_bot_spec(path)
    except SpecError as error:
        problems = error.problems
    assert all(problem.line >= 1 and problem.message for problem in problems)
