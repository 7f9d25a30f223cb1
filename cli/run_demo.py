"""What `qiki demo` does: run to the end, let everything arrive, count, compare."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import typer
from rich.console import Console

from cli.board import status_line
from cli.comparison import SubjectCount, count_of, table_lines
from cli.errors import CliError
from cli.feed_ends import bridged_channels, feed_ends
from cli.files import check_files
from cli.interrupts import Interrupts
from cli.jetstream import count_messages
from cli.layout import grpc_target, nats_url
from cli.mesh import Mesh, open_mesh
from cli.options import MeshOptions
from cli.ports import choose_ports
from cli.progress import Meter, StallClock, open_meter
from cli.run_up import stopping_text

LOOK_INTERVAL_S = 0.2
STALL_LIMIT_S = 60.0
TALLY_TIMEOUT_S = 300.0
EXIT_INTERRUPTED = 130

NEXT = """What to try next:
  qiki up                          the same mesh in real time, until Ctrl-C
  qiki health 127.0.0.1:50051      then, from another terminal: is the simulator SERVING?
  qiki nats check                  and: are the JetStream streams as declared?"""


def run(options: MeshOptions) -> None:
    """Run the demonstration. Raises CliError where it stalls or does not add up; typer.Exit where a signal ended it."""
    check_files(options.scenario, options.bot_spec)
    asyncio.run(_run(options))


async def _run(options: MeshOptions) -> None:
    began_s = time.monotonic()
    counts: Sequence[SubjectCount] = ()
    with open_meter(Console()) as meter:
        async with (
            Interrupts(lambda number: meter.say(stopping_text(number))) as interrupts,
            open_mesh(options, choose_ports({}, free=True), meter.say, interrupts.second) as mesh,
        ):
            meter.say(f"All are SERVING. State is in {mesh.state_dir}.")
            counts = await _run_and_count(mesh, options, meter)
    if interrupts.first is not None:
        raise typer.Exit(EXIT_INTERRUPTED)
    _conclude(counts, time.monotonic() - began_s)


async def _run_and_count(mesh: Mesh, options: MeshOptions, meter: Meter) -> Sequence[SubjectCount]:
    """Wait for the run's end, then for the bridge, then count.

    1. The simulator's phase becomes ENDED.
    2. Every feed's producer says Ended, and with it how many events there were.
    3. The bridge has published up to the last of each.
    4. JetStream is read back.
    """
    channels = bridged_channels(options.bot_spec)
    await _until_ended(mesh, meter)
    targets = {"qiki.sim.v1": grpc_target("sim", mesh.ports), "qiki.radar.v1": grpc_target("radar", mesh.ports)}
    ends = await feed_ends(channels, targets, STALL_LIMIT_S)
    await _until_published(mesh, ends, meter)
    meter.show("counting messages in JetStream", sum(ends.values()), sum(ends.values()))
    streams = {channel.subject: channel.stream for channel in channels}
    held = await count_messages(nats_url(mesh.ports), streams, TALLY_TIMEOUT_S)
    return [count_of(ends[channel.name], held[channel.subject]) for channel in channels]


async def _until_ended(mesh: Mesh, meter: Meter) -> None:
    stall = StallClock(STALL_LIMIT_S)
    while True:  # bounded by the stall clock
        statuses = {status.name: status for status in await mesh.statuses()}
        facts = statuses["sim"].facts
        tick, last_tick = _whole(facts.get("tick")), _whole(facts.get("last_tick"))
        meter.show("simulating, tick", tick, last_tick)
        if facts.get("phase") == "ENDED":
            return
        if facts.get("phase") and not last_tick:
            raise CliError(
                "this scenario has no end, so there is nothing to count. "
                "Give one with `duration_s`, or run it with `qiki up`."
            )
        stall.observe((tick, facts.get("phase")), "\n".join(["", *map(status_line, statuses.values())]))
        await asyncio.sleep(LOOK_INTERVAL_S)


async def _until_published(mesh: Mesh, ends: Mapping[str, int], meter: Meter) -> None:
    stall = StallClock(STALL_LIMIT_S)
    while True:  # bounded by the stall clock
        bridge = next(status for status in await mesh.statuses() if status.name == "bridge")
        reached = published(bridge.facts)
        meter.show("publishing, events", sum(reached.get(name, 0) for name in ends), sum(ends.values()))
        if all(reached.get(name, 0) >= end for name, end in ends.items()):
            return
        stall.observe(reached, status_line(bridge))
        await asyncio.sleep(LOOK_INTERVAL_S)


def published(facts: Mapping[str, Any]) -> dict[str, int]:
    """Return the sequence that the bridge has reached on each channel, from the facts of its /healthz."""
    channels = facts.get("channels")
    if not isinstance(channels, Mapping):
        return {}
    return {name: _whole(channel.get("sequence")) for name, channel in channels.items() if isinstance(channel, Mapping)}


def _conclude(counts: Sequence[SubjectCount], elapsed_s: float) -> None:
    """Show the table. Raises CliError where a subject does not add up."""
    print("\n".join(["", *table_lines(counts), ""]))
    problems = [problem for count in counts if (problem := count.problem())]
    if problems:
        raise CliError("\n".join(["what was emitted is not what JetStream holds:", *problems]))
    total = sum(count.emitted for count in counts)
    print(f"All {total} events are in JetStream, each once, in order. It took {elapsed_s:.1f} s.\n\n{NEXT}")


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
