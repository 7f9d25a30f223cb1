"""Lateness of the event loop, and jumps of the wall clock, sampled by one task of the runtime."""

import asyncio
import logging
import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Histogram

# Ten wake-ups a second take some 0.2 % of a core.
PERIOD_S = 0.1
# Between two samples the wall clock may move this much more, or less, than the monotonic one.
JUMP_S = 1.0
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
_LOG = logging.getLogger(__name__)


class EventLoopWatch:
    """Watch of the event loop that it runs on; `wall` and `monotonic` are the clocks, in seconds."""

    def __init__(
        self,
        registry: CollectorRegistry,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._lag = Histogram(
            "qiki_event_loop_lag_seconds",
            "How late the event loop ran a timer; the timer is due ten times a second.",
            registry=registry,
            buckets=_BUCKETS,
        )
        self._jumps = Counter(
            "qiki_clock_jumps",
            "Jumps of the wall clock by more than 1 s against the monotonic clock.",
            registry=registry,
        )

    async def run(self) -> None:
        """Sample until cancelled."""
        loop = asyncio.get_running_loop()
        ahead_s = self._wall_ahead_s()
        while True:
            due_s = loop.time() + PERIOD_S
            await asyncio.sleep(PERIOD_S)
            self._lag.observe(max(0.0, loop.time() - due_s))
            before_s, ahead_s = ahead_s, self._wall_ahead_s()
            self._note_jump(ahead_s - before_s)

    def _wall_ahead_s(self) -> float:
        return self._wall() - self._monotonic()

    def _note_jump(self, moved_s: float) -> None:
        if abs(moved_s) > JUMP_S:
            self._jumps.inc()
            _LOG.warning("the wall clock jumped", extra={"moved_s": round(moved_s, 3)})
