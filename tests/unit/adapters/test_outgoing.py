"""Messages on their way to the stream: the hop's trace context, and a publish span for sampled events alone."""

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import INVALID_SPAN, NoOpTracerProvider

from adapters.jetstream.codec.message_spans import MessageSpans
from adapters.jetstream.codec.outgoing import Outgoing, OutgoingMessage
from qiki.common.v1.stream_pb2 import EventContext
from qiki_sdk.stream import Event

TRACE, SPAN = f"{7:032x}", f"{9:016x}"
SUBJECT = "qiki.sim.v1.world"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


def message(exporter: InMemorySpanExporter | None, traceparent: str) -> OutgoingMessage:
    """Return the message of an event, made by a traced process, or by one that traces nothing."""
    tracer = NoOpTracerProvider().get_tracer("test")
    if exporter is not None:
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        tracer = provider.get_tracer("test")
    context = EventContext(id="1", source="/qiki/a", type="t", sequence=1, run_id="7d0a", traceparent=traceparent)
    for instant in (context.time, context.recorded_time, context.run_created):
        instant.FromSeconds(1772366400)
    return Outgoing(SUBJECT, MessageSpans(tracer, "nats://127.0.0.1:4222")).message(Event(b"", context, "token"))


def test_a_sampled_event_has_a_publish_span_and_its_hop_is_that_span(exporter: InMemorySpanExporter) -> None:
    sent = message(exporter, f"00-{TRACE}-{SPAN}-01")
    sent.stored()
    (span,) = exporter.get_finished_spans()
    assert span.parent is not None
    assert span.parent.span_id == 9
    assert sent.message.headers["traceparent"] == f"00-{TRACE}-{span.context.span_id:016x}-01"


@pytest.mark.parametrize("traced", [True, False])
def test_an_unsampled_event_keeps_its_own_trace_context_and_has_no_span(
    exporter: InMemorySpanExporter, traced: bool
) -> None:
    sent = message(exporter if traced else None, f"00-{TRACE}-{SPAN}-00")
    sent.stored()
    assert sent.span is INVALID_SPAN
    assert exporter.get_finished_spans() == ()
    assert sent.message.headers["traceparent"] == f"00-{TRACE}-{SPAN}-00"
