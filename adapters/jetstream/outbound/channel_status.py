"""Channel status: the state, health, metrics and audit events of one channel."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from adapters.jetstream.metrics import BridgeMetrics
from adapters.jetstream.outbound.store_progress import StoreProgress
from botspec.channels import Channel
from mesh.feeds.notifier import Notifier
from mesh.serving.runtime import ServiceContext
from mesh.tasks import raise_if_cancelled
from qiki_sdk.codes import CHANNEL_CARRYING, CURSOR_LOST, GAP, STORE_RESUMED, STORE_STALLED, Code

CARRYING = "carrying"
# Interval at which the state text of a channel that does not store is refreshed.
LOOK_AGAIN_S = 1.0
_LOG = logging.getLogger(__name__)


class ChannelStatus:
    """The status of one channel. It changes on the event loop; the thread of `/healthz` and `/metrics` reads it."""

    def __init__(
        self,
        channel: Channel,
        metrics: BridgeMetrics,
        service: ServiceContext,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.metrics = metrics.channel(channel.name)
        self.progress = StoreProgress(now)
        self._channel = channel
        self._audit = service.audit
        self._loop = service.health.loop(channel.name)
        self._said = "starting"
        self._stopped = self._stalled = self._cursor_lost = False
        self._change = Notifier()
        self.metrics.publishing.set_function(lambda: float(self.carrying))
        self.metrics.cursor_lost.set_function(lambda: float(self._cursor_lost))
        self.metrics.unstored_seconds.set_function(self.progress.unstored_s)

    @property
    def state(self) -> str:
        """The channel's state in a few words; never that it carries while nothing is stored."""
        problem = "" if self._stopped else self.progress.problem
        return f"not stored: {problem}" if problem else self._said

    @property
    def carrying(self) -> bool:
        """Whether events arrive from the source and nothing prevents storing them."""
        return self.state == CARRYING

    def facts(self) -> Mapping[str, object]:
        """Return the storing part of `/healthz`; `store_error` is empty while events are stored."""
        storing = self._stopped or self.progress.storing
        return {"state": self.state, "storing": storing, "store_error": "" if storing else self.progress.problem}

    def beat(self) -> None:
        """Record that the channel's loop advances."""
        self._loop.beat()

    def say(self, state: str) -> None:
        """Set the channel's state."""
        if state != self._said:
            _LOG.info("channel", extra={"channel": self._channel.name, "state": state})
            if state == CARRYING:
                self._audit.report(CHANNEL_CARRYING, channel=self._channel.name, subject=self._channel.subject)
        self._said = state
        self._loop.beat(self.state)

    def stored(self, count: int, *, more_waits: bool) -> None:
        """Record the number of events stored by one write."""
        self.metrics.published.inc(count)
        self.progress.stored(more_waits=more_waits)
        if self._stalled:
            self._change.notify()

    def not_stored(self, error: str) -> None:
        """Record that a write failed or has an unknown outcome."""
        if error != self.progress.error:
            _LOG.warning("not stored", extra={"channel": self._channel.name, "why": error})
        self.progress.failed(error)
        self._loop.beat(self.state)

    def missing(self, first: int, last: int, run_id: str) -> None:
        """Report the events, from sequence `first` to `last`, that the source no longer had."""
        self.metrics.missing.inc(last - first + 1)
        place: dict[str, Any] = {"channel": self._channel.name, "first": first, "last": last}
        _LOG.error("events are missing: the source no longer had them", extra=place)
        self._audit.report(GAP, run_id=run_id, key=f"{self._channel.name}/{first}-{last}", **place)

    def stop(self, code: Code, why: str) -> None:
        """Report that the channel has stopped until an operator intervenes."""
        self._stopped, self._said = True, f"stopped: {why}"
        self._cursor_lost = code is CURSOR_LOST
        self._loop.fail(self.state)
        _LOG.error("channel stopped", extra={"channel": self._channel.name, "why": why})
        self._audit.report(code, why, channel=self._channel.name)

    async def watch(self) -> None:
        """Report until cancelled, once each, that storing has stalled and that it has resumed."""
        while not self._stopped:
            raise_if_cancelled()
            # While the channel stores, it cannot count as stalled before this time is over.
            await self._change.wait(self.progress.left_s() or LOOK_AGAIN_S)
            self._look()
        await asyncio.Event().wait()

    def _look(self) -> None:
        if self._stopped:
            return
        stalled = not self.progress.storing
        if stalled:
            self._loop.fail(self.state)
        if stalled == self._stalled:
            return
        self._stalled = stalled
        name, problem = self._channel.name, self.progress.problem
        if stalled:
            _LOG.error("nothing is stored", extra={"channel": name, "why": problem})
            self._audit.report(STORE_STALLED, f"{name}: {problem}", channel=name, error=self.progress.error)
        else:
            _LOG.warning("events are stored again", extra={"channel": name})
            self._loop.recover(self.state)
            self._audit.report(STORE_RESUMED, channel=name)
