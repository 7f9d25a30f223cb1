"""Implementation of `qiki replay --set`: an archived run's frames through a tracker with other settings."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from google.protobuf.message import DecodeError
from rich.console import Console

from adapters.archive.cursor import Bounds
from adapters.archive.index import TooManyRunsError
from adapters.archive.opening import OpenRequest
from adapters.archive.reading import ArchivedEvents
from adapters.jetstream.client.errors import JetStreamError
from adapters.jetstream.codec.stored_event import NotABridgesError
from botspec.channels import Channel
from botspec.override import Setting, load_changed, parse_setting
from botspec.yaml_source import SpecError
from cli.demo.plot.radar_plot import MatplotlibMissingError
from cli.demo.progress import Meter, open_meter
from cli.errors import CliError, UsageError
from cli.local_mesh.jetstream import connected
from cli.runs.diff.sameness import Difference, Sameness
from cli.runs.replay.archived_output import LATE_S
from cli.runs.replay.track_history import TrackHistory
from cli.runs.replay.track_replay import LeftOutError, TrackReplay
from cli.runs.replay.trail_plot import draw_trails
from mesh.clock import NS_PER_S
from mesh.serving.errors import MeshError, NotFoundError, RunUnknownError, StartError
from mesh.tasks import cleanup
from qiki.radar.v1.radar_pb2 import RadarFrame
from qiki.radar.v1.track_pb2 import TrackSet
from svc_tracker.config import Rules, to_rules

# The sections of a BotSpec that a replay of the tracker depends on.
SECTIONS: Final = ("tracker", "identity_policy", "guard_rules")
MAX_FIELDS: Final = 8


@dataclass(slots=True)
class Change:
    """The archived tracks and those of the changed settings; `first` describes the first set that differs."""

    run_id: str
    frames: int = 0
    compared: int = 0
    differing: int = 0
    first: tuple[str, Sequence[Difference]] | None = None
    archived: TrackHistory = field(default_factory=TrackHistory)
    changed: TrackHistory = field(default_factory=TrackHistory)


@dataclass(frozen=True, slots=True)
class _Subject:
    """The channels to read, and the changed rules."""

    frames: Channel
    tracks: Channel
    rules: Rules


def run_changed(
    nats_url: str, run_id: str | None, bot_spec: Path, settings: Sequence[str], picture: Path | None
) -> None:
    """Recompute a run with changed settings, and show the change in its tracks.

    Raises UsageError for a setting that cannot be used, and CliError where the run cannot be read.
    """
    subject = _subject(bot_spec, settings)
    with open_meter(Console()) as meter:
        try:
            change = asyncio.run(_recompute(nats_url, run_id or "", subject, meter))
        except (MeshError, JetStreamError, NotABridgesError, TooManyRunsError, DecodeError) as error:
            raise CliError(f"the run cannot be replayed: {error}") from None
    print("\n".join(change_lines(change, settings)))
    if picture is not None:
        try:
            draw_trails(change.archived.trails(), change.changed.trails(), ", ".join(settings), picture)
        except MatplotlibMissingError as error:
            print(error)
            return
        print(f"The picture is {picture.absolute()}: the confirmed tracks, archived and with the settings.")


def _subject(bot_spec: Path, texts: Sequence[str]) -> _Subject:
    try:
        settings = [parse_setting(text) for text in texts]
    except ValueError as error:
        raise UsageError(f"--set {error}.") from None
    for setting in settings:
        _check_section(setting)
    try:
        spec = load_changed(bot_spec, settings)
        rules = to_rules(spec)
    except (SpecError, StartError) as error:
        raise UsageError(f"--set: {error}") from None
    by_type = {channel.type: channel for channel in spec.channels}
    names = (RadarFrame.DESCRIPTOR.full_name, TrackSet.DESCRIPTOR.full_name)
    if missing := [name for name in names if name not in by_type]:
        raise UsageError(f"the BotSpec has no channel for {' and '.join(missing)}: there is nothing to replay.")
    return _Subject(by_type[names[0]], by_type[names[1]], rules)


def _check_section(setting: Setting) -> None:
    if setting.loc[0] not in SECTIONS:
        raise UsageError(
            f"--set {setting.text}: a replay computes the tracks from the archived frames, which depend on "
            f"{', '.join(SECTIONS)} only. To change anything else, run the scenario again with another BotSpec."
        )


async def _recompute(nats_url: str, run_id: str, subject: _Subject, meter: Meter) -> Change:
    first = OpenRequest(None, run_id, from_oldest=False, bounds=Bounds(from_sequence=1), until_newest=True)
    async with connected(nats_url) as client, AsyncExitStack() as stack:
        frames = await ArchivedEvents.open(client, subject.frames, first)
        stack.push_async_callback(_close, frames)
        found_run = frames.opening.cursor.run_id
        oldest = OpenRequest(None, found_run, from_oldest=True, bounds=Bounds(), until_newest=True)
        try:
            tracks = await ArchivedEvents.open(client, subject.tracks, oldest)
        except (RunUnknownError, NotFoundError):
            raise CliError(f"run {found_run} has no archived tracks to compare with") from None
        stack.push_async_callback(_close, tracks)
        return await _fold(Change(found_run), frames, _ArchivedSets(tracks), subject.rules, meter)


async def _close(events: ArchivedEvents) -> None:
    await cleanup(events.close())


class _ArchivedSets:
    """The archived sets of tracks, frame by frame."""

    def __init__(self, events: ArchivedEvents) -> None:
        self._events = events
        self._next: TrackSet | None = None

    async def of_frame(self, sequence: int) -> list[TrackSet]:
        """Return the parts of a frame's set: empty where none is archived. Call with rising sequences."""
        found: list[TrackSet] = []
        while True:  # bounded by the archived events
            track_set = self._next or await self._read()
            if track_set is None:
                return found
            self._next = track_set
            if track_set.frame_sequence > sequence:
                return found
            self._next = None
            if track_set.frame_sequence == sequence:
                found.append(track_set)

    async def _read(self) -> TrackSet | None:
        event = await self._events.next(LATE_S)
        return None if event is None else TrackSet.FromString(event.payload)


async def _fold(change: Change, frames: ArchivedEvents, sets: _ArchivedSets, rules: Rules, meter: Meter) -> Change:
    tracker, start_ns = TrackReplay(change.run_id, rules), 0
    while (event := await frames.next(LATE_S)) is not None:
        start_ns = start_ns or event.time_ns
        change.frames = event.sequence
        meter.show("folding, frames", event.sequence, frames.opening.newest.sequence)
        try:
            made = tracker.step(RadarFrame.FromString(event.payload), event.context).track_sets
        except LeftOutError:
            made = ()
        archived = await sets.of_frame(event.sequence)
        if archived or change.compared:
            where = f"frame {event.sequence}, {(event.time_ns - start_ns) / NS_PER_S:.1f} s after the first"
            _compare(change, where, archived, made)
    if not frames.over:
        raise CliError(f"the run cannot be replayed: frame {change.frames + 1} did not come within {LATE_S:g} s")
    return change


def _compare(change: Change, where: str, archived: Sequence[TrackSet], made: Sequence[TrackSet]) -> None:
    change.compared += 1
    for one in archived:
        change.archived.take(one)
    for other in made:
        change.changed.take(other)
    if [one.SerializeToString(deterministic=True) for one in archived] == [
        other.SerializeToString(deterministic=True) for other in made
    ]:
        return
    change.differing += 1
    if change.first is None:
        same = Sameness(same_run=True, shift_ns=0)
        fields = [each for pair in zip(archived, made, strict=False) for each in same.differences(*pair)]
        change.first = where, fields


def change_lines(change: Change, settings: Sequence[str]) -> list[str]:
    """Return the report: the number of differing sets, the first one's fields, and a table of the tracks."""
    lines = [f"run {change.run_id}, with {', '.join(settings)}"]
    lines.append(f"{change.frames} frames folded; {change.differing} of {change.compared} sets of tracks differ")
    if change.first is not None:
        where, fields = change.first
        lines.append(f"the first one is that of {where}:")
        lines += [f"  {path}: {one} archived, {other} with the settings" for path, one, other in fields[:MAX_FIELDS]]
        if len(fields) > MAX_FIELDS:
            lines.append(f"  and {len(fields) - MAX_FIELDS} more fields")
    lines += ["", f"{'':36}{'archived':>12}{'changed':>12}"]
    for (name, one), (_name, other) in zip(change.archived.rows(), change.changed.rows(), strict=True):
        lines.append(f"{name:36}{one:>12}{other:>12}")
    return lines
