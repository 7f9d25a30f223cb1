"""Intake of foreign events from the bus: recorded by the registrar, or dead-lettered with the reason."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nats.aio.client import Client
from nats.aio.msg import Msg
from opentelemetry.trace import Span

from adapters.jetstream.client.messages import delivered
from adapters.jetstream.codec.foreign import UndecodableError
from adapters.jetstream.codec.foreign_events import to_audit_event
from adapters.jetstream.codec.message_spans import MessageSpans, fail
from adapters.jetstream.inbound.dead_letters import put_delivered
from adapters.jetstream.inbound.durable_reader import DurableReader
from adapters.jetstream.metrics import IntakeMetrics
from adapters.jetstream.verify.audit_log import AuditRecords, Finding, Standing
from botspec.bus.streams import Durable
from mesh.folds import upstream
from mesh.serving.health import Heartbeat
from qiki.registrar.v1.registrar_service_pb2 import AuditEvent, RecordEventsRequest
from qiki.registrar.v1.registrar_service_pb2_grpc import RegistrarServiceStub
from qiki_sdk.audit import AuditReporter
from qiki_sdk.channel import connect
from qiki_sdk.codes import DEAD_LETTERED, SECURITY_VIOLATION
from qiki_sdk.tracing import traceparent_of

if TYPE_CHECKING:  # the generated stub exists for the type checker alone
    from qiki.registrar.v1.registrar_service_pb2_grpc import RegistrarServiceAsyncStub

# The bridge itself publishes on it what is in the log, and nobody else may.
OWN_SUBJECT = "qiki.events.v1.audit"
FETCH = 100
# Well below the limit of a request to the registrar; a single event never comes near it.
MAX_REQUEST_BYTES = 2 * 1024 * 1024


class Intake:
    """Read the durable `registrar_intake` until cancelled.

    A message is acknowledged once the registrar's receipt has arrived or its dead letter is stored. An unacknowledged
    message is redelivered, and recognised: events by their id, dead letters by their stream sequence.
    """

    def __init__(
        self,
        durable: Durable,
        dead_letters: str,
        registrar_target: str,
        *,
        metrics: IntakeMetrics,
        audit: AuditReporter,
        heartbeat: Heartbeat,
        spans: MessageSpans,
        records: AuditRecords,
    ) -> None:
        self._durable = durable
        self._dead_letters = dead_letters
        self._spans = spans
        self._records = records
        self._registrar: RegistrarServiceAsyncStub = RegistrarServiceStub(connect(registrar_target))
        self._metrics = metrics
        self._audit = audit
        self._reader = DurableReader(durable, FETCH, self._process, heartbeat, "taking events in")
        self._recorded = self._dead_lettered = self._violations = 0

    def facts(self) -> Mapping[str, object]:
        """Return the fields of the status line."""
        return {"recorded": self._recorded, "dead_lettered": self._dead_lettered, "violations": self._violations}

    async def run(self, client: Client) -> None:
        """Process events over this connection until it is closed.

        Raises:
            ConnectionGone: the connection is closed for good.
        """
        await self._reader.run(client)

    async def _process(self, client: Client, messages: list[Msg]) -> None:
        with ExitStack() as spans:
            events: list[_Taken] = []
            for message in messages:
                if message.subject == OWN_SUBJECT:
                    await self._check_own(message)
                    continue
                span = spans.enter_context(self._spans.process(message, self._durable.name))
                try:
                    event = to_audit_event(message.subject, message.headers or {}, message.data)
                except UndecodableError as error:
                    await self._dead_letter(client, message, span, error.reason, str(error))
                else:
                    event.traceparent = traceparent_of(span) or event.traceparent
                    events.append(_Taken(message, event, span))
            for chunk in _chunks(events):
                await self._record(client, chunk)

    async def _check_own(self, message: Msg) -> None:
        """Acknowledge a message of the audit subject, and report one that is not in the log. Nothing is changed."""
        if message.metadata.sequence.stream not in self._records.written:
            finding = await self._records.look_up(delivered(message))
            if finding.standing is not Standing.RECORDED:
                self._report_violation(message, finding)
        await message.ack()

    def _report_violation(self, message: Msg, finding: Finding) -> None:
        metadata, headers = message.metadata, message.headers or {}
        self._violations += 1
        self._metrics.violations.inc()
        self._audit.report(
            SECURITY_VIOLATION,
            f"message {metadata.sequence.stream} of {metadata.stream} on {message.subject} {finding.standing.value}",
            key=f"{SECURITY_VIOLATION.name}/{metadata.stream}/{metadata.sequence.stream}/{metadata.timestamp}",
            subject=message.subject,
            stream=metadata.stream,
            sequence=metadata.sequence.stream,
            stored_time=metadata.timestamp.isoformat(),
            ce_id=headers.get("ce-id", ""),
            ce_source=headers.get("ce-source", ""),
            payload_bytes=len(message.data),
            why=finding.why,
        )

    async def _record(self, client: Client, taken: list["_Taken"]) -> None:
        response = await upstream.call(
            self._registrar.RecordEvents, RecordEventsRequest(events=[each.event for each in taken])
        )
        for index, (each, result) in enumerate(zip(taken, response.results, strict=True)):
            if result.WhichOneof("result") == "receipt":
                await each.message.ack()
                self._recorded += 1
                self._metrics.recorded.inc()
            else:
                detail = result.rejection.message.removeprefix(f"events[{index}].")
                await self._dead_letter(client, each.message, each.span, "REJECTED", detail)

    async def _dead_letter(self, client: Client, message: Msg, span: Span, reason: str, detail: str) -> None:
        fail(span, reason, detail)
        name = self._durable.name
        dead_letter = await put_delivered(client, self._dead_letters, name, message, reason=reason, detail=detail)
        self._dead_lettered += 1
        self._metrics.dead_lettered.inc(reason)
        self._audit.report(
            DEAD_LETTERED,
            f"a message on {message.subject} was dead-lettered: {reason}",
            traceparent=traceparent_of(span),
            key=f"{dead_letter.stream}/{dead_letter.sequence}",
            subject=message.subject,
            sequence=dead_letter.sequence,
            reason=reason,
            detail=detail,
        )


@dataclass(frozen=True, slots=True)
class _Taken:
    """A message, the event that it encodes, and the span of its processing."""

    message: Msg
    event: AuditEvent
    span: Span


def _chunks(taken: list[_Taken]) -> Iterator[list[_Taken]]:
    """Yield the events in order, in lists that fit into one request."""
    chunk: list[_Taken] = []
    size_bytes = 0
    for each in taken:
        if chunk and size_bytes + len(each.message.data) > MAX_REQUEST_BYTES:
            yield chunk
            chunk, size_bytes = [], 0
        chunk.append(each)
        size_bytes += len(each.message.data)
    if chunk:
        yield chunk
