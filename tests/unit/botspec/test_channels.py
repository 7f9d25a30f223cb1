from typing import Any

import pytest
from pydantic import ValidationError

from botspec.bus.subjects import contains, subject_matches, subjects_overlap
from botspec.channels import Channel, channel_problems, duplicates, find_method
from declared import BUS
from qiki.radar.v1 import radar_service_pb2
from qiki.sim.v1 import sim_service_pb2

FRAMES: dict[str, Any] = {
    "name": "frames",
    "type": "qiki.radar.v1.RadarFrame",
    "rpc": "qiki.radar.v1.RadarService/WatchFrames",
    "subject": "qiki.radar.v1.frames",
    "stream": "QIKI_RADAR_V1",
    "policy": "derived",
}


def refusal(**changes: str) -> tuple[tuple[str | int, ...], str]:
    with pytest.raises(ValidationError) as caught:
        Channel(**FRAMES | changes)
    (error,) = caught.value.errors()
    return error["loc"], error["msg"]


def test_a_channel_confirms_by_the_rpc_that_pairs_with_its_watch() -> None:
    assert Channel(**FRAMES).confirm == "qiki.radar.v1.RadarService/ConfirmFrames"


def test_a_channel_is_derived_unless_declared_recorded() -> None:
    without = {key: value for key, value in FRAMES.items() if key != "policy"}
    assert Channel(**without).policy == "derived"
    assert Channel(**FRAMES | {"policy": "recorded"}).policy == "recorded"
    assert refusal(policy="invented")[0] == ("policy",)


@pytest.mark.parametrize(
    ("rpc", "payload_field", "payload_type"),
    [
        ("qiki.sim.v1.SimService/WatchWorld", "snapshot", "qiki.sim.v1.WorldSnapshot"),
        ("qiki.sim.v1.SimService/WatchSensors", "reading", "qiki.sim.v1.SensorReading"),
        ("qiki.radar.v1.RadarService/WatchFrames", "frame", "qiki.radar.v1.RadarFrame"),
        ("qiki.tracker.v1.TrackerService/WatchTracks", "track_set", "qiki.radar.v1.TrackSet"),
        ("qiki.registrar.v1.RegistrarService/WatchEvents", "audit_event", "qiki.registrar.v1.AuditEvent"),
    ],
)
def test_every_watch_rpc_of_the_api_is_found_with_its_payload(rpc: str, payload_field: str, payload_type: str) -> None:
    found = find_method(rpc)
    assert f"{found.service}/{found.method}" == rpc
    assert (found.payload_field, found.payload_type) == (payload_field, payload_type)


def test_the_classes_found_are_those_of_the_generated_modules() -> None:
    _, _, request, response, _ = find_method("qiki.sim.v1.SimService/WatchWorld")
    assert request is sim_service_pb2.WatchWorldRequest
    assert response is sim_service_pb2.WatchWorldResponse
    assert find_method(FRAMES["rpc"]).response is radar_service_pb2.WatchFramesResponse


@pytest.mark.parametrize(
    "rpc",
    [
        "",
        "/",
        "qiki.radar.v1.RadarService",
        "qiki.radar.v1.RadarService/",
        "qiki.radar.v1.RadarService/WatchFrame",
        "qiki.radar.v2.RadarService/WatchFrames",
        "/qiki.radar.v1.RadarService/WatchFrames",
        "RadarService/WatchFrames",
    ],
)
def test_an_unknown_rpc_is_refused(rpc: str) -> None:
    assert refusal(rpc=rpc) == (("rpc",), f"Value error, unknown rpc {rpc!r}")


@pytest.mark.parametrize("method", ["ConfirmFrames", "GetFrame", "GetRun"])
def test_an_rpc_other_than_a_watch_is_refused(method: str) -> None:
    loc, message = refusal(rpc=f"qiki.radar.v1.RadarService/{method}")
    assert loc == ("rpc",)
    assert "is not a Watch rpc" in message


@pytest.mark.parametrize(
    "name", ["", "RadarFrame", "qiki.radar.v1.Frame", "qiki.radar.v1", "qiki.radar.v1.RadarService"]
)
def test_an_unknown_protobuf_type_is_refused(name: str) -> None:
    assert refusal(type=name) == (("type",), f"Value error, unknown protobuf type {name!r}")


def test_an_rpc_with_another_payload_is_refused_at_the_type() -> None:
    loc, message = refusal(type="qiki.sim.v1.WorldSnapshot")
    assert loc == ("type",)
    assert "streams 'qiki.radar.v1.RadarFrame', not 'qiki.sim.v1.WorldSnapshot'" in message
    assert refusal(type="qiki.common.v1.Heartbeat")[0] == ("type",)


def test_a_stream_that_is_not_declared_leaves_the_channel_unbound() -> None:
    ((loc, message),) = problems(stream="QIKI_RADAR_V2")
    assert loc == (2, "stream")
    assert "unbound channel: no stream 'QIKI_RADAR_V2' is declared" in message


@pytest.mark.parametrize("subject", ["qiki.sim.v1.world", "qiki.radar.v1", "qiki.radar.v1.frames.more", "frames"])
def test_a_subject_that_the_stream_does_not_hold_is_refused(subject: str) -> None:
    loc, message = problems(subject=subject)[-1]
    assert loc == (2, "subject")
    assert "is not in stream 'QIKI_RADAR_V1'" in message


def problems(**changes: str) -> list[tuple[tuple[str | int, ...], str]]:
    """Return the problems of the example's channels with its channel of frames changed."""
    channels = [each if each.name != "frames" else each.model_copy(update=changes) for each in BUS.channels]
    return list(channel_problems(channels, BUS.streams))


@pytest.mark.parametrize(
    "subject",
    ["", ".", "a..b", ".a", "a.", "a b", "a.*", "a.>", "*", ">", "a\n", "a.\tb", "ä.b", "$SYS.a", "a" * 256, "a\x00b"],
)
def test_a_subject_that_cannot_be_published_on_is_refused(subject: str) -> None:
    loc, message = refusal(subject=subject)
    assert loc == ("subject",)
    assert "is no NATS subject" in message


def test_two_channels_on_one_subject_or_of_one_name_are_found() -> None:
    frames = Channel(**FRAMES)
    tracks = Channel(
        name="tracks",
        type="qiki.radar.v1.TrackSet",
        rpc="qiki.tracker.v1.TrackerService/WatchTracks",
        subject="qiki.radar.v1.tracks",
        stream="QIKI_RADAR_V1",
    )
    same_subject = tracks.model_copy(update={"name": "more", "subject": "qiki.radar.v1.frames"})
    same_name = tracks.model_copy(update={"name": "frames"})
    assert list(duplicates([frames, tracks])) == []
    assert list(duplicates([frames, same_subject])) == [
        ((1, "subject"), "subject 'qiki.radar.v1.frames' is already that of 'frames'")
    ]
    assert list(duplicates([frames, same_name])) == [((1, "name"), "channel 'frames' is given twice")]


@pytest.mark.parametrize(
    ("pattern", "subject", "matches"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.c", False),
        ("a.b", "a.b.c", False),
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", False),
        ("*.b", "a.b", True),
        ("a.>", "a.b", True),
        ("a.>", "a.b.c", True),
        ("a.>", "a", False),
        (">", "a", True),
        ("a.*.>", "a.b.c", True),
        ("a.*.>", "a.b", False),
    ],
)
def test_wildcards_match_as_in_nats(pattern: str, subject: str, matches: bool) -> None:
    assert subject_matches(pattern, subject) is matches


@pytest.mark.parametrize(
    ("outer", "inner", "answer"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.*", False),
        ("a.*", "a.b", True),
        ("a.*", "a.*", True),
        ("a.*", "a.>", False),
        ("a.>", "a.>", True),
        ("a.>", "a.*.>", True),
        ("a.*.>", "a.>", False),
        ("a.>", "a", False),
        (">", "a.>", True),
        ("a.*.c", "a.>", False),
    ],
)
def test_a_pattern_contains_another_where_it_matches_all_its_subjects(outer: str, inner: str, answer: bool) -> None:
    assert contains(outer, inner) is answer


def test_every_declared_subject_is_in_exactly_one_stream() -> None:
    declared = [(stream.name, subject) for stream in BUS.streams for subject in stream.subjects]
    for name, subject in declared:
        assert [other for other, pattern in declared if subjects_overlap(pattern, subject)] == [name]
    assert len({stream.name for stream in BUS.streams}) == len(BUS.streams) == 6
