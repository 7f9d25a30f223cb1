"""`make soak`: many events as fast as possible; the memory of every process must not grow in the second half.

The growth is that of the median resident memory from the eighth after the middle of the run to the last eighth. A
stream that still fills is no leak, so by the middle every stream of the broker must hold as much as it may: with the
topology that users get, the last does so after some 475,000 events. The archive is read meanwhile, on every channel.

A process that ends during the run is a failure even if it is restarted: its memory starts again from zero.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botspec.example import example_bot_spec
from botspec.model import load_bot_spec
from chaos.arena import Arena, arena, write_scenario
from chaos.historian import archived
from chaos.proxy import HOST
from chaos.schedule import PROCESSES
from chaos.watcher import Watcher, resident_kib
from mesh.tasks import task_group
from qiki_sdk.channel import connect
from qiki_sdk.stream import Stream

EVENTS_A_SIMULATED_S = 27.0
MAX_GROWTH = 0.02
PERIOD_S = 0.5
# A channel with less than this share of all events may still be filling its stream: its contribution is negligible.
SPARSE = 0.02


@dataclass(frozen=True, slots=True)
class Sample:
    """Process ids and resident memory after a number of events, which is given for each channel and in total.

    A process that is not alive at that moment is absent from both.
    """

    reached: Mapping[str, int]
    pids: Mapping[str, int]
    resident_kib: Mapping[str, int]

    @property
    def events(self) -> int:
        """Number of events carried in total."""
        return sum(self.reached.values())


class ProcessEnded(Exception):  # noqa: N818 (named for the event)
    """A process ended before the run did; the text names it."""


async def watch(directory: Path, events: int) -> list[Sample]:
    """Run a number of events through the chain; return the samples taken meanwhile. Raises ProcessEnded."""
    scenario = write_scenario(directory / "scenario.yaml", float(round(events / EVENTS_A_SIMULATED_S)))
    async with (
        arena(directory, scenario, "max", links=()) as running,
        connect(f"{HOST}:{running.mesh.ports['archive']}") as transport,
        task_group(ProcessEnded) as group,
    ):
        readers = [group.create_task(_read(stream)) for stream in archived(transport).values()]
        samples = await _sample(running, events)
        for reader in readers:
            reader.cancel()
    return samples


async def _read(stream: Stream[Any]) -> None:
    async for _event in stream:
        pass


async def _sample(running: Arena, events: int) -> list[Sample]:
    watcher, samples = Watcher(running), list[Sample]()
    reported, began = 0, time.monotonic()
    whole = False
    while not whole:
        whole = await watcher.look()
        pids = {process: pid for process in PROCESSES if (pid := running.pid(process)) is not None}
        sizes_kib = {name: resident_kib(pid) for name, pid in pids.items()}
        sample = Sample(dict(watcher.reached), pids, sizes_kib)
        samples.append(sample)
        if died := ended(samples[:1] + samples[-1:]):
            raise ProcessEnded(f"{', '.join(died)} ended after {sample.events} events")
        if sample.events - reported >= events // 10:
            reported = sample.events
            sizes = " ".join(f"{name} {kib / 1024:.1f}" for name, kib in sizes_kib.items())
            print(f"{reported} events, {reported / (time.monotonic() - began):.0f}/s, MiB: {sizes}", flush=True)
        await asyncio.sleep(PERIOD_S)
    return samples


def ended(samples: Sequence[Sample]) -> list[str]:
    """Return the processes with a changed or missing process id in any sample."""
    first = samples[0].pids
    return [
        process
        for process in PROCESSES
        if process not in first or any(sample.pids.get(process) != first[process] for sample in samples)
    ]


def growth(samples: list[Sample], process: str) -> tuple[float, float]:
    """Return the median resident memory in MiB after the middle of the run and at its end."""
    events = samples[-1].events
    middle = [each.resident_kib[process] for each in samples if 4 <= each.events * 8 / events < 5]
    end = [each.resident_kib[process] for each in samples if each.events * 8 / events >= 7]
    return statistics.median(middle) / 1024, statistics.median(end) / 1024


def still_filling(sample: Sample) -> list[str]:
    """Return the channels whose messages the broker does not trim yet."""
    spec = load_bot_spec(example_bot_spec()).spec
    limits = {stream.name: stream.max_msgs_per_subject or 0 for stream in spec.streams}
    return [
        channel.name
        for channel in spec.channels
        if SPARSE * sample.events < sample.reached.get(channel.name, 0) < limits[channel.stream]
    ]


def main() -> int:
    """Run; print the table; return the exit status: 0 if all growth is within the bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="qiki-soak-") as temporary:
        try:
            samples = asyncio.run(watch(Path(temporary), options.events))
        except ProcessEnded as error:
            print(f"FAIL: {error}")
            return 1
    failed = False
    for process in PROCESSES:
        middle_mib, end_mib = growth(samples, process)
        grown = end_mib / middle_mib - 1
        failed = failed or grown >= MAX_GROWTH
        print(f"{process:<10} {middle_mib:8.1f} MiB after the middle, {end_mib:8.1f} MiB at the end: {grown:+.1%}")
    middle = next(each for each in samples if each.events * 2 >= samples[-1].events)
    if filling := still_filling(middle):
        failed = True
        print(f"Not a measurement: in the middle the streams still fill on {', '.join(filling)}; take more --events.")
    print("FAIL" if failed else "PASS")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
