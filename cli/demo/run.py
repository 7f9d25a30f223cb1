"""Implementation of `qiki demo`: run to the end, wait until all is stored, read it back, evaluate it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from adapters.jetstream.client.messages import StoredMessage
from botspec.channels import Channel
from botspec.model import BotSpec, load_bot_spec
from cli.demo.checks.comparison import count_of
from cli.demo.checks.event_check import CheckedEvent
from cli.demo.checks.run_check import RunCheck
from cli.demo.feed_ends import feed_ends
from cli.demo.health_log import HealthLog
from cli.demo.outcome import Outcome, check_picture, conclude
from cli.demo.progress import Meter, StallClock, open_meter
from cli.demo.reader import RunReader, reading_order
from cli.demo.scenario import shortened
from cli.demo.statistics import track_set_problems
from cli.errors import CliError
from cli.local_mesh.files import check_files
from cli.local_mesh.jetstream import read_messages
from cli.local_mesh.mesh import Mesh, open_mesh
from cli.local_mesh.options import MeshOptions
from cli.local_mesh.ports import choose_ports
from cli.local_mesh.probe import ServiceStatus
from cli.local_mesh.processes import grpc_target, nats_url
from cli.local_mesh.run import stopping_text
from cli.local_mesh.status_display import status_line
from cli.local_mesh.supervision.shutdown import SignalShutdown
from cli.output import lossy_output

TakeEvent = Callable[[Channel, CheckedEvent], None]
"""Takes every readable event that is read back, channel after channel, each in the order of its subject."""

LOOK_INTERVAL_S = 0.2
STALL_LIMIT_S = 60.0
# A demonstration must end even if a service never starts.
START_LIMIT_S = 300.0
EXIT_INTERRUPTED = 130


def run(options: MeshOptions, duration_s: float | None, picture: Path) -> None:
    """Run the demonstration; `duration_s` cuts the scenario short.

    Raises CliError where the run stalls or fails; typer.Exit where a signal ended it.
    """
    check_files(None, options.bot_spec)
    check_picture(picture)
    with shortened(options.scenario, duration_s) as (scenario, name), lossy_output():
        asyncio.run(_run(replace(options, scenario=scenario), name, picture))


async def _run(options: MeshOptions, name: str, picture: Path) -> None:
    began_s = time.monotonic()
    outcome = None
    with open_meter(Console()) as meter:
        async with (
            SignalShutdown(lambda number: meter.say(stopping_text(number))) as shutdown,
            open_mesh(
                options, choose_ports({}, free=True), meter.say, shutdown.second, start_limit_s=START_LIMIT_S
            ) as mesh,
        ):
            meter.say(f"All are SERVING. State is in {mesh.state_dir}.")
            outcome = await Demonstration(mesh, meter, load_bot_spec(options.bot_spec).spec).outcome(name)
    if shutdown.first is not None or outcome is None:
        raise typer.Exit(EXIT_INTERRUPTED)
    conclude(outcome, picture, time.monotonic() - began_s)


class Demonstration:
    """One run of a mesh, from its start to its stored result; `takers` take the events that are read back."""

    def __init__(self, mesh: Mesh, meter: Meter, spec: BotSpec, takers: Sequence[TakeEvent] = ()) -> None:
        self._takers = takers
        self._mesh = mesh
        self._meter = meter
        self._spec = spec
        self._health = HealthLog(_pids(mesh))

    async def outcome(self, name: str) -> Outcome:
        """Return the outcome of the run of the scenario of this name.

        1. The simulator's phase becomes ENDED.
        2. Every derived feed's producer sends Ended with the number of events; the bridge has published them all.
        3. Every service has delivered its audit events. The recorded feeds, which never end, are read up to their
           current sequence; the bridge has published it too.
        4. JetStream is read back: every message is checked, and the tracks and alarms are recomputed.
        """
        run_id = await self._until_ended()
        derived = [channel for channel in self._spec.channels if channel.policy == "derived"]
        recorded = [channel for channel in self._spec.channels if channel.policy == "recorded"]
        ends: dict[str, int] = {}
        for channels in (derived, recorded):
            ends |= await feed_ends(channels, self._targets(), STALL_LIMIT_S)
            await self._until_published(ends)
            await self._until_reported()
        reader, check = RunReader(run_id, self._radars(), ends), RunCheck.of(self._spec, run_id)
        url, progress = nats_url(self._mesh.ports), self._progress(ends)
        await read_back(url, self._spec.channels, reader, check, progress=progress, takers=self._takers)
        await self._look()
        tallies, record = reader.tallies(), reader.record()
        return Outcome(
            name=name,
            record=record,
            counts=tuple(count_of(ends[each.name], tallies[each.subject]) for each in self._spec.channels),
            track_problems=tuple(track_set_problems(_frames(self._spec.channels, ends), record.track_parts)),
            content_problems=tuple(check.problems()),
            health_problems=tuple(self._health.problems()),
            checked=check.summary(),
        )

    async def _until_ended(self) -> str:
        """Return the run's id once the run has ended."""
        stall = StallClock(STALL_LIMIT_S)
        while True:  # bounded by the stall clock
            statuses = await self._look()
            facts = statuses["sim"].facts
            tick, last_tick = _whole(facts.get("tick")), _whole(facts.get("last_tick"))
            self._meter.show("simulating, tick", tick, last_tick)
            if facts.get("phase") == "ENDED":
                return str(facts.get("run_id"))
            if facts.get("phase") == "FAILED":
                raise CliError(f"the run has failed at tick {tick}: {facts.get('failure')}")
            if facts.get("phase") and not last_tick:
                raise CliError(
                    "this scenario has no end, so there is nothing to count. "
                    "Give one with --duration or `duration_s`, or run it with `qiki up`."
                )
            stall.observe((tick, facts.get("phase")), "\n".join(["", *map(status_line, statuses.values())]))
            await asyncio.sleep(LOOK_INTERVAL_S)

    async def _until_published(self, ends: Mapping[str, int]) -> None:
        stall = StallClock(STALL_LIMIT_S)
        while True:  # bounded by the stall clock
            bridge = (await self._look())["bridge"]
            reached = published(bridge.facts)
            self._meter.show("publishing, events", sum(reached.get(name, 0) for name in ends), sum(ends.values()))
            if all(reached.get(name, 0) >= end for name, end in ends.items()):
                return
            stall.observe(reached, status_line(bridge))
            await asyncio.sleep(LOOK_INTERVAL_S)

    async def _until_reported(self) -> None:
        """Return once the registrar has every audit event that a service has reported so far.

        A service that starts before the registrar tries again with growing waits, which may outlast a short run.
        """
        stall = StallClock(STALL_LIMIT_S)
        while True:  # bounded by the stall clock
            statuses = await self._look()
            waiting = {name: _whole(status.facts.get("audit_waiting")) for name, status in statuses.items()}
            if not any(waiting.values()):
                return
            stall.observe(waiting, "\n".join(["", *map(status_line, statuses.values())]))
            await asyncio.sleep(LOOK_INTERVAL_S)

    def _progress(self, ends: Mapping[str, int]) -> Callable[[int], None]:
        total = sum(ends.values())
        return lambda count: self._meter.show("reading back and checking, messages", count, total)

    def _radars(self) -> dict[str, str]:
        return {str(radar.sensor_id): radar.name for radar in self._spec.radars}

    async def _look(self) -> dict[str, ServiceStatus]:
        """Return the status of every process, by name; the health log records it."""
        statuses = await self._mesh.statuses()
        self._health.look(statuses, _pids(self._mesh))
        return {status.name: status for status in statuses}

    def _targets(self) -> dict[str, str]:
        """Return the address of each API package."""
        services = ("sim", "radar", "tracker", "registrar")
        return {f"qiki.{name}.v1": grpc_target(name, self._mesh.ports) for name in services}


async def read_back(
    url: str,
    channels: Sequence[Channel],
    reader: RunReader,
    check: RunCheck,
    *,
    progress: Callable[[int], None],
    takers: Sequence[TakeEvent] = (),
) -> None:
    """Pass every message in JetStream on the channels to all, the frames first; report the count to progress.

    Raises CliError where JetStream does not deliver them.
    """

    def open_channel(channel: Channel) -> Callable[[StoredMessage], Awaitable[None]]:
        checked, read = check.open(channel), reader.open(channel)

        async def take(message: StoredMessage) -> None:
            event = await checked(message)
            if event is not None:
                read(message, event.intact)
                for take_event in takers:
                    take_event(channel, event)
            progress(check.messages)

        return take

    await read_messages(url, reading_order(channels), open_channel)


def published(facts: Mapping[str, Any]) -> dict[str, int]:
    """Return the sequence that the bridge has reached on each channel, from the facts of its /healthz."""
    channels = facts.get("channels")
    if not isinstance(channels, Mapping):
        return {}
    return {name: _whole(channel.get("sequence")) for name, channel in channels.items() if isinstance(channel, Mapping)}


def _pids(mesh: Mesh) -> dict[str, int]:
    return {name: int(where["pid"]) for name, where in mesh.endpoints().items() if "pid" in where}


def _frames(channels: Sequence[Channel], ends: Mapping[str, int]) -> int:
    """Return the number of frames that need tracks: 0 if no tracks are bridged."""
    by_type = {channel.type: channel.name for channel in channels}
    if "qiki.radar.v1.TrackSet" not in by_type:
        return 0
    return ends.get(by_type.get("qiki.radar.v1.RadarFrame", ""), 0)


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
