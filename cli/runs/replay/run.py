"""Implementation of `qiki replay`: fold the archived frames, compare event by event, report the result."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from google.protobuf.message import DecodeError, Message
from rich.console import Console

from adapters.archive.cursor import Bounds
from adapters.archive.index import TooManyRunsError
from adapters.archive.opening import OpenRequest
from adapters.archive.playback_speed import PlaybackSpeed
from adapters.archive.reading import ArchivedEvents
from adapters.jetstream.client.errors import JetStreamError
from adapters.jetstream.codec.stored_event import NotABridgesError
from botspec.channels import Channel
from botspec.model import load_bot_spec
from botspec.yaml_source import SpecError
from cli.demo.progress import Meter, open_meter
from cli.errors import CliError, UsageError
from cli.local_mesh.jetstream import connected
from cli.runs.replay.archived_output import LATE_S, ArchivedOutput, Comparison
from cli.runs.replay.track_replay import LeftOutError, TrackReplay
from mesh.serving.errors import MeshError, StartError
from mesh.tasks import cleanup
from qiki.radar.v1.radar_pb2 import RadarFrame
from qiki.radar.v1.track_pb2 import TrackSet
from qiki.tracker.v1.guard_pb2 import GuardEvent
from svc_tracker.config import Rules, to_rules

# The tracker's outputs, by the type's name: the noun for one event, and the type.
OUTPUTS: Final[Mapping[str, tuple[str, type[Message]]]] = {
    TrackSet.DESCRIPTOR.full_name: ("track set", TrackSet),
    GuardEvent.DESCRIPTOR.full_name: ("guard event", GuardEvent),
}


@dataclass(slots=True)
class Replay:
    """Result of a replay: frames folded, frames refused, and the comparisons by name."""

    run_id: str
    frames: int = 0
    refused: int = 0
    found: dict[str, Comparison] = field(default_factory=dict)

    @property
    def first_difference(self) -> str:
        """The first difference on each feed; empty if there is none."""
        return "\n".join(each.first for each in self.found.values() if each.first)


@dataclass(frozen=True, slots=True)
class Subject:
    """Subject of a replay: the channels of the frames and of the tracker's outputs, and the tracker's rules."""

    frames: Channel
    outputs: Mapping[str, Channel]
    rules: Rules


def run_replay(nats_url: str, run_id: str | None, speed: float, bot_spec: Path) -> None:
    """Replay a run and show the result. Raises CliError where an event differs, or cannot be read."""
    subject = _subject(bot_spec)
    with open_meter(Console()) as meter:
        replay = asyncio.run(_replay(nats_url, run_id or "", PlaybackSpeed(speed), subject, meter))
    print(summary(replay))
    if replay.first_difference:
        raise CliError(f"the tracker's events are not those archived; the first difference:\n{replay.first_difference}")


def summary(replay: Replay) -> str:
    """Return the result of a replay, in a few lines."""
    compared = " and ".join(f"{each.compared} {name}s" for name, each in replay.found.items())
    lines = [f"run {replay.run_id}", f"{replay.frames} frames folded, {compared} compared"]
    if replay.refused:
        lines.append(f"{replay.refused} frames left out by the tracker, as they were in the run")
    for name, each in replay.found.items():
        if each.trimmed:
            lines.append(f"the first {each.trimmed} {name}s are no longer archived, and were not compared")
    differing = sum(each.differing for each in replay.found.values())
    lines.append(f"{differing} differ" if differing else "all the same, to the byte")
    return "\n".join(lines)


async def _replay(nats_url: str, run_id: str, speed: PlaybackSpeed, subject: Subject, meter: Meter) -> Replay:
    """Fold the frames archived now, each when it is due, and compare the output as it is produced.

    1. The frames start with frame 1: a tracker that starts later has another state.
    2. Tracks and guard events start with the oldest archived one.
    """
    first = OpenRequest(None, run_id, from_oldest=False, bounds=Bounds(from_sequence=1), until_newest=True)
    async with connected(nats_url) as client:
        try:
            async with AsyncExitStack() as stack:
                frames = await ArchivedEvents.open(client, subject.frames, first)
                stack.push_async_callback(_close, frames)
                outputs = {}
                for type_name, channel in subject.outputs.items():
                    output = ArchivedOutput(client, channel, frames.opening.cursor.run_id, OUTPUTS[type_name][0])
                    stack.push_async_callback(_close, output)
                    await output.open()
                    outputs[type_name] = output
                return await _fold(frames, outputs, subject.rules, speed, meter)
        except (MeshError, JetStreamError, NotABridgesError, TooManyRunsError, DecodeError) as error:
            raise CliError(f"the run cannot be replayed: {error}") from None


async def _close(reading: ArchivedEvents | ArchivedOutput) -> None:
    await cleanup(reading.close())


async def _fold(
    frames: ArchivedEvents, outputs: Mapping[str, ArchivedOutput], rules: Rules, speed: PlaybackSpeed, meter: Meter
) -> Replay:
    run_id, last_frame = frames.opening.cursor.run_id, frames.opening.newest.sequence
    replay, tracker = Replay(run_id), TrackReplay(run_id, rules)
    replay.found = {output.name: output.found for output in outputs.values()}
    while (event := await frames.next(LATE_S)) is not None:
        await asyncio.sleep(speed.wait_s(event.time_ns))
        replay.frames = event.sequence
        meter.show("folding, frames", event.sequence, last_frame)
        try:
            made = tracker.step(RadarFrame.FromString(event.payload), event.context)
        except LeftOutError:
            replay.refused += 1
            continue
        for each in (*made.track_sets, *made.guard_events):
            if (output := outputs.get(each.DESCRIPTOR.full_name)) is not None:
                await output.compare(each)
    if not frames.over:
        raise CliError(f"the run cannot be replayed: frame {replay.frames + 1} did not come within {LATE_S:g} s")
    for type_name, output in outputs.items():
        output.look_for_more(OUTPUTS[type_name][1], last_frame)
    return replay


def _subject(bot_spec: Path) -> Subject:
    """Return the subject from the BotSpec; raises UsageError where the BotSpec does not suffice for a replay."""
    try:
        spec = load_bot_spec(bot_spec).spec
        rules = to_rules(spec)
    except (SpecError, StartError) as error:
        raise UsageError(str(error)) from None
    by_type = {channel.type: channel for channel in spec.channels}
    names = (RadarFrame.DESCRIPTOR.full_name, TrackSet.DESCRIPTOR.full_name)
    if missing := [name for name in names if name not in by_type]:
        raise UsageError(f"the BotSpec has no channel for {' and '.join(missing)}: there is nothing to replay.")
    outputs = {name: by_type[name] for name in OUTPUTS if name in by_type}
    return Subject(by_type[RadarFrame.DESCRIPTOR.full_name], outputs, rules)
