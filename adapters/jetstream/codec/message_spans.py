"""Message spans: sending and processing of messages, by OpenTelemetry's conventions for messaging."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from nats.aio.msg import Msg
from opentelemetry.context import Context
from opentelemetry.trace import NoOpTracer, Span, SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from adapters.jetstream.codec.cloudevents import TRACEPARENT
from qiki.common.v1.stream_pb2 import EventContext

DELIVERY_COUNT = "messaging.nats.message.delivery_count"
_PROPAGATOR = TraceContextTextMapPropagator()


def fail(span: Span, error: str, text: str) -> None:
    """Mark the work of a span as failed; `error` is its low-cardinality kind."""
    span.set_attribute("error.type", error)
    span.set_status(StatusCode.ERROR, text)


class MessageSpans:
    """Make the spans of one process's messages to and from one NATS server."""

    def __init__(self, tracer: Tracer, nats_url: str) -> None:
        self.traced = not isinstance(tracer, NoOpTracer)
        self._tracer = tracer
        self._server = _server_attributes(nats_url)

    def start_publish(self, subject: str, event: EventContext) -> Span:
        """Start the span of sending an event, below the span that produced it. It ends when the message is stored."""
        origin = {"traceparent": event.traceparent, "tracestate": event.tracestate}
        return self._tracer.start_span(
            f"publish {subject}",
            context=_PROPAGATOR.extract(origin, Context()),
            kind=SpanKind.PRODUCER,
            attributes=self._attributes("publish", "send", subject, event.id),
        )

    @contextmanager
    def process(self, message: Msg, consumer: str) -> Iterator[Span]:
        """Process a message within a span below its sender's: the current one, so that what it causes belongs to it.

        A redelivery is another span below the same sender, with its delivery count.
        """
        headers = message.headers or {}
        sender = headers.get(TRACEPARENT) or headers.get("ce-traceparent", "")
        attributes = self._attributes("process", "process", message.subject, headers.get("ce-id", ""))
        attributes |= {"messaging.consumer.group.name": consumer, DELIVERY_COUNT: message.metadata.num_delivered}
        with self._tracer.start_as_current_span(
            f"process {message.subject}",
            context=_PROPAGATOR.extract({"traceparent": sender}, Context()),
            kind=SpanKind.CONSUMER,
            attributes=attributes,
        ) as span:
            yield span

    def _attributes(self, operation: str, kind: str, subject: str, message_id: str) -> dict[str, str | int]:
        return {
            "messaging.system": "nats",
            "messaging.operation.name": operation,
            "messaging.operation.type": kind,
            "messaging.destination.name": subject,
            "messaging.message.id": message_id,
            **self._server,
        }


def _server_attributes(nats_url: str) -> Mapping[str, str | int]:
    """Return address and port of the first server of a list, which is what a span can name."""
    first = nats_url.split(",", maxsplit=1)[0].strip()
    found = urlsplit(first if "//" in first else f"nats://{first}")
    address: dict[str, str | int] = {"server.address": found.hostname or ""}
    return address | ({"server.port": found.port} if found.port else {})
