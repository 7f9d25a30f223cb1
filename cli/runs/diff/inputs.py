"""Inputs of a differing event: the events of other feeds that it was computed from, and the run's own inputs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

from adapters.archive.cursor import Bounds
from adapters.jetstream.codec.stored_event import StoredEvent
from botspec.channels import Channel
from cli.local_mesh.storage.new_run import RUN_FILE, RUNS_DIR, SIM_DIR
from cli.runs.diff.archived_run import ArchivedRun
from cli.runs.diff.compare import Divergence, payload_of
from mesh.clock import NS_PER_S
from mesh.tasks import cleanup
from qiki.radar.v1.radar_pb2 import RadarFrame
from qiki.sim.v1.commands_pb2 import CommandRecord
from qiki.sim.v1.world_pb2 import WorldSnapshot
from svc_sim.durability.journal import JOURNAL_FILE
from svc_sim.durability.journal_file import parse

WORLD: Final = WorldSnapshot.DESCRIPTOR.full_name
FRAMES: Final = RadarFrame.DESCRIPTOR.full_name
RUN_INPUTS: Final = (
    *("start_time", "seed", "bot_id", "tick_ns", "last_tick", "scenario_digest", "bot_spec_digest"),
    *("code_digest", "platform_digest"),
)


@dataclass(frozen=True, slots=True)
class InputPair:
    """One input event of a differing event, in both runs; None where it is not archived."""

    channel: Channel
    first: StoredEvent | None
    second: StoredEvent | None


async def input_events(
    divergence: Divergence, runs: Sequence[ArchivedRun], channels: Sequence[Channel], world_period_ns: int
) -> list[InputPair]:
    """Return the newest input of a differing event on each feed that it was computed from.

    Tracks and alarms are made of a frame, a frame and a reading of the world until their time. The world has no input
    events.

    Raises:
        MeshError, NotABridgesError: an event cannot be read.
    """
    by_type = {channel.type: channel for channel in channels}
    one, other = divergence.first or divergence.second, divergence.second or divergence.first
    if divergence.channel.type == WORLD or one is None or other is None:
        return []
    payload: Any = payload_of(divergence.channel, one)
    if "frame_sequence" in payload.DESCRIPTOR.fields_by_name and FRAMES in by_type:
        sequence = int(payload.frame_sequence)
        bounds = [Bounds(from_sequence=sequence, until_sequence=sequence)] * len(runs)
        return [await _pair(by_type[FRAMES], runs, bounds)]
    if WORLD not in by_type:
        return []
    return [await _pair(by_type[WORLD], runs, [_until(event.time_ns, world_period_ns) for event in (one, other)])]


def _until(time_ns: int, period_ns: int) -> Bounds:
    return Bounds(from_time_ns=time_ns - period_ns + 1, until_time_ns=time_ns)


async def _pair(channel: Channel, runs: Sequence[ArchivedRun], bounds: Sequence[Bounds]) -> InputPair:
    found = [await _newest(run, channel, each) for run, each in zip(runs, bounds, strict=True)]
    return InputPair(channel, found[0], found[1])


async def _newest(run: ArchivedRun, channel: Channel, bounds: Bounds) -> StoredEvent | None:
    feed, newest = await run.feed(channel, bounds), None
    try:
        while (event := await feed.next()) is not None:
            newest = event
    finally:
        await cleanup(feed.close())
    return newest


@dataclass(frozen=True, slots=True)
class KeptInputs:
    """A run's own inputs from its state directory: the fields of its file, and its applied and refused commands."""

    fields: Mapping[str, str]
    commands: tuple[str, ...]


def kept_inputs(run: ArchivedRun) -> KeptInputs | None:
    """Return the inputs in a run's state directory; None for a run that was named by an address, or without its file.

    Raises:
        StartError: its command journal is damaged.
    """
    directory = run.name.directory
    if directory is None:
        return None
    for path in (directory / SIM_DIR, directory / RUNS_DIR / run.run_id):
        fields = _run_fields(path / RUN_FILE)
        if fields.get("run_id") == run.run_id:
            return KeptInputs(fields, _commands(path / JOURNAL_FILE))
    return None


def _run_fields(path: Path) -> dict[str, str]:
    try:
        found, _end = json.JSONDecoder().raw_decode(path.read_text(encoding="utf-8"))  # a checksum follows
    except (OSError, ValueError):
        return {}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def _commands(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        return ()
    records = [CommandRecord.FromString(body) for body in parse(path, path.read_bytes(), 0).bodies[1:]]
    return tuple(
        f"tick {record.result.tick}: {' '.join(str(record.command).split())}"
        for record in records
        if record.HasField("command")
    )


def run_differences(first: KeptInputs, second: KeptInputs) -> list[tuple[str, str, str]]:
    """Return the run's differing inputs, and its first differing command: name, first value, second value."""
    found = [
        (name, first.fields.get(name, "absent"), second.fields.get(name, "absent"))
        for name in RUN_INPUTS
        if first.fields.get(name) != second.fields.get(name)
    ]
    for number, (one, other) in enumerate(zip_longest(first.commands, second.commands, fillvalue="none"), start=1):
        if one != other:
            found.append((f"command {number}", one, other))
            break
    return found


def seconds_since(start_ns: int, time_ns: int) -> str:
    """Return the time since a start, in seconds."""
    return f"{(time_ns - start_ns) / NS_PER_S:.3f} s"
