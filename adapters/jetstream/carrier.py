"""One channel of the bridge: a feed is carried onto a subject whose tail is both the cursor and the lock."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nats.aio.client import Client
from opentelemetry import trace
from opentelemetry.trace import NoOpTracer, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from adapters.jetstream.bridge_metrics import BridgeMetrics
from adapters.jetstream.cloudevents import HeaderError, to_headers
from adapters.jetstream.inbox import Inbox
from adapters.jetstream.resumption import ChannelStopped, Start, check_first, decide
from adapters.jetstream.source import Source
from adapters.jetstream.streams import is_used
from adapters.jetstream.writer import (
    ConnectionGone,
    Message,
    MessageTooLarge,
    SubjectWriter,
    WriteError,
)
from botspec.channels import Channel
from mesh.runtime import Base
from mesh.tasks import task_group
from qiki.common.v1.stream_pb2 import EventContext, Run
from qiki_sdk.backoff import Backoff
from qiki_sdk.codes import CHANNEL_STOPPED, CURSOR_LOST, GAP, RUN_SUPERSEDED, Code
from qiki_sdk.errors import HistoryDivergedError, QikiError, ResumeTokenExpiredError, RunChangedError
from qiki_sdk.stream import TRANSIENT, Event, StreamSettings

# One message in flight while few wait; from this many on, an atomic batch is faster than one by one where the broker
# syncs before it acknowledges, and hardly slower where it does not.
BATCH_FROM = 10
ACK_TIMEOUT_S = 5.0
CONFIRM_PERIOD_S = 0.2
NEXT_RUN_PERIOD_S = 2.0
STOP_CODES = {"CURSOR_LOST": CURSOR_LOST, "RUN_SUPERSEDED": RUN_SUPERSEDED}
_LOG = logging.getLogger(__name__)
_PROPAGATOR = TraceContextTextMapPropagator()


class Carrier:
    """Carries one channel for ever; `state`, `sequence` and `waiting` say how it goes."""

    def __init__(self, channel: Channel, source: Source, metrics: BridgeMetrics, base: Base) -> None:
        self.channel = channel
        self._source = source
        self._metrics = metrics.channel(channel.name)
        self._tracer = base.telemetry.tracer
        self._traced = not isinstance(self._tracer, NoOpTracer)
        self._audit = base.audit
        self._pulse = base.health.loop(channel.name)
        self._inbox = Inbox()
        self._metrics.waiting.set_function(lambda: len(self._inbox))
        self._stored_token = ""
        self._oldest_token = ""  # where the source can go on, once it no longer has what follows the tail
        self._connections = 0
        self.state = "starting"
        self.sequence = 0
        self.ended = False

    def facts(self) -> Mapping[str, object]:
        """Return what a status line shows."""
        return {"sequence": self.sequence, "waiting": len(self._inbox), "state": self.state, "ended": self.ended}

    async def carry(self, client: Client) -> None:
        """Carry the channel over this connection until it is gone, beginning anew at the tail after any doubt.

        Raises:
            ConnectionGone: the connection is closed for good.
        """
        delays = Backoff(cap_s=2.0).delays()
        while True:
            before = self.sequence
            try:
                await self._carry_run(client)
                delays = Backoff(cap_s=2.0).delays()
                continue
            except ConnectionGone:
                raise
            except ChannelStopped as error:
                await self._stop(STOP_CODES.get(error.reason, CHANNEL_STOPPED), str(error))
            except (MessageTooLarge, HeaderError, HistoryDivergedError) as error:
                await self._stop(CHANNEL_STOPPED, str(error))
            except RunChangedError:
                continue
            except (WriteError, QikiError) as error:
                self._metrics.resumes.inc()
                self._say(str(error))
            if self.sequence != before:
                delays = Backoff(cap_s=2.0).delays()
            await asyncio.sleep(next(delays))

    async def _carry_run(self, client: Client) -> None:
        """Carry one run from where the subject stands to the run's end, and wait for the next run.

        1. Ask the sink how far it got, and the source which run it serves; decide where to go on.
        2. Read on after that place into the inbox, write from the inbox, confirm what is stored: each at its own pace.
        """
        run = await self._source.run()
        writer = SubjectWriter(client, self.channel.stream, self.channel.subject)
        tail = await writer.tail(ACK_TIMEOUT_S)
        used = tail is not None or await is_used(client, self.channel.stream, ACK_TIMEOUT_S)
        start = decide(tail.headers if tail else None, tail.sequence if tail else 0, used, run)
        if start.resume_token and self._oldest_token:
            start = replace(start, resume_token=self._oldest_token, fresh=True)
        self._oldest_token = ""
        self._inbox, self._stored_token = Inbox(), start.resume_token
        self.sequence, self.ended = start.next_sequence - 1, False
        async with task_group(WriteError, HeaderError, QikiError, ChannelStopped) as group:
            reading = group.create_task(self._read(start, run))
            confirming = group.create_task(self._confirm())
            await self._write(writer, start.expected_last)
            confirming.cancel()
            reading.cancel()
        if self._oldest_token:
            return
        await self._confirm_once(("", 0))
        self.ended = True
        await self._await_next_run(run)

    # -- the three that work side by side -----------------------------------------------------------------------------

    async def _read(self, start: Start, run: Run) -> None:
        """Fill the inbox until the run's end, or until the source has dropped what would come next."""
        try:
            await self._read_events(start, run)
        except ResumeTokenExpiredError as error:
            self._metrics.resumes.inc()
            self._say(str(error))
            self._oldest_token = error.metadata["oldest_resume_token"]
        self._inbox.end()

    async def _read_events(self, start: Start, run: Run) -> None:
        stream = self._source.stream(start.resume_token, StreamSettings(), self._on_source)
        first = True
        async for item in stream.items():
            self._pulse.beat()
            if not isinstance(item, Event):
                continue
            if item.context.run_id != run.run_id:
                break  # the run changed between the question and the stream: ask again
            if first:
                self._tell_gap(check_first(start, item.context.sequence), start, run.run_id)
                first = False
            await self._inbox.put(self._to_message(item), item.resume_token)

    async def _write(self, writer: SubjectWriter, expected_last: int) -> None:
        while not (self._inbox.ended and len(self._inbox) == 0):
            self._pulse.beat()
            if not await self._inbox.wait():
                continue
            waiting = len(self._inbox)
            taken = self._inbox.peek(waiting if waiting >= BATCH_FROM else 1)
            messages = [message for message, _token in taken]
            count = writer.leading(messages)
            with self._metrics.write_seconds.time():
                expected_last = await writer.append(messages[:count], expected_last, ACK_TIMEOUT_S)
            self._inbox.drop(count)
            self.sequence += count
            self._stored_token = taken[count - 1][1]
            self._metrics.published.inc(count)
            self._metrics.batch_size.observe(count)

    async def _confirm(self) -> None:
        """Tell the source, now and then, what is stored.

        A source that was restarted counts its readers as at the beginning until it is told again.
        """
        confirmed = "", 0
        while True:
            confirmed = await self._confirm_once(confirmed)
            await asyncio.sleep(CONFIRM_PERIOD_S)

    async def _confirm_once(self, confirmed: tuple[str, int]) -> tuple[str, int]:
        asked = self._stored_token, self._connections
        if not self._stored_token or asked == confirmed:
            return confirmed
        try:
            await self._source.confirm(self._stored_token)
        except QikiError as error:
            if error.code not in TRANSIENT:
                raise
            return confirmed  # said again in a moment
        return asked

    async def _await_next_run(self, run: Run) -> None:
        self._say("the run has ended")
        while (await self._source.run()).run_id == run.run_id:
            self._pulse.beat()
            await self._confirm_once(("", 0))  # no stream is open now that would tell of a restarted source
            await asyncio.sleep(NEXT_RUN_PERIOD_S)

    # -- what is told and made ----------------------------------------------------------------------------------------

    def _to_message(self, event: Event[Any]) -> Message:
        hop = self._hop(event.context) if self._traced else event.context.traceparent
        return Message(to_headers(event.context, event.resume_token, hop), event.payload)

    def _hop(self, context: EventContext) -> str:
        """Return the trace context of the message's hop: a span of its own under the event's origin."""
        origin = _PROPAGATOR.extract({"traceparent": context.traceparent, "tracestate": context.tracestate})
        attributes = {
            "messaging.system": "nats",
            "messaging.operation.name": "publish",
            "messaging.operation.type": "send",
            "messaging.destination.name": self.channel.subject,
            "messaging.message.id": context.id,
        }
        name = f"publish {self.channel.subject}"
        span = self._tracer.start_span(name, context=origin, kind=SpanKind.PRODUCER, attributes=attributes)
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier, trace.set_span_in_context(span))
        span.end()
        return carrier.get("traceparent", context.traceparent)

    def _tell_gap(self, missing: int, start: Start, run_id: str) -> None:
        if missing:
            self._metrics.gaps.inc(missing)
            self.sequence += missing
            place: dict[str, Any] = {
                "channel": self.channel.name,
                "first": start.next_sequence,
                "last": start.next_sequence + missing - 1,
            }
            _LOG.error("events are missing: the source no longer had them", extra=place)
            self._audit.report(GAP, run_id=run_id, key="{channel}/{first}-{last}".format(**place), **place)

    def _on_source(self, state: str) -> None:
        """Take what the stream says of itself: every change of state is one of the connection."""
        self._connections += 1
        self._say("carrying" if state == "connected" else f"waiting for {self._source.service}: {state}")

    def _say(self, state: str) -> None:
        if state != self.state:
            _LOG.info("channel", extra={"channel": self.channel.name, "state": state})
        self.state = state
        self._pulse.beat(state)

    async def _stop(self, code: Code, why: str) -> None:
        """Stop this channel until an operator has looked; the others go on."""
        self.state = f"stopped: {why}"
        self._pulse.fail(self.state)
        _LOG.error("channel stopped", extra={"channel": self.channel.name, "why": why})
        self._audit.report(code, why, channel=self.channel.name)
        await asyncio.Event().wait()
