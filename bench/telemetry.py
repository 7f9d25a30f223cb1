"""`make bench-telemetry`: what tracing costs. Processor time an event, and the chain's latency, at three sample ratios.

The whole mesh plays the same scenario with tracing off, at 1 % and at 100 %, in turn, so that what else the machine
does falls on all of them. Processor time is that of the services from the first tick to the last published event; the
collector runs in this process and is not counted. Latency is from a tick's world event to its stored tracks, without
the first ones: while the services still connect, an event waits up to half a second, with or without tracing.
"""

import argparse
import asyncio
import statistics
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import nats
from rich.console import Console
from rich.table import Table

from bench.processes import cpu_s
from chain import SUBJECTS, chain, published_all, until
from cli.local_mesh.mesh import Mesh
from otlp_collector import collecting
from qiki.sim.v1.sim_service_pb2 import ResumeSimulationRequest
from qiki.sim.v1.sim_service_pb2_grpc import SimServiceStub
from qiki_sdk.channel import connect

SERVICES = ("sim", "radar", "tracker", "registrar", "bridge")
OFF, ONE_PERCENT, ALL = "off", "1 %", "100 %"
RATIOS = {OFF: "", ONE_PERCENT: "0.01", ALL: "1.0"}
# How much more processor time an event may cost.
LIMITS = {ONE_PERCENT: 1.03, ALL: 1.20}
# Sets of tracks at the start of a run, about 7 s of simulation time, whose latency is that of connecting.
WARM_UP_SETS = 20
WORLD, TRACKS = "qiki.sim.v1.world", "qiki.radar.v1.tracks"


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one run."""

    cpu_us_an_event: float
    p50_ms: float
    p99_ms: float


async def measure(directory: Path, ratio: str, endpoint: str, duration_s: float, speed: str) -> Cost:
    """Run the scenario once and return its cost."""
    traced = [(name, "OTLP_ENDPOINT", endpoint) for name in SERVICES]
    traced += [(name, "TRACE_SAMPLE_RATIO", ratio) for name in SERVICES]
    settings = (("sim", "PAUSED", "true"), *(traced if ratio else ()))
    async with chain(directory, duration_s, speed=speed, settings=settings) as mesh:
        pids = [int(mesh.endpoints()[name]["pid"]) for name in SERVICES]
        before_s = sum(map(cpu_s, pids))
        async with connect(f"127.0.0.1:{mesh.ports['sim']}") as channel:
            await SimServiceStub(channel).ResumeSimulation(ResumeSimulationRequest(), timeout=30)
        await until(lambda: published_all(mesh), "everything published")
        spent_s = sum(map(cpu_s, pids)) - before_s
        events, latencies_ms = await _latencies(mesh)
    latencies_ms = latencies_ms[WARM_UP_SETS:]
    cuts = statistics.quantiles(latencies_ms, n=100)
    return Cost(spent_s / events * 1e6, statistics.median(latencies_ms), cuts[98])


async def _latencies(mesh: Mesh) -> tuple[int, list[float]]:
    """Return the number of stored events, and the milliseconds from each tick to its stored tracks."""
    made_s: dict[str, float] = {}
    stored_s: list[tuple[str, float]] = []
    count = 0
    client = await nats.connect(f"nats://127.0.0.1:{mesh.ports['nats']}")
    try:
        context = client.jetstream()
        for subject, stream in SUBJECTS.items():
            state = (await context.stream_info(stream, subjects_filter=subject)).state
            subscription = await context.subscribe(subject, stream=stream, ordered_consumer=True)
            for _ in range((state.subjects or {}).get(subject, 0)):
                message = await subscription.next_msg(timeout=10)
                headers = message.headers or {}
                trace = headers["ce-traceparent"].split("-")[1]
                count += 1
                if subject == WORLD:
                    made_s[trace] = datetime.fromisoformat(headers["ce-recordedtime"]).timestamp()
                elif subject == TRACKS:
                    stored_s.append((trace, message.metadata.timestamp.timestamp()))
    finally:
        await client.close()
    return count, [(at_s - made_s[trace]) * 1e3 for trace, at_s in stored_s]


async def compare(rounds: int, duration_s: float, speed: str, console: Console) -> dict[str, list[Cost]]:
    """Measure every ratio in turn, `rounds` times."""
    costs: dict[str, list[Cost]] = {name: [] for name in RATIOS}
    with collecting() as (collector, endpoint), tempfile.TemporaryDirectory(prefix="qiki-telemetry-") as directory:
        for number in range(rounds):
            for name, ratio in RATIOS.items():
                place = Path(directory) / f"{number}-{name.split()[0]}"
                costs[name].append(await measure(place, ratio, endpoint, duration_s, speed))
                console.print(
                    f"round {number + 1} of {rounds}, {name}: {costs[name][-1]}, {len(collector.spans)} spans"
                )
    return costs


def report(costs: dict[str, list[Cost]], console: Console) -> bool:
    """Print the medians and their ratios; return whether the limits hold."""
    table = Table("tracing", "CPU us an event", "ratio", "limit", "p50 ms", "p99 ms")
    holds = True
    for name, measured in costs.items():
        # The ratio of each round, and then its median: both of a pair met the same machine.
        pairs = zip(measured, costs[OFF], strict=True)
        ratio = statistics.median(cost.cpu_us_an_event / off.cpu_us_an_event for cost, off in pairs)
        limit = LIMITS.get(name)
        holds = holds and (limit is None or ratio <= limit)
        table.add_row(
            name,
            f"{statistics.median(cost.cpu_us_an_event for cost in measured):.0f}",
            f"{ratio:.3f}",
            "" if limit is None else f"{limit:.2f}",
            f"{statistics.median(cost.p50_ms for cost in measured):.1f}",
            f"{statistics.median(cost.p99_ms for cost in measured):.1f}",
        )
    console.print(table)
    return holds


def main() -> int:
    """Run the benchmark; return 1 where tracing costs more than it may."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--duration", type=float, default=60.0, help="simulated seconds of a run")
    parser.add_argument("--speed", default="5", help="simulated seconds a second")
    asked = parser.parse_args()
    console = Console()
    return 0 if report(asyncio.run(compare(asked.rounds, asked.duration, asked.speed, console)), console) else 1


if __name__ == "__main__":
    raise SystemExit(main())
