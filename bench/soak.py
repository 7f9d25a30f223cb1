"""`make soak`: many events as fast as possible; the memory of every process must not grow in the second half.

The growth is that of the median resident memory from the eighth after the middle of the run to the last eighth.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from chaos.arena import arena, write_scenario
from chaos.schedule import PROCESSES
from chaos.watcher import Watcher, resident_kib

EVENTS_A_SIMULATED_S = 27.0
MAX_GROWTH = 0.02
PERIOD_S = 0.5


@dataclass(frozen=True, slots=True)
class Sample:
    """The resident memory of every process once so many events were carried."""

    events: int
    resident_kib: dict[str, int]


async def watch(directory: Path, events: int) -> list[Sample]:
    """Run so many events through the chain; return what was seen meanwhile."""
    scenario = write_scenario(directory / "scenario.yaml", float(round(events / EVENTS_A_SIMULATED_S)))
    samples: list[Sample] = []
    async with arena(directory, scenario, "max", links=()) as running:
        watcher = Watcher(running)
        told, began = 0, time.monotonic()
        while not await watcher.look():
            carried = sum(watcher.reached.values())
            pids = {process: running.pid(process) for process in PROCESSES}
            samples.append(Sample(carried, {name: resident_kib(pid) for name, pid in pids.items() if pid is not None}))
            if carried - told >= events // 10:
                told = carried
                sizes = " ".join(f"{name} {kib / 1024:.1f}" for name, kib in samples[-1].resident_kib.items())
                print(f"{carried} events, {carried / (time.monotonic() - began):.0f}/s, MiB: {sizes}", flush=True)
            await asyncio.sleep(PERIOD_S)
    return samples


def growth(samples: list[Sample], process: str, events: int) -> tuple[float, float]:
    """Return the median resident memory in MiB after the middle of the run and at its end."""
    middle = [each.resident_kib[process] for each in samples if 4 <= each.events * 8 / events < 5]
    end = [each.resident_kib[process] for each in samples if each.events * 8 / events >= 7]
    return statistics.median(middle) / 1024, statistics.median(end) / 1024


def main() -> int:
    """Run; print the table; the exit status says whether all keep to the bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="qiki-soak-") as temporary:
        samples = asyncio.run(watch(Path(temporary), options.events))
    failed = False
    for process in PROCESSES:
        middle_mib, end_mib = growth(samples, process, samples[-1].events)
        grown = end_mib / middle_mib - 1
        failed = failed or grown >= MAX_GROWTH
        print(f"{process:<10} {middle_mib:8.1f} MiB after the middle, {end_mib:8.1f} MiB at the end: {grown:+.1%}")
    print("FAIL" if failed else "PASS")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
