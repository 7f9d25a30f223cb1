"""The BotSpec's validator, as seen by an author of a specification: each mistake is reported with file and line."""

from pathlib import Path

import pytest

from botspec.example import example_bot_spec
from botspec.model import load_bot_spec
from botspec.yaml_source import SpecError

EXAMPLE = example_bot_spec().read_text()


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
        ("max_range_m: 100000.0", "max_range_m: .nan", "radars[0].max_range_m"),
        ("max_range_m: 100000.0", "max_range_m: .inf", "radars[0].max_range_m"),
        ("max_range_m: 100000.0", "max_range_m: -1.0", "radars[0].max_range_m"),
        ("snr_ref_db: 23.0", "snr_ref_db: -1.0", "radars[0].snr_ref_db"),
        ("scan_period_s: 1.0", "scan_period_s: 0.25", "radars[0].scan_period_s"),
        ("bot_id: qiki-01", "bot_id: Qiki 01", "bot.bot_id"),
        ("range_band: LR", "range_band: XR", "radars[0].range_band"),
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
