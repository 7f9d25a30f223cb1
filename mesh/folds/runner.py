"""A fold over another service's feed: run after run, from where a restart must begin, confirming what is safe."""

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
from mesh.serving.health import Loop
from mesh.tasks import raise_if_cancelled, task_group
from qiki.common.v1.stream_pb2 import Run
from qiki_sdk.audit import AuditReporter
from qiki_sdk.errors import (
    HistoryDivergedError,
    QikiError,
    ResumeTokenExpiredError,
    RetentionTooShortError,
    RunChangedError,
)
from qiki_sdk.stream import TRANSIENT, Event, Idle, Stream

WAIT_S = 0.5
CONFIRM_PERIOD_S = 0.2
# After a run's end there is no event to wait for: another run is looked for this often.
NEXT_RUN_PERIOD_S = 2.0
# A source that refuses for its settings is asked again this often: it may be restarted with others.
CONFIGURATION_PERIOD_S = 5.0
# The confirm interval of a fold that never confirms.
NEVER_S = 1e9
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Input:
    """The feed that is folded: its service's name and methods, and under which name it is read.

    `get_run`, `watch` and `confirm` are a stub's methods, the requests their message types. `reader` is empty where the
    BotSpec does not name the fold among those whom the source waits for; then nothing is confirmed. Of simulation time
    at most `confirm_interval_s` lies between two confirmations, where the output is safe with its readers at once.
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
    """Where a fold says what it does: the audit trail, the quarantine of its input, and its pulse."""

    audit: AuditReporter
    quarantine: Quarantine
    pulse: Loop


class RunFold(Protocol):
    """What a service does with one run."""

    start_token: str
    """Where to begin: the place of the state that is at hand; empty for the oldest event retained."""

    def begin(self) -> None:
        """Say where the outputs stand, which have just begun the run."""

    async def take(self, event: Event[Any]) -> None:
        """Fold one event; append to the output what follows from it."""

    async def keep(self) -> None:
        """Make durable what a restart needs, side by side with the folding; may end at once, and is cancelled."""

    def safe_token(self) -> str:
        """Return the newest place in the input from which all output not yet safe can be made again; empty for none.

        What it needs for that is durable: the source may forget what lies before the place.
        """


class Folder:
    """Folds the runs that the source serves into one feed, or several, for ever."""

    def __init__(
        self,
        source: Input,
        output: Feed,
        bot_spec_digest: str,
        open_fold: Callable[[Run, bool], Awaitable[RunFold]],
        pulse: Loop,
        *,
        beside: Sequence[Feed] = (),
    ) -> None:
        """Fold with what `open_fold(run, anew)` returns; `anew` says to leave aside what was kept of the run.

        The feeds `beside` the output are made of the same input, and begin and end with it.
        """
        self._source = source
        self._output = output
        self._outputs = (output, *beside)
        self._bot_spec_digest = bot_spec_digest
        self._open_fold = open_fold
        self._pulse = pulse
        self._connections = 0
        self._refused = False  # whether the source refuses this fold for their settings

    async def run(self) -> None:
        """Follow the source, run after run.

        A fold can always begin again from what the source still has: so a history that is not the one that was read,
        or a place that is no longer retained, begins it anew, and its readers learn from their tokens what that means.
        """
        anew = False
        while True:
            raise_if_cancelled()
            run = await self._learn_run()
            if run.bot_spec_digest != self._bot_spec_digest:
                self._pulse.beat(f"waiting: run {run.run_id} was made with another BotSpec than this service's")
                await asyncio.sleep(NEXT_RUN_PERIOD_S)
                continue
            _LOG.info("folding", extra={"run": run.run_id})
            try:
                await self._fold_run(run, anew)
                anew = False
            except RunChangedError:
                anew = False
                _LOG.info("another run began", extra={"old_run": run.run_id})
            except (HistoryDivergedError, ResumeTokenExpiredError) as error:
                anew = True
                _LOG.warning("the fold begins anew", extra={"why": str(error)})
            except RetentionTooShortError as error:
                self._refused = True
                self._pulse.fail(
                    f"configuration: {self._source.service} refuses {self._source.reader}: {error.message}"
                )
                _LOG.error("settings do not go together", extra={"why": self._pulse.detail})
                await asyncio.sleep(CONFIGURATION_PERIOD_S)

    async def _fold_run(self, run: Run, anew: bool) -> None:
        """Fold one run to its end and wait for the next; side by side, keep what a restart needs and confirm it."""
        fold = await self._open_fold(run, anew)
        for output in self._outputs:
            output.begin(run)
        fold.begin()
        async with task_group(QikiError) as group:
            beside = [group.create_task(fold.keep()), group.create_task(self._confirm(fold))]
            await self._follow(run, fold)
            for task in beside:
                task.cancel()

    async def _follow(self, run: Run, fold: RunFold) -> None:
        """Take every event in order.

        The output has been refolded when the input has been read up to where the source stood once it, too, had
        nothing left to compute again.
        """
        refold_to, place = None, 0
        async with aclosing(self._items(fold.start_token)) as items:
            async for item in items:
                if self._refused:
                    self._refused = False
                    self._pulse.recover(f"following {self._source.service}")
                self._pulse.beat(f"following {self._source.service}")
                if not isinstance(item, Event):
                    place = decode(item.resume_token).sequence
                    if place >= item.heartbeat.last_sequence:  # else there is more to fold before that time
                        self._advance(item.heartbeat.simulation_time.ToNanoseconds())
                    if refold_to is None and not item.heartbeat.refolding:
                        refold_to = item.heartbeat.last_sequence
                elif item.context.run_id != run.run_id:
                    return
                else:
                    await fold.take(item)
                    place = item.context.sequence
                    self._advance(item.context.time.ToNanoseconds())
                if refold_to is not None and place >= refold_to:
                    for output in self._outputs:
                        output.refolded()
        for output in self._outputs:
            output.end()
        await self._await_next_run(run)

    async def _items(self, resume_token: str) -> AsyncGenerator[Event[Any] | Idle, None]:
        """Yield what the source streams.

        The source is told how seldom it will hear what is safe. Where a reader of this fold's own makes that seldomer
        than was told, the stream is opened again after the same place to tell it.
        """
        while True:
            told_s = self._confirm_interval_s()
            request = self._source.watch_request(
                resume_token=resume_token,
                from_oldest=not resume_token,
                reader=self._source.reader,
                confirm_interval_s=told_s,
            )
            stream = Stream[Any](self._source.watch, request, on_state=self._on_source)
            async with aclosing(stream.items()) as items:
                async for item in items:
                    yield item
                    if self._source.reader and self._confirm_interval_s() > told_s:
                        break
                else:
                    return
            resume_token = stream.resume_token

    def _confirm_interval_s(self) -> float:
        own = self._source.confirm_interval_s
        return own + max(output.readers.confirm_interval_s for output in self._outputs)

    def _advance(self, time_ns: int) -> None:
        for output in self._outputs:
            output.advance(time_ns)

    async def _confirm(self, fold: RunFold) -> None:
        """Tell the source, now and then, from where this fold would begin again.

        A source that was restarted counts its readers as at the beginning until it is told again.
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
        """Take what the stream says of itself: every change of state is one of the connection."""
        self._connections += 1
        self._pulse.beat(state)

    async def _await_next_run(self, run: Run) -> None:
        while (await self._learn_run()).run_id == run.run_id:
            self._pulse.beat("the run has ended")
            self._connections += 1  # no stream is open now that would tell of a restarted source: confirm again
            await asyncio.sleep(NEXT_RUN_PERIOD_S)

    async def _learn_run(self) -> Run:
        return await upstream.learn_run(
            self._source.get_run, self._source.run_request(), self._pulse, self._source.service
        )


async def admit(feed: Feed, time_ns: int, pulse: Loop) -> None:
    """Wait while a required reader holds a lossless feed before an event of this time; a live one is never held."""
    try:
        while reader := feed.holder(time_ns):
            pulse.beat(feed.blockage.wait_for(reader))
            await feed.change.wait(WAIT_S)
        feed.blockage.end()
    finally:
        feed.blockage.give_up()
