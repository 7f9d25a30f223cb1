"""A fold over another service's feed: run after run, from where a restart must start, confirming what is safe."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

from mesh import failpoints
from mesh.feeds.feed import Feed
from mesh.feeds.token import decode
from mesh.folds import upstream
from mesh.folds.quarantine import Quarantine
from mesh.serving.health import Heartbeat
from mesh.tasks import raise_if_cancelled, task_group
from qiki.common.v1.stream_pb2 import Run
from qiki_sdk.audit import AuditReporter
from qiki_sdk.codes import FOLD_BEGUN, SOURCE_CONNECTED, SOURCE_LOST
from qiki_sdk.errors import (
    HistoryDivergedError,
    QikiError,
    ResumeTokenExpiredError,
    RetentionTooShortError,
    RunChangedError,
)
from qiki_sdk.stream import CONNECTED, TRANSIENT, Event, Idle, Stream

WAIT_S = 0.5
CONFIRM_PERIOD_S = 0.2
# After a run's end no event can arrive: the fold looks for another run this often.
NEXT_RUN_PERIOD_S = 2.0
# A source that refuses because of its settings is asked again this often: it may be restarted with others.
CONFIGURATION_PERIOD_S = 5.0
# The confirm interval of a fold that never confirms.
NEVER_S = 1e9
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FoldSource:
    """The feed that is folded: its service's name and methods, and the name of the reader.

    `get_run`, `watch` and `confirm` are a stub's methods, the requests their message types. `reader` is empty where the
    fold is not one of the required readers in the BotSpec; then nothing is confirmed. Two confirmations are at most
    `confirm_interval_s` of simulation time apart, if the output's readers confirm immediately.
    """

    service: str
    reader: str
    get_run: Callable[..., Any]
    run_request: Callable[..., Any]
    watch: Callable[..., Any]
    watch_request: Callable[..., Any]
    confirm: Callable[..., Any]
    confirm_request: Callable[..., Any]
    confirm_interval_s: float = 0.0


@dataclass(frozen=True, slots=True)
class FoldReports:
    """Reports of a fold: the audit trail, the quarantine of its input, and its heartbeat."""

    audit: AuditReporter
    quarantine: Quarantine
    heartbeat: Heartbeat


class Fold(Protocol):
    """The processing of one run."""

    start_token: str
    """The token to start after: that of the restored state; empty for the oldest event retained."""
    continues_after_gaps: bool
    """Whether the fold goes on with its state where events between are no longer retained, and reports them itself."""

    def begin(self) -> None:
        """Set the positions of the outputs, which have just started the run."""

    async def take(self, event: Event[Any]) -> None:
        """Fold one event; append the events derived from it to the output."""

    async def keep(self) -> None:
        """Make durable what a restart needs, concurrently with the folding; may end immediately, and is cancelled."""

    def safe_token(self) -> str:
        """Return the newest input position from which all output not yet safe can be replayed; empty for none.

        The state needed for that replay is durable: the source may drop the events before the position.
        """


class FoldRunner:
    """Folds every run that the source serves into one feed or several, without end."""

    def __init__(
        self,
        source: FoldSource,
        output: Feed,
        bot_spec_digest: str,
        open_fold: Callable[[Run, bool], Awaitable[Fold]],
        heartbeat: Heartbeat,
        *,
        beside: Sequence[Feed] = (),
        report: Callable[..., object],
    ) -> None:
        """Fold with the result of `open_fold(run, from_scratch)`; `from_scratch` ignores the kept state of the run.

        The feeds `beside` the output are made of the same input, and start and end with it. `report` is called as
        `AuditReporter.report`.
        """
        self._source = source
        self._output = output
        self._outputs = (output, *beside)
        self._bot_spec_digest = bot_spec_digest
        self._open_fold = open_fold
        self._heartbeat = heartbeat
        self._report = report
        self._connected = False
        self._connections = 0
        self._refused = False  # whether the source refuses this fold because of their settings

    async def run(self) -> None:
        """Follow the source, run after run.

        A fold can always start again from the events that the source retains. So after a diverged history, or an
        expired token that it cannot go on behind, it starts from scratch, and its readers learn from their tokens
        whether they are affected.
        """
        from_scratch = False
        while True:
            raise_if_cancelled()
            run = await self._learn_run()
            if run.bot_spec_digest != self._bot_spec_digest:
                self._heartbeat.beat(f"waiting: run {run.run_id} was made with another BotSpec than this service's")
                await asyncio.sleep(NEXT_RUN_PERIOD_S)
                continue
            _LOG.info("folding", extra={"run": run.run_id})
            try:
                await self._fold_run(run, from_scratch)
                from_scratch = False
            except RunChangedError:
                from_scratch = False
                _LOG.info("another run began", extra={"old_run": run.run_id})
            except (HistoryDivergedError, ResumeTokenExpiredError) as error:
                from_scratch = True
                _LOG.warning("the fold starts from scratch", extra={"why": str(error)})
            except RetentionTooShortError as error:
                self._refused = True
                self._heartbeat.fail(
                    f"configuration: {self._source.service} refuses {self._source.reader}: {error.message}"
                )
                _LOG.error("settings do not go together", extra={"why": self._heartbeat.detail})
                await asyncio.sleep(CONFIGURATION_PERIOD_S)

    async def _fold_run(self, run: Run, from_scratch: bool) -> None:
        """Fold one run to its end and wait for the next; concurrently keep what a restart needs and confirm it."""
        fold = await self._open_fold(run, from_scratch)
        for output in self._outputs:
            output.begin(run)
        fold.begin()
        after = decode(fold.start_token).sequence if fold.start_token else 0
        self._report(FOLD_BEGUN, run_id=run.run_id, source=self._source.service, after=after, from_scratch=from_scratch)
        async with task_group(QikiError) as group:
            beside = [group.create_task(fold.keep()), group.create_task(self._confirm(fold))]
            await self._follow(run, fold)
            for task in beside:
                task.cancel()

    async def _follow(self, run: Run, fold: Fold) -> None:
        """Take every event in order.

        Replay ends at the sequence the source had reached when its own replay ended.
        """
        replay_to, place = None, 0
        async with aclosing(self._items(fold)) as items:
            async for item in items:
                if self._refused:
                    self._refused = False
                    self._heartbeat.recover(f"following {self._source.service}")
                self._heartbeat.beat(f"following {self._source.service}")
                if not isinstance(item, Event):
                    place = decode(item.resume_token).sequence
                    if place >= item.heartbeat.last_sequence:  # else there are more events to fold before that time
                        self._advance(item.heartbeat.simulation_time.ToNanoseconds())
                    if replay_to is None and not item.heartbeat.replaying:
                        replay_to = item.heartbeat.last_sequence
                elif item.context.run_id != run.run_id:
                    return
                else:
                    await fold.take(item)
                    place = item.context.sequence
                    self._advance(item.context.time.ToNanoseconds())
                if replay_to is not None and place >= replay_to:
                    for output in self._outputs:
                        output.replayed()
        for output in self._outputs:
            output.end()
        await self._await_next_run(run)

    async def _items(self, fold: Fold) -> AsyncGenerator[Event[Any] | Idle, None]:
        """Yield the events and heartbeats of the source.

        The request declares the interval between confirmations to the source. When a reader of this fold's output
        lengthens it, the stream is opened again after the same position to declare the new one. A live source does not
        wait for a slow fold: one that can go on behind a gap does so from the oldest event retained.
        """
        resume_token = fold.start_token
        while True:
            raise_if_cancelled()
            declared_s = self._confirm_interval_s()
            request = self._source.watch_request(
                resume_token=resume_token,
                from_oldest=not resume_token,
                reader=self._source.reader,
                confirm_interval_s=declared_s,
            )
            stream = Stream[Any](self._source.watch, request, on_state=self._on_source)
            try:
                async with aclosing(stream.items()) as items:
                    async for item in items:
                        yield item
                        if self._source.reader and self._confirm_interval_s() > declared_s:
                            break
                    else:
                        return
                resume_token = stream.resume_token
            except ResumeTokenExpiredError as error:
                if not fold.continues_after_gaps:
                    raise
                _LOG.warning("the fold goes on behind events that are gone", extra={"why": str(error)})
                resume_token = ""

    def _confirm_interval_s(self) -> float:
        own = self._source.confirm_interval_s
        return own + max(output.readers.confirm_interval_s for output in self._outputs)

    def _advance(self, time_ns: int) -> None:
        for output in self._outputs:
            output.advance(time_ns)

    async def _confirm(self, fold: Fold) -> None:
        """Confirm to the source, at intervals, the position from which this fold would start again.

        A restarted source counts its readers as at the start until they confirm again.
        """
        confirmed = "", 0
        while self._source.reader:
            token = fold.safe_token()
            asked = token, self._connections
            if not token or asked == confirmed:
                await self._output.change.wait(WAIT_S)
                continue
            try:
                request = self._source.confirm_request(reader=self._source.reader, resume_token=token)
                failpoints.reach("confirmation.send")
                await upstream.call(self._source.confirm, request)
                failpoints.reach("confirmation.answered")
                confirmed = asked
            except QikiError as error:
                if error.code not in TRANSIENT:
                    raise
            await asyncio.sleep(CONFIRM_PERIOD_S)

    def _on_source(self, state: str) -> None:
        """Handle a report of the stream: every change of state is one of the connection."""
        self._connections += 1
        self._heartbeat.beat(state)
        connected = state == CONNECTED
        if connected != self._connected:
            self._connected = connected
            self._report(SOURCE_CONNECTED if connected else SOURCE_LOST, source=self._source.service, state=state)

    async def _await_next_run(self, run: Run) -> None:
        while (await self._learn_run()).run_id == run.run_id:
            self._heartbeat.beat("the run has ended")
            self._connections += 1  # no open stream would reveal a restarted source: confirm again
            await asyncio.sleep(NEXT_RUN_PERIOD_S)

    async def _learn_run(self) -> Run:
        return await upstream.learn_run(
            self._source.get_run, self._source.run_request(), self._heartbeat, self._source.service
        )


async def wait_for_readers(feed: Feed, time_ns: int, heartbeat: Heartbeat) -> None:
    """Wait while a required reader blocks a lossless feed before an event of this time; a live one is never blocked."""
    try:
        while reader := feed.blocking_reader(time_ns):
            heartbeat.beat(feed.blockage.wait_for(reader))
            await feed.change.wait(WAIT_S)
        feed.blockage.end()
    finally:
        feed.blockage.give_up()
