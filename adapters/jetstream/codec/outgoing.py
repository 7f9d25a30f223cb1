"""Outgoing messages: an event of a feed as the message to store, with its headers and its hop's trace context."""

from dataclasses import dataclass
from typing import Any

from opentelemetry.trace import INVALID_SPAN, Span

from adapters.jetstream.client.writer import Message
from adapters.jetstream.codec.cloudevents import MESSAGE_ID, to_headers
from adapters.jetstream.codec.message_spans import MessageSpans, fail
from mesh.telemetry.spans import sampled
from qiki_sdk.stream import Event
from qiki_sdk.tracing import traceparent_of


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message on its way to the stream, and the span of its sending."""

    message: Message
    resume_token: str
    span: Span = INVALID_SPAN

    def stored(self) -> None:
        """End the span: the message is stored."""
        self.span.end()

    def retried(self, error: str) -> None:
        """Note on the span that a try had no clear outcome."""
        self.span.add_event("retry", {"error.message": error})

    def abandoned(self, why: str) -> None:
        """End the span: this process gave the message up, to read it again from its source."""
        fail(self.span, "abandoned", why)
        self.span.end()


class Outgoing:
    """Build the messages of one subject."""

    def __init__(self, subject: str, spans: MessageSpans, *, recorded: bool = False) -> None:
        """Build them; those of a recorded feed get message ids of their own.

        A recorded event may have come over the same stream, with its id as message id: the record would count as its
        duplicate, and be left out.
        """
        self._recorded = recorded
        self._subject = subject
        self._spans = spans

    def message(self, event: Event[Any]) -> OutgoingMessage:
        """Return the event's message. Raises `HeaderError`."""
        span: Span = INVALID_SPAN
        origin = event.context.traceparent
        if self._spans.traced and (not origin or sampled(origin)):
            span = self._spans.start_publish(self._subject, event.context)
        hop = traceparent_of(span) or origin
        headers = to_headers(event.context, event.resume_token, hop)
        if self._recorded:
            headers[MESSAGE_ID] = f"{event.context.run_id}/{event.resume_token}"
        return OutgoingMessage(Message(headers, event.payload), event.resume_token, span)
