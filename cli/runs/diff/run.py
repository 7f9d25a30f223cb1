"""Implementation of `qiki diff`: compare every derived feed of two archived runs, and explain the first difference."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import typer
from google.protobuf.message import DecodeError

from adapters.archive.index import TooManyRunsError
from adapters.jetstream.client.errors import JetStreamError
from adapters.jetstream.codec.stored_event import NotABridgesError
from botspec.base import nanoseconds
from botspec.channels import Channel
from botspec.model import BotSpec, load_bot_spec
from botspec.yaml_source import SpecError
from cli.errors import CliError, UsageError
from cli.local_mesh.jetstream import connected
from cli.runs.diff.archived_run import ArchivedRun
from cli.runs.diff.compare import Divergence, FeedComparison, causal_order, compare_feed, payload_of
from cli.runs.diff.inputs import input_events, kept_inputs, run_differences, seconds_since
from cli.runs.diff.report import divergence_lines, feed_lines, input_lines, run_lines
from cli.runs.diff.sameness import Sameness
from cli.runs.diff.sources import CannotCompareError, parse_run, servers_of
from mesh.serving.errors import MeshError, StartError
from mesh.tasks import cleanup

EXIT_DIFFERENT = 1


@dataclass(frozen=True, slots=True)
class _Result:
    """The comparison of two runs: a report's lines, and whether they are the same."""

    lines: tuple[str, ...]
    same: bool


def run_diff(first: str, second: str, bot_spec: Path) -> None:
    """Compare two runs and print the report.

    Raises CannotCompareError or UsageError where they cannot be compared; typer.Exit where they differ.
    """
    spec = _spec(bot_spec)
    try:
        found = asyncio.run(_diff(first, second, spec))
    except UsageError:
        raise
    except (CliError, MeshError, JetStreamError, NotABridgesError, TooManyRunsError, DecodeError, OSError) as error:
        raise CannotCompareError(f"the runs cannot be compared: {error}") from None
    print("\n".join(found.lines))
    if not found.same:
        raise typer.Exit(EXIT_DIFFERENT)


def _spec(bot_spec: Path) -> BotSpec:
    try:
        return load_bot_spec(bot_spec).spec
    except SpecError as error:
        raise UsageError(str(error)) from None


async def _diff(first: str, second: str, spec: BotSpec) -> _Result:
    names = (parse_run(first), parse_run(second))
    channels = causal_order(spec.channels)
    if not channels:
        raise UsageError("the BotSpec declares no derived channel: there is nothing to compare.")
    async with AsyncExitStack() as stack:
        addresses = await stack.enter_async_context(servers_of(names))
        clients = {place: await stack.enter_async_context(connected(address)) for place, address in addresses.items()}
        runs = [await ArchivedRun.open(name, clients[name.place], channels[0]) for name in names]
        start_ns = [await _start_ns(run, channels[0], spec.simulation.tick_ns) for run in runs]
        same = Sameness(same_run=runs[0].run_id == runs[1].run_id, shift_ns=start_ns[1] - start_ns[0])
        found = [await _compare(channel, runs, same) for channel in channels]
        return await _report(found, runs, start_ns[0], spec)


async def _start_ns(run: ArchivedRun, world: Channel, tick_ns: int) -> int:
    """Return the simulation time of a run's tick 0, from the oldest event kept."""
    feed = await run.feed(world)
    try:
        event = await feed.next()
    finally:
        await cleanup(feed.close())
    if event is None:
        raise CannotCompareError(f"{run.name.text}: the run has no event on {world.subject}")
    return event.time_ns - tick_ns * int(getattr(payload_of(world, event), "tick", 0))


async def _compare(channel: Channel, runs: Sequence[ArchivedRun], same: Sameness) -> FeedComparison:
    first, second = [await run.feed(channel) for run in runs]
    try:
        return await compare_feed(channel, first, second, same)
    finally:
        await cleanup(first.close())
        await cleanup(second.close())


async def _report(
    found: Sequence[FeedComparison], runs: Sequence[ArchivedRun], start_ns: int, spec: BotSpec
) -> _Result:
    lines = list(feed_lines(found))
    divergence = earliest([each.divergence for each in found if each.divergence is not None])
    if divergence is not None:
        lines += ["", *divergence_lines(divergence, seconds_since(start_ns, divergence.time_ns))]
        period_ns = nanoseconds(spec.simulation.world_period_s)
        lines += input_lines(await input_events(divergence, runs, spec.channels, period_ns))
    lines += ["", *run_lines(runs, _run_differences(runs))]
    lines.append("The runs differ." if divergence is not None else "The runs are the same.")
    return _Result(tuple(lines), divergence is None)


def earliest(found: Sequence[Divergence]) -> Divergence | None:
    """Return the difference that can have caused the others: the first in time, and then in the order given."""
    return min(found, key=lambda each: each.time_ns, default=None)


def _run_differences(runs: Sequence[ArchivedRun]) -> list[tuple[str, str, str]] | None:
    try:
        kept = [kept_inputs(run) for run in runs]
    except StartError as error:
        raise CannotCompareError(str(error)) from None
    if kept[0] is None or kept[1] is None:
        return None
    return run_differences(kept[0], kept[1])
