"""The headers of stored messages, read by nats-py alone and compared with the CloudEvents NATS binding."""

import asyncio
import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from chain import RUN_ID, Stored, run_to_the_end

VECTORS = json.loads((Path(__file__).parent.parent / "fixtures" / "cloudevents_vectors.json").read_text())
DURATION_S = 3.0
TYPES = {
    "qiki.sim.v1.world": "qiki.sim.v1.WorldSnapshot",
    "qiki.sim.v1.sensors": "qiki.sim.v1.SensorReading",
    "qiki.radar.v1.frames": "qiki.radar.v1.RadarFrame",
    "qiki.radar.v1.tracks": "qiki.radar.v1.TrackSet",
}
COUNTS = {"qiki.sim.v1.world": 30, "qiki.sim.v1.sensors": 33, "qiki.radar.v1.frames": 9, "qiki.radar.v1.tracks": 9}
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Stored]]:
    return asyncio.run(run_to_the_end(tmp_path_factory.mktemp("metadata"), DURATION_S))


@pytest.fixture(params=TYPES)
def subject(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_required_attributes_are_present(stored: dict[str, list[Stored]], subject: str) -> None:
    feed = subject.rpartition(".")[2]
    for message in stored[subject]:
        headers = message.headers
        assert headers["ce-specversion"] == "1.0"
        assert UUID.fullmatch(headers["ce-id"])
        assert headers["ce-source"] == f"/qiki/qiki-01/{RUN_ID}/{feed}"
        assert headers["ce-type"] == TYPES[subject]


def test_the_optional_attributes_describe_the_payload(stored: dict[str, list[Stored]], subject: str) -> None:
    for message in stored[subject]:
        headers = message.headers
        assert headers["ce-datacontenttype"] == "application/protobuf"
        assert headers["ce-dataschema"] == f"proto:{TYPES[subject]}"
        assert RFC3339.fullmatch(headers["ce-time"])
        assert RFC3339.fullmatch(headers["ce-recordedtime"])
        assert RFC3339.fullmatch(headers["ce-runcreated"])
        assert headers["ce-run"] == RUN_ID
        assert TRACEPARENT.fullmatch(headers["ce-traceparent"])
        assert TRACEPARENT.fullmatch(headers["traceparent"])
        assert headers["qiki-resume-token"]


def test_attribute_names_are_allowed_by_cloudevents(stored: dict[str, list[Stored]], subject: str) -> None:
    for message in stored[subject]:
        names = [name for name in message.headers if name.startswith("ce-")]
        assert all(re.fullmatch(r"ce-[a-z0-9]{1,20}", name) for name in names)
        assert "content-type" not in map(str.lower, message.headers), "that would choose the structured mode"


def test_the_aliases_of_the_older_contract_have_the_same_values(stored: dict[str, list[Stored]], subject: str) -> None:
    for message in stored[subject]:
        for name in ("id", "type", "source", "time"):
            assert message.headers[f"ce_{name}"] == message.headers[f"ce-{name}"]
        assert message.headers["Nats-Msg-Id"] == message.headers["ce-id"]


def test_sequences_are_contiguous_from_one_and_compare_as_text(stored: dict[str, list[Stored]], subject: str) -> None:
    texts = [message.headers["ce-sequence"] for message in stored[subject]]
    assert texts == [f"{number:020}" for number in range(1, COUNTS[subject] + 1)]
    assert texts == sorted(texts)


def test_simulation_time_does_not_go_back(stored: dict[str, list[Stored]], subject: str) -> None:
    times = [message.headers["ce-time"] for message in stored[subject]]
    assert times[0].startswith("2026-01-01T00:00:00")
    assert times[-1] == "2026-01-01T00:00:03Z"


def test_ids_are_unique_over_all_subjects(stored: dict[str, list[Stored]]) -> None:
    ids = [message.headers["ce-id"] for messages in stored.values() for message in messages]
    assert len(set(ids)) == len(ids)


def test_frames_name_their_sensor_as_the_subject(stored: dict[str, list[Stored]]) -> None:
    subjects = {message.headers["ce-subject"] for message in stored["qiki.radar.v1.frames"]}
    assert len(subjects) == 2
    assert all(UUID.fullmatch(subject) for subject in subjects)


def test_events_of_one_tick_share_one_trace(stored: dict[str, list[Stored]]) -> None:
    """The frame of a scan joins the trace of the tick with which the scan ends."""
    traces = {
        subject: {message.headers["ce-time"]: message.headers["ce-traceparent"].split("-")[1] for message in messages}
        for subject, messages in stored.items()
    }
    for instant, trace in traces["qiki.radar.v1.frames"].items():
        assert trace == traces["qiki.sim.v1.world"][instant] == traces["qiki.sim.v1.sensors"][instant]


def test_header_values_need_no_decoding(stored: dict[str, list[Stored]], subject: str) -> None:
    """The Go SDK neither encodes nor decodes: ours are plain ASCII, so that both read the same."""
    for message in stored[subject]:
        for name, value in message.headers.items():
            assert unquote(value) == value, name
            assert re.fullmatch(r"[!-~]*", value), name


@pytest.mark.parametrize("vector", VECTORS["encode"], ids=lambda vector: vector["why"])
def test_any_standard_decoder_reverses_the_bindings_encoding(vector: dict[str, str]) -> None:
    assert unquote(vector["header"]) == vector["text"]
    assert re.fullmatch(r"[!-~]*", vector["header"])
