"""One trace shows the whole path of an event, from the simulator's tick to its message on JetStream."""

import asyncio
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from chain import Stored, chain, facts, published_all, read_all, read_audit, run_to_the_end, until
from otlp_collector import attributes_of, collecting
from qiki.radar.v1.track_pb2 import TrackSet
from qiki.registrar.v1.registrar_service_pb2 import AuditEvent
from qiki.tracker.v1.guard_pb2 import GuardEvent

DURATION_S = 3.0
SERVICES = ("sim", "radar", "tracker", "registrar", "bridge")
Settings: TypeAlias = tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Traced:
    """The messages in JetStream, and the spans of their path there."""

    stored: dict[str, list[Stored]]
    audit: list[Stored]
    spans: dict[bytes, tuple[str, Span]]

    def way(self, traceparent: str) -> list[tuple[str, str]]:
        """Return service and name of the span with this context, its parent, and so on to the root."""
        found = []
        span_id = bytes.fromhex(traceparent.split("-")[2])
        while span_id:
            service, span = self.spans[span_id]
            assert span.trace_id.hex() == traceparent.split("-")[1]
            found.append((service, span.name))
            span_id = span.parent_span_id
        return found

    def stored_cause(self, frame: Stored) -> str:
        """Return the trace context of the world event of which a frame was made."""
        _service, span = self.spans[bytes.fromhex(frame.headers["ce-traceparent"].split("-")[2])]
        return f"00-{span.trace_id.hex()}-{span.parent_span_id.hex()}-01"


async def run_and_read(directory: Path, settings: Settings) -> tuple[dict[str, list[Stored]], list[Stored]]:
    async with chain(directory, DURATION_S, settings=settings) as mesh:
        await until(lambda: published_all(mesh), "everything published")
        return await read_all(mesh), await read_audit(mesh)


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Traced:
    directory: Path = tmp_path_factory.mktemp("traces")
    with collecting() as (collector, endpoint):
        settings = tuple((service, "OTLP_ENDPOINT", endpoint) for service in SERVICES)
        stored, audit = asyncio.run(run_and_read(directory, settings))
        return Traced(stored, audit, collector.spans)


def test_the_hop_of_a_message_leads_back_through_every_service_to_the_tick(traced: Traced) -> None:
    for message in traced.stored["qiki.radar.v1.tracks"]:
        assert traced.way(message.headers["traceparent"]) == [
            ("bridge", "publish qiki.radar.v1.tracks"),
            ("svc_tracker", "produce tracks"),
            ("svc_radar", "produce frames"),
            ("svc_sim", "produce world"),
            ("svc_sim", "tick"),
        ]


def test_the_origin_of_an_event_is_the_span_that_produced_it(traced: Traced) -> None:
    ways = {
        "qiki.sim.v1.world": [("svc_sim", "produce world"), ("svc_sim", "tick")],
        "qiki.sim.v1.sensors": [("svc_sim", "produce sensors"), ("svc_sim", "tick")],
        "qiki.radar.v1.frames": [("svc_radar", "produce frames"), ("svc_sim", "produce world"), ("svc_sim", "tick")],
    }
    for subject, way in ways.items():
        for message in traced.stored[subject]:
            assert traced.way(message.headers["ce-traceparent"]) == way


def test_a_span_has_the_attributes_of_its_unit_of_work(traced: Traced) -> None:
    message = traced.stored["qiki.radar.v1.frames"][0]
    _service, span = traced.spans[bytes.fromhex(message.headers["ce-traceparent"].split("-")[2])]
    attributes = {each.key: each.value for each in span.attributes}
    assert attributes["qiki.sequence"].int_value == 1
    assert attributes["qiki.subject"].string_value == message.headers["ce-subject"]
    assert attributes["qiki.run_id"].string_value == message.headers["ce-run"]
    assert span.end_time_unix_nano >= span.start_time_unix_nano


def test_the_bridge_names_its_span_and_destination_as_the_conventions_say(traced: Traced) -> None:
    message = traced.stored["qiki.sim.v1.world"][0]
    _service, span = traced.spans[bytes.fromhex(message.headers["traceparent"].split("-")[2])]
    attributes = {each.key: each.value.string_value for each in span.attributes}
    assert span.kind == Span.SpanKind.SPAN_KIND_PRODUCER
    assert attributes["messaging.system"] == "nats"
    assert attributes["messaging.destination.name"] == "qiki.sim.v1.world"
    assert attributes["messaging.operation.type"] == "send"


def test_a_message_is_published_until_it_is_acknowledged(traced: Traced) -> None:
    for message in traced.stored["qiki.radar.v1.frames"]:
        _service, span = traced.spans[bytes.fromhex(message.headers["traceparent"].split("-")[2])]
        found = attributes_of(span)
        assert (found["server.address"], found["messaging.message.id"]) == ("127.0.0.1", message.headers["ce-id"])
        assert span.end_time_unix_nano > span.start_time_unix_nano
        assert span.status.code == Status.STATUS_CODE_UNSET


def test_an_audit_event_belongs_to_the_trace_of_its_cause(traced: Traced) -> None:
    (flowing,) = [event for event in traced.audit if AuditEvent.FromString(event.data).name == "FRAMES_FLOWING"]
    first = next(m for m in traced.stored["qiki.radar.v1.frames"] if int(m.headers["ce-sequence"]) == 1)
    cause = traced.stored_cause(first)
    assert flowing.headers["ce-traceparent"].split("-")[1] == cause.split("-")[1]
    assert traced.way(flowing.headers["traceparent"])[:3] == [
        ("bridge", "publish qiki.events.v1.audit"),
        ("svc_registrar", "record audit event"),
        ("svc_sim", "produce world"),
    ]


def test_a_track_is_found_where_it_begins_and_an_alarm_by_its_track(traced: Traced) -> None:
    noted: dict[str, set[str]] = {"track new": set(), "alarm": set()}
    for _service, span in traced.spans.values():
        for event in span.events:
            ids = {each.value.string_value for each in event.attributes if each.key == "qiki.track_id"}
            noted.setdefault(event.name, set()).update(ids)
    first = TrackSet.FromString(traced.stored["qiki.radar.v1.tracks"][0].data)
    assert {track.track_id.value for track in first.tracks} <= noted["track new"]
    alarms = {GuardEvent.FromString(m.data).track_id.value for m in traced.stored["qiki.events.v1.guard"]}
    assert noted["alarm"] == alarms


def test_no_span_is_an_orphan(traced: Traced) -> None:
    known = set(traced.spans)
    orphans = [
        (service, span.name) for service, span in traced.spans.values() if span.parent_span_id not in known | {b""}
    ]
    assert orphans == []


def test_the_payloads_are_the_same_whether_traced_or_not(traced: Traced, tmp_path: Path) -> None:
    untraced = asyncio.run(run_to_the_end(tmp_path, DURATION_S))
    for subject, messages in untraced.items():
        assert [message.data for message in messages] == [message.data for message in traced.stored[subject]]


async def run_with_a_kill(directory: Path, settings: Settings) -> dict[str, list[Stored]]:
    """Run at three times real time, and kill the radar once it has produced frames for some seconds."""
    async with chain(directory, 20.0, speed="3", settings=settings) as mesh:
        await until(lambda: facts(mesh, "sim").get("tick", 0) >= 160, "tick 160")
        os.kill(int(mesh.endpoints()["radar"]["pid"]), signal.SIGKILL)
        await until(lambda: published_all(mesh), "everything published")
        return await read_all(mesh)


def test_after_a_kill_recomputed_events_are_new_spans_linked_to_the_first_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
    with collecting() as (collector, endpoint):
        settings = tuple((service, "OTLP_ENDPOINT", endpoint) for service in SERVICES)
        stored = asyncio.run(run_with_a_kill(tmp_path, settings))
    assert collector.repeated == [], "a span id was exported twice"
    recomputed = [span for _service, span in collector.spans.values() if attributes_of(span).get("qiki.recomputed")]
    assert {span.name for span in recomputed} == {"produce frames"}
    origins = {bytes.fromhex(m.headers["ce-traceparent"].split("-")[2]) for m in stored["qiki.radar.v1.frames"]}
    assert all(link.span_id in origins for span in recomputed for link in span.links)
    # What the killed process had not exported yet is lost: the spans of the exporter's delay.
    lost = [origin for origin in origins if origin not in collector.spans]
    orphans = [
        span for _service, span in collector.spans.values() if span.parent_span_id not in {b"", *collector.spans}
    ]
    assert {span.parent_span_id for span in orphans} <= set(lost)
    assert len(lost) < len(recomputed), lost
