"""The intake: events of others on the bus are put on record, what cannot be is put aside with the reason."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from adapters.jetstream import consumers
from adapters.jetstream.answers import ConnectionGone, WriteError
from adapters.jetstream.api import TopologyError
from adapters.jetstream.bridge_metrics import IntakeMetrics
from adapters.jetstream.consumers import REGISTRAR_INTAKE
from adapters.jetstream.dead_letters import DeadLetter, put
from adapters.jetstream.foreign_events import UndecodableError, to_audit_event
from mesh import upstream
from mesh.health import Loop
from qiki.registrar.v1.registrar_service_pb2 import AuditEvent, RecordEventsRequest
from qiki.registrar.v1.registrar_service_pb2_grpc import RegistrarServiceStub
from qiki_sdk.audit import AuditReporter
from qiki_sdk.backoff import Backoff
from qiki_sdk.channel import connect
from qiki_sdk.codes import DEAD_LETTERED
from qiki_sdk.errors import QikiError

if TYPE_CHECKING:  # the generated stub exists for the type checker alone
    from qiki.registrar.v1.registrar_service_pb2_grpc import RegistrarServiceAsyncStub

# The bridge itself writes these: they come out of the registrar.
OWN_SUBJECT = "qiki.events.v1.audit"
FETCH = 100
FETCH_TIMEOUT_S = 1.0
# Well below what a request to the registrar may hold; a single event never comes near it.
MAX_REQUEST_BYTES = 2 * 1024 * 1024
_LOG = logging.getLogger(__name__)


class Intake:
    """Reads the durable `registrar_intake` for ever.

    A message is acknowledged once the registrar's receipt or the dead letter's acknowledgement is there. What is not
    acknowledged comes again, and is recognised: events by their id, letters by their place in the stream.
    """

    def __init__(self, registrar_target: str, metrics: IntakeMetrics, audit: AuditReporter, pulse: Loop) -> None:
        self._registrar: RegistrarServiceAsyncStub = RegistrarServiceStub(connect(registrar_target))
        self._metrics = metrics
        self._audit = audit
        self._pulse = pulse
        self._recorded = self._put_aside = 0

    def facts(self) -> Mapping[str, object]:
        """Return what a status line shows."""
        return {"recorded": self._recorded, "put_aside": self._put_aside}

    async def run(self, client: Client) -> None:
        """Take events over this connection until it is gone.

        Raises:
            ConnectionGone: the connection is closed for good.
        """
        delays = Backoff(cap_s=2.0).delays()
        while not client.is_closed:
            try:
                await self._take(client)
                delays = Backoff(cap_s=2.0).delays()
                continue
            except (TopologyError, WriteError, QikiError, nats.errors.Error) as error:
                self._pulse.beat(f"waiting: {error}")
            await asyncio.sleep(next(delays))
        raise ConnectionGone("the NATS connection is closed")

    async def _take(self, client: Client) -> None:
        """Take batches until one fails; a short fetch that finds nothing looks after the consumer again."""
        if await consumers.lag(client, REGISTRAR_INTAKE) is None:
            raise TopologyError(f"durable {REGISTRAR_INTAKE.name} is missing; run `qiki nats init`")
        subscription = await client.jetstream().pull_subscribe_bind(
            consumer=REGISTRAR_INTAKE.name, stream=REGISTRAR_INTAKE.stream
        )
        try:
            while True:
                self._pulse.beat("taking events in")
                try:
                    messages = await subscription.fetch(FETCH, timeout=FETCH_TIMEOUT_S)
                except (nats.errors.TimeoutError, TimeoutError):
                    return
                await self._process(client, messages)
        finally:
            await subscription.unsubscribe()

    async def _process(self, client: Client, messages: list[Msg]) -> None:
        events: list[tuple[Msg, AuditEvent]] = []
        for message in messages:
            if message.subject == OWN_SUBJECT:
                await message.ack()
                continue
            try:
                events.append((message, to_audit_event(message.headers or {}, message.data)))
            except UndecodableError as error:
                await self._put_aside_message(client, message, error.reason, str(error))
        for chunk in _chunks(events):
            await self._record(client, chunk)

    async def _record(self, client: Client, events: list[tuple[Msg, AuditEvent]]) -> None:
        response = await upstream.call(
            self._registrar.RecordEvents, RecordEventsRequest(events=[event for _message, event in events])
        )
        for (message, _event), result in zip(events, response.results, strict=True):
            if result.WhichOneof("result") == "receipt":
                await message.ack()
                self._recorded += 1
                self._metrics.recorded.inc()
            else:
                rejection = result.rejection
                await self._put_aside_message(client, message, "REJECTED", f"{rejection.field}: {rejection.message}")

    async def _put_aside_message(self, client: Client, message: Msg, reason: str, detail: str) -> None:
        """Store the dead letter first; only then is the message done with."""
        place = message.metadata
        letter = DeadLetter(
            consumer=REGISTRAR_INTAKE.name,
            stream=place.stream,
            sequence=place.sequence.stream,
            subject=message.subject,
            headers=message.headers or {},
            payload=message.data,
            reason=reason,
            detail=detail,
        )
        await put(client, letter)
        await message.term()
        self._put_aside += 1
        self._metrics.put_aside.labels(reason).inc()
        _LOG.warning("put aside", extra={"subject": message.subject, "reason": reason, "detail": detail})
        self._audit.report(
            DEAD_LETTERED,
            f"a message on {message.subject} was put aside: {reason}",
            key=f"{letter.stream}/{letter.sequence}",
            subject=message.subject,
            sequence=letter.sequence,
            reason=reason,
            detail=detail,
        )


def _chunks(events: list[tuple[Msg, AuditEvent]]) -> Iterator[list[tuple[Msg, AuditEvent]]]:
    """Yield the events in order, in lists that fit a request."""
    chunk: list[tuple[Msg, AuditEvent]] = []
    size_bytes = 0
    for message, event in events:
        if chunk and size_bytes + len(message.data) > MAX_REQUEST_BYTES:
            yield chunk
            chunk, size_bytes = [], 0
        chunk.append((message, event))
        size_bytes += len(message.data)
    if chunk:
        yield chunk
