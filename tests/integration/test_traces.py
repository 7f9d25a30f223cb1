"""One trace shows the whole path of an event, from the simulator's tick to its message on JetStream."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from chain import Stored, run_to_the_end
from otlp_collector import collecting

DURATION_S = 3.0
SERVICES = ("sim", "radar", "tracker", "bridge")


@dataclass(frozen=True)
class Traced:
    """The messages in JetStream, and the spans of their path there."""

    stored: dict[str, list[Stored]]
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


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Traced:
    directory: Path = tmp_path_factory.mktemp("traces")
    with collecting() as (collector, endpoint):
        settings = tuple((service, "OTLP_ENDPOINT", endpoint) for service in SERVICES)
        stored = asyncio.run(run_to_the_end(directory, DURATION_S, settings=settings))
        return Traced(stored, collector.spans)


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


def test_the_payloads_are_the_same_whether_traced_or_not(traced: Traced, tmp_path: Path) -> None:
    untraced = asyncio.run(run_to_the_end(tmp_path, DURATION_S))
    for subject, messages in untraced.items():
        assert [message.data for message in messages] == [message.data for message in traced.stored[subject]]
