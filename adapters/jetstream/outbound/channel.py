"""One channel of the bridge: a feed published to a subject, with the subject's tail as both cursor and lock."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace

from nats.aio.client import Client

from adapters.jetstream.client.errors import ConnectionGone, JetStreamError, MessageTooLarge
from adapters.jetstream.client.messages import StoredMessage
from adapters.jetstream.client.writer import SubjectWriter
from adapters.jetstream.codec.cloudevents import RESUME_TOKEN, HeaderError
from adapters.jetstream.codec.message_spans import MessageSpans
from adapters.jetstream.codec.outgoing import Outgoing
from adapters.jetstream.metrics import BridgeMetrics
from adapters.jetstream.outbound.backlog import Backlog
from adapters.jetstream.outbound.channel_status import CARRYING, ChannelStatus
from adapters.jetstream.outbound.confirming import Confirmations
from adapters.jetstream.outbound.lost_log import decide_recorded, is_of_simulation, shortened
from adapters.jetstream.outbound.own_tail import own_tail
from adapters.jetstream.outbound.queue import SendQueue
from adapters.jetstream.outbound.resumption import (
    ChannelStopped,
    Position,
    Start,
    check_first,
    check_next,
    count_stored,
    decide,
)
from adapters.jetstream.outbound.source import Source
from adapters.jetstream.topology.usage import is_used
from adapters.jetstream.verify.audit_log import AuditRecords
from botspec.channels import Channel
from mesh import failpoints
from mesh.serving.runtime import ServiceContext
from mesh.tasks import raise_if_cancelled, task_group
from qiki.common.v1.stream_pb2 import Run
from qiki_sdk.backoff import Backoff
from qiki_sdk.codes import AUDIT_LOG_LOST, CHANNEL_STOPPED, CURSOR_LOST, RUN_SUPERSEDED, Code
from qiki_sdk.errors import HistoryDivergedError, QikiError, ResumeTokenExpiredError, RunChangedError
from qiki_sdk.stream import Event, StreamSettings

# One message is in flight while few wait; from this many on, an atomic batch is faster than single messages where
# the broker syncs before it acknowledges, and hardly slower where it does not.
BATCH_FROM = 10
# Messages of a failed write whose spans note the retry: a batch fails as a whole, and may be large.
RETRIES_NOTED = 100
ACK_TIMEOUT_S = 5.0
NEXT_RUN_PERIOD_S = 2.0
STOP_CODES = {code.name: code for code in (AUDIT_LOG_LOST, CURSOR_LOST, RUN_SUPERSEDED)}


class ChannelPublisher:
    """Publish one channel until cancelled; `facts` shows its progress."""

    def __init__(
        self,
        channel: Channel,
        source: Source,
        metrics: BridgeMetrics,
        service: ServiceContext,
        *,
        spans: MessageSpans,
        accepted_log: str = "",
        records: AuditRecords | None = None,
    ) -> None:
        """Publish a channel.

        For a recorded channel, `accepted_log` is the id of a log that is accepted as lost, and `records` tell its
        messages on the bus from those of others, which it passes over.
        """
        self.channel = channel
        self._accepted_log = accepted_log
        self._run_id = ""
        self._of_simulation = False
        self.status = ChannelStatus(channel, metrics, service)
        self._source = source
        self._records = records
        self._outgoing = Outgoing(channel.subject, spans, recorded=channel.policy == "recorded")
        self._queue = SendQueue()
        self._backlog = Backlog(source)
        self.status.metrics.waiting.set_function(self._waiting)
        self._tail = Position(0, "")  # the subject's last known tail
        self._confirmations = Confirmations(source)
        self._oldest_token = ""  # where to resume from the source, once it no longer has the events after the tail
        self._refusal: Exception | None = None  # why nothing after the queue's last message may be stored
        self.sequence = 0
        self.ended = False

    def facts(self) -> Mapping[str, object]:
        """Return the fields of the status line."""
        return {"sequence": self.sequence, "waiting": self._waiting(), **self.status.facts(), "ended": self.ended}

    async def watch_backlog(self) -> None:
        """Keep the number of waiting events true until cancelled, also while none can be read."""
        await self._backlog.watch(lambda: self._queue.full or not self.status.progress.storing)

    def _waiting(self) -> int:
        return self._backlog.waiting(self.sequence, len(self._queue))

    async def publish(self, client: Client) -> None:
        """Publish over this connection until it is closed; after any error, restart from the subject's tail.

        Raises:
            ConnectionGone: the connection is closed for good.
        """
        delays = Backoff(cap_s=2.0).delays()
        while True:
            raise_if_cancelled()
            before = self.sequence
            try:
                await self._publish_run(client)
                delays = Backoff(cap_s=2.0).delays()
                continue
            except ConnectionGone:
                raise
            except ChannelStopped as error:
                await self._stop(STOP_CODES.get(error.reason, CHANNEL_STOPPED), str(error))
            except HistoryDivergedError as error:
                await self._stop_diverged(error)
            except (MessageTooLarge, HeaderError) as error:
                await self._stop(CHANNEL_STOPPED, str(error))
            except RunChangedError:
                continue
            except (JetStreamError, QikiError) as error:
                self.status.metrics.resumes.inc()
                self.status.say(str(error))
            if self.sequence != before:
                delays = Backoff(cap_s=2.0).delays()
            await asyncio.sleep(next(delays))

    async def _publish_run(self, client: Client) -> None:
        """Publish one run from the subject's tail to the run's end, and wait for the next run.

        1. Ask the sink for its tail, and the source which run it serves; decide where to resume.
        2. Read from there into the queue, write from the queue, confirm what is stored: each at its own speed.
        """
        run = await self._source.run()
        writer = SubjectWriter(client, self.channel.stream, self.channel.subject)
        tail, position = await self._read_tail(client, writer)
        used = position.stream_sequence > 0 or await is_used(client, self.channel.stream, ACK_TIMEOUT_S)
        start = self._decide(tail, used, run)
        self._run_id, self._of_simulation = run.run_id, is_of_simulation(run)
        self._backlog.begin(run)
        if start.resume_token and self._oldest_token:
            start = replace(start, resume_token=self._oldest_token, fresh=True)
        self._begin(start, position)
        async with task_group(JetStreamError, QikiError) as group:
            reading = group.create_task(self._read(start, run))
            confirming = group.create_task(self._confirmations.run())
            await self._write(client, writer)
            confirming.cancel()
            reading.cancel()
        if self._refusal is not None:
            raise self._refusal
        if self._oldest_token:
            return
        await self._confirmations.confirm()
        self.ended = True
        await self._await_next_run(run)

    def _begin(self, start: Start, tail: Position) -> None:
        if tail != self._tail:
            self.status.progress.stored(more_waits=False)
        self._tail = tail
        self._queue.abandon("the connection or the run changed")
        self._queue, self._confirmations.stored_token = SendQueue(), start.resume_token
        self._oldest_token, self._refusal = "", None
        self.sequence, self.ended = start.next_sequence - 1, False

    # -- reading ------------------------------------------------------------------------------------------------------

    async def _read(self, start: Start, run: Run) -> None:
        """Fill the queue until the run's end, or until the next event is no longer available or must not be stored."""
        try:
            await self._read_events(start, run)
        except ResumeTokenExpiredError as error:
            self.status.metrics.resumes.inc()
            self.status.say(str(error))
            self._oldest_token = error.metadata["oldest_resume_token"]
        except (ChannelStopped, HeaderError) as error:
            self._refusal = error
        self._queue.end()

    async def _read_events(self, start: Start, run: Run) -> None:
        stream = self._source.stream(start.resume_token, StreamSettings(), self._on_source)
        previous = 0
        async for item in stream.items():
            self.status.beat()
            if not isinstance(item, Event):
                continue
            if item.context.run_id != run.run_id:
                break  # the run changed between the query and the stream: ask again
            sequence = item.context.sequence
            self._backlog.seen(sequence)
            if previous:
                check_next(previous, sequence)
            else:
                self._note_missing(check_first(start, sequence), start, run.run_id)
            previous = sequence
            await self._queue.put(self._outgoing.message(item))
            self.status.progress.waiting()

    def _note_missing(self, missing: int, start: Start, run_id: str) -> None:
        if missing:
            self.sequence += missing
            self.status.missing(start.next_sequence, start.next_sequence + missing - 1, run_id)

    def _on_source(self, state: str) -> None:
        """Handle a state report of the stream: every change of state is one of the connection."""
        self._confirmations.on_connection()
        self.status.say(CARRYING if state == "connected" else f"waiting for {self._source.service}: {state}")

    # -- writing ------------------------------------------------------------------------------------------------------

    async def _write(self, client: Client, writer: SubjectWriter) -> None:
        """Write until the queue has ended; after every unknown outcome, continue after the subject's tail.

        Reading continues meanwhile. Where this publisher did not write the tail, the channel restarts from scratch.
        """
        delays, in_doubt = Backoff(cap_s=2.0).delays(), False
        while True:
            raise_if_cancelled()
            before = self.sequence
            try:
                if in_doubt:
                    self._go_on_behind((await self._read_tail(client, writer))[1])
                await self._write_on(writer)
            except (ConnectionGone, MessageTooLarge, _TailElsewhereError):
                raise
            except JetStreamError as error:
                in_doubt = True
                self.status.metrics.resumes.inc()
                self.status.not_stored(str(error))
                for item in self._queue.peek(RETRIES_NOTED):
                    item.retried(str(error))
            else:
                return
            if self.sequence != before:
                delays = Backoff(cap_s=2.0).delays()
            await asyncio.sleep(next(delays))

    def _go_on_behind(self, tail: Position) -> None:
        tokens = self._queue.tokens()
        stored = count_stored(tail, self._tail, tokens)
        if stored is None:
            raise _TailElsewhereError(f"{self.channel.subject} ends in a message of another: {tail}")
        if stored:
            self._take_as_stored(stored, tail)

    async def _write_on(self, writer: SubjectWriter) -> None:
        while not (self._queue.ended and len(self._queue) == 0):
            raise_if_cancelled()
            self.status.beat()
            if not await self._queue.wait():
                continue
            waiting = len(self._queue)
            taken = self._queue.peek(waiting if waiting >= BATCH_FROM else 1)
            messages = [item.message for item in taken]
            count = writer.leading(messages)
            began_s = time.perf_counter()
            last = await writer.append(messages[:count], self._tail.stream_sequence, ACK_TIMEOUT_S)
            self.status.metrics.publish_duration.observe(time.perf_counter() - began_s)
            if self._records is not None:
                self._records.written.add(last - count + 1, last)
            failpoints.reach("write.acknowledged")
            self._take_as_stored(count, Position(last, taken[count - 1].resume_token))
            failpoints.reach("token.advanced")
            self.status.metrics.batch_size.observe(count)

    def _take_as_stored(self, count: int, tail: Position) -> None:
        """Remove the oldest messages from the queue: the subject now ends with the last of them."""
        self._queue.drop(count)
        self.sequence += count
        self._tail, self._confirmations.stored_token = tail, tail.resume_token
        self.status.stored(count, more_waits=len(self._queue) > 0)

    async def _await_next_run(self, run: Run) -> None:
        self.status.say("the run has ended")
        while (await self._source.run()).run_id == run.run_id:
            raise_if_cancelled()
            self.status.beat()
            await self._confirmations.confirm()  # no stream is open now that would report a restarted source
            await asyncio.sleep(NEXT_RUN_PERIOD_S)

    async def _read_tail(self, client: Client, writer: SubjectWriter) -> tuple[StoredMessage | None, Position]:
        """Return the channel's last message, and its position behind the messages of others."""
        own = tail = await writer.tail(ACK_TIMEOUT_S)
        if tail is not None and self._records is not None:
            own = await own_tail(client, self.channel.stream, tail, self._records)
        return own, Position(tail.sequence if tail else 0, own.headers.get(RESUME_TOKEN, "") if own else "")

    def _decide(self, tail: StoredMessage | None, used: bool, run: Run) -> Start:
        headers, sequence = (tail.headers, tail.sequence) if tail else (None, 0)
        if self.channel.policy == "recorded":
            return decide_recorded(headers, sequence, used, run, self._accepted_log)
        return decide(headers, sequence, used, run)

    async def _stop_diverged(self, error: HistoryDivergedError) -> None:
        if self.channel.policy == "recorded" and not self._of_simulation:
            await self._stop(AUDIT_LOG_LOST, str(shortened(self._run_id, self.sequence, error.message)))
        await self._stop(CHANNEL_STOPPED, str(error))

    async def _stop(self, code: Code, why: str) -> None:
        """Stop this channel until an operator intervenes; the others continue."""
        self.status.stop(code, why)
        await asyncio.Event().wait()


class _TailElsewhereError(JetStreamError):
    """The subject's tail is neither the known one nor one of the waiting messages."""
