"""Outgoing messages: an event of a feed as the message to store, with its headers and its hop's trace context."""

from typing import Any

from opentelemetry import trace
from opentelemetry.trace import NoOpTracer, SpanKind, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from adapters.jetstream.client.writer import Message
from adapters.jetstream.codec.cloudevents import to_headers
from qiki.common.v1.stream_pb2 import EventContext
from qiki_sdk.stream import Event

_PROPAGATOR = TraceContextTextMapPropagator()


class Outgoing:
    """Build the messages of one subject."""

    def __init__(self, subject: str, tracer: Tracer) -> None:
        self._subject = subject
        self._tracer = tracer
        self._traced = not isinstance(tracer, NoOpTracer)

    def message(self, event: Event[Any]) -> Message:
        """Return the event's message. Raises `HeaderError`."""
        hop = self._hop(event.context) if self._traced else event.context.traceparent
        return Message(to_headers(event.context, event.resume_token, hop), event.payload)

    def _hop(self, context: EventContext) -> str:
        """Return the trace context of the message's hop: its own span under the event's origin."""
        origin = _PROPAGATOR.extract({"traceparent": context.traceparent, "tracestate": context.tracestate})
        attributes = {
            "messaging.system": "nats",
            "messaging.operation.name": "publish",
            "messaging.operation.type": "send",
            "messaging.destination.name": self._subject,
            "messaging.message.id": context.id,
        }
        name = f"publish {self._subject}"
        span = self._tracer.start_span(name, context=origin, kind=SpanKind.PRODUCER, attributes=attributes)
        trace_headers: dict[str, str] = {}
        _PROPAGATOR.inject(trace_headers, trace.set_span_in_context(span))
        span.end()
        return trace_headers.get("traceparent", context.traceparent)
