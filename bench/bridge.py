"""`make bench-bridge`: the bridge against a bare loop that promises nothing, in one run, interleaved.

Flooded: messages a second by the store times of the first and the last message, and processor time a message.
Paced: how long after its production a consumer has a message, at 1,000 a second.
"""

import argparse
import asyncio
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from nats.js import JetStreamContext

from bench.processes import bare_loop_argv, broker, cpu_s
from bridge_process import BRIDGE, bridge_environment, process
from frame_source import STREAM, SUBJECT
from qiki.radar.v1.radar_pb2 import RadarFrame

OURS, BARE = "bridge", "bare loop"
LAZY, ALWAYS = "2m", "always"
PACE_HZ = 1000.0
TIMEOUT_S = 180.0
POLL_S = 0.02

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Case:
    """One measurement: the carrier, the payload size, and the broker's sync interval."""

    carrier: str
    size_bytes: int
    sync_interval: str

    def __str__(self) -> str:
        return f"{self.carrier} {self.size_bytes // 1000} kB sync {self.sync_interval}"


@dataclass(frozen=True, slots=True)
class Flood:
    """Result of a flooded run."""

    messages_a_s: float
    cpu_us_a_message: float


@dataclass(frozen=True, slots=True)
class Paced:
    """Latency of messages from their production to a consumer of the stream."""

    p50_ms: float
    p99_ms: float


async def measure(case: Case, flood: int, paced: int) -> tuple[Flood | None, Paced | None]:
    """Carry `flood` prefilled messages, or `paced` ones at a rate."""
    with tempfile.TemporaryDirectory(prefix="qiki-bench-") as temporary:
        directory = Path(temporary)
        async with (
            broker(directory / "nats", case.sync_interval) as (nats_url, jetstream),
            process(
                *(sys.executable, "-m", "bench.source", str(case.size_bytes), str(flood)), log=directory / "source.log"
            ) as source,
        ):
            assert source.stdin is not None
            assert source.stdout is not None
            target = f"127.0.0.1:{int(await source.stdout.readline())}"
            argv = BRIDGE if case.carrier == OURS else bare_loop_argv(target, nats_url)
            env = bridge_environment(directory, target, nats_url) if case.carrier == OURS else {}
            async with process(*argv, log=directory / "carrier.log", env=env) as carrier:
                await asyncio.wait_for(source.stdout.readline(), TIMEOUT_S)
                await asyncio.sleep(0.5)  # exclude the cost of the start
                before_s = cpu_s(carrier.pid)
                source.stdin.write(b"open\n")
                if flood:
                    await _stored(jetstream, flood)
                    cpu_us = (cpu_s(carrier.pid) - before_s) / flood * 1e6
                    return Flood(await _rate(jetstream, flood), cpu_us), None
                source.stdin.write(f"flow {PACE_HZ:g} {paced}\n".encode())
                received = await _received(jetstream, paced)
                produced = json.loads(await asyncio.wait_for(source.stdout.readline(), TIMEOUT_S))
                return None, _latency(produced, received)


async def _stored(jetstream: JetStreamContext, count: int) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while (await jetstream.stream_info(STREAM)).state.messages < count:  # noqa: ASYNC110 - there is no notification
            await asyncio.sleep(POLL_S)


async def _rate(jetstream: JetStreamContext, count: int) -> float:
    first, last = await jetstream.get_msg(STREAM, 1), await jetstream.get_msg(STREAM, count)
    assert first.time is not None
    assert last.time is not None
    return (count - 1) / (last.time - first.time).total_seconds()


async def _received(jetstream: JetStreamContext, count: int) -> dict[int, int]:
    """Read as a consumer while messages arrive; return the arrival time of each, by its tick."""
    subscription = await jetstream.subscribe(SUBJECT, ordered_consumer=True)
    came = []
    for _ in range(count):
        message = await subscription.next_msg(timeout=TIMEOUT_S)
        came.append((message.data, time.time_ns()))
    return {RadarFrame.FromString(data).tick: at_ns for data, at_ns in came}


def _latency(produced_ns: dict[str, int], received_ns: dict[int, int]) -> Paced:
    taken_ms = [(received_ns[int(tick)] - at_ns) / 1e6 for tick, at_ns in produced_ns.items()]
    hundredths = statistics.quantiles(taken_ms, n=100)
    return Paced(hundredths[49], hundredths[98])


def main() -> int:
    """Measure, print each round and the ratios of the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=20_000, help="of 1 kB; a quarter of that of 16 kB")
    parser.add_argument("--paced", type=int, default=5_000)
    parser.add_argument("--only", choices=("flooded", "paced"))
    options = parser.parse_args()
    if options.only != "paced":
        asyncio.run(_flooded(options.rounds, options.messages))
    if options.only != "flooded":
        asyncio.run(_paced(options.rounds, options.paced))
    return 0


async def _flooded(rounds: int, messages: int) -> None:
    for size_bytes, count in ((1000, messages), (16_000, messages // 4)):
        cases = [Case(BARE, size_bytes, LAZY), Case(OURS, size_bytes, LAZY), Case(OURS, size_bytes, ALWAYS)]
        found: dict[Case, list[Flood]] = {case: [] for case in cases}
        for _ in range(rounds):
            for case in cases:
                flood, _none = await measure(case, count, 0)
                assert flood is not None
                found[case].append(flood)
                _say(f"{case!s:<28} {flood.messages_a_s:8.0f} msg/s {flood.cpu_us_a_message:6.1f} us CPU/msg")
        bare = cases[0]
        for case in cases[1:]:
            rate = _ratio(found, case, bare, lambda flood: flood.messages_a_s)
            cpu = _ratio(found, case, bare, lambda flood: flood.cpu_us_a_message)
            _say(f"=> {case} over {bare}: {rate:.2f} of its rate, {cpu:.2f} of its CPU")


async def _paced(rounds: int, count: int) -> None:
    for size_bytes, sync_interval in itertools.product((1000, 16_000), (LAZY, ALWAYS)):
        cases = [Case(BARE, size_bytes, sync_interval), Case(OURS, size_bytes, sync_interval)]
        found: dict[Case, list[Paced]] = {case: [] for case in cases}
        for _ in range(rounds):
            for case in cases:
                _none, paced = await measure(case, 0, count)
                assert paced is not None
                found[case].append(paced)
                _say(f"{case!s:<28} at {PACE_HZ:.0f}/s p50 {paced.p50_ms:6.2f} ms p99 {paced.p99_ms:6.2f} ms")
        bare = cases[0]
        for case in cases[1:]:
            p50 = _ratio(found, case, bare, lambda paced: paced.p50_ms)
            p99 = _ratio(found, case, bare, lambda paced: paced.p99_ms)
            _say(f"=> {case} over {bare}: p50 {p50:.2f}, p99 {p99:.2f}")


def _ratio(found: dict[Case, list[T]], case: Case, bare: Case, of: Callable[[T], float]) -> float:
    return statistics.median(map(of, found[case])) / statistics.median(map(of, found[bare]))


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
