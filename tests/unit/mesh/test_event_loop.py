import asyncio
import time
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from mesh.telemetry.event_loop import JUMP_S, EventLoopWatch

pytestmark = pytest.mark.asyncio

WAIT_S = 20.0
BLOCKED_S = 0.4


class Clocks:
    """A wall clock that the test sets ahead of the monotonic one; it counts the samples."""

    def __init__(self) -> None:
        self.ahead_s = 1_000_000.0
        self.samples = 0
        self._sampled = asyncio.Event()

    def wall(self) -> float:
        self.samples += 1
        self._sampled.set()
        return self.ahead_s

    def monotonic(self) -> float:
        return 0.0

    async def sample(self) -> None:
        """Wait until the watch has used one more sample."""
        for _ in range(2):  # the second sample is read after the first has been judged
            self._sampled.clear()
            await self._sampled.wait()


async def watched(registry: CollectorRegistry, clocks: Clocks, *steps: Callable[[], object]) -> None:
    """Run the watch, and each step between two of its samples."""
    async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as group:
        watching = group.create_task(EventLoopWatch(registry, clocks.wall, clocks.monotonic).run())
        await clocks.sample()
        for step in steps:
            step()
            await clocks.sample()
        watching.cancel()


async def test_a_blocked_event_loop_shows_as_lag() -> None:
    registry = CollectorRegistry()
    await watched(registry, Clocks(), lambda: time.sleep(BLOCKED_S))

    def samples(upper: str) -> float:
        return registry.get_sample_value("qiki_event_loop_lag_seconds_bucket", {"le": upper}) or 0.0

    assert samples("+Inf") - samples("0.25") >= 1, "blocked for 0.4 s, less the 0.1 s in which no timer was due"


@pytest.mark.parametrize(
    ("moved_s", "jumps"), [(JUMP_S + 0.01, 1), (-JUMP_S - 0.01, 1), (JUMP_S - 0.01, 0), (3_600.0, 1)]
)
async def test_a_jump_of_the_wall_clock_is_counted_once(moved_s: float, jumps: int) -> None:
    registry, clocks = CollectorRegistry(), Clocks()

    def jump() -> None:
        clocks.ahead_s += moved_s

    await watched(registry, clocks, jump)
    assert registry.get_sample_value("qiki_clock_jumps_total") == jumps


async def test_a_wall_clock_that_is_slewed_is_no_jump() -> None:
    registry, clocks = CollectorRegistry(), Clocks()

    def slew() -> None:
        clocks.ahead_s += JUMP_S * 0.6

    await watched(registry, clocks, slew, slew)
    assert registry.get_sample_value("qiki_clock_jumps_total") == 0
