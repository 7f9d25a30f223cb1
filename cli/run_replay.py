"""What `qiki replay` does: fold the archived frames, compare set by set, say what came of it."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError
from rich.console import Console

from adapters.archive.cursor import Bounds
from adapters.archive.index import TooManyRunsError
from adapters.archive.opening import Wanted
from adapters.archive.pace import Pace
from adapters.archive.reading import ArchivedEvents
from adapters.jetstream.history import HistoryUnavailableError
from adapters.jetstream.stored_event import NotABridgesError, StoredEvent
from botspec.channels import Channel
from botspec.example import example_bot_spec
from botspec.model import load_bot_spec
from botspec.yaml_source import SpecError
from cli.errors import CliError, UsageError
from cli.jetstream import connected
from cli.message_difference import first_difference
from cli.progress import Meter, open_meter
from mesh.errors import MeshError, StartError
from mesh.tasks import cleanup
from qiki.radar.v1.radar_pb2 import RadarFrame
from qiki.radar.v1.track_pb2 import TrackSet
from svc_tracker import wire
from svc_tracker.config import Rules, to_rules
from svc_tracker.domain.frame import FrameError
from svc_tracker.domain.tracker import Tracker

# The bridge carries frames and tracks each at its own pace: a set that is not there yet may be on its way.
LATE_S = 5.0


@dataclass(slots=True)
class Replay:
    """What came of a replay: how much was folded and compared, and each difference in a sentence, the first kept."""

    run_id: str
    frames: int = 0
    refused: int = 0
    compared: int = 0
    trimmed: int = 0
    differing: int = 0
    first: str = ""

    def differ(self, what: str) -> None:
        """Take note of a difference."""
        self.differing += 1
        self.first = self.first or what


@dataclass(frozen=True, slots=True)
class Subject:
    """What is replayed: the channels of the frames and of the tracks, and the rules that made these of those."""

    frames: Channel
    tracks: Channel
    rules: Rules


class Folding:
    """The tracker as the service runs it: frames in, sets of tracks out, with the sequences they get there."""

    def __init__(self, run_id: str, rules: Rules) -> None:
        self.sequence = 0
        self._ids = wire.TrackIds(uuid.UUID(run_id))
        self._tracker = Tracker(rules.model, rules.identity)

    def sets(self, frame: RadarFrame, frame_sequence: int) -> Sequence[tuple[int, TrackSet]]:
        """Return the sets after a frame with their sequences; raises FrameError for one that the tracker refuses."""
        table = self._tracker.step(wire.to_frame(frame))
        found = wire.to_track_sets(table, frame, frame_sequence, self._ids)
        first, self.sequence = self.sequence + 1, self.sequence + len(found)
        return list(enumerate(found, start=first))


def run_replay(nats_url: str, run_id: str | None, speed: float, bot_spec: Path | None) -> None:
    """Replay a run and show what came of it. Raises CliError where something differs, or cannot be read."""
    subject = _subject(bot_spec)
    with open_meter(Console()) as meter:
        replay = asyncio.run(_replay(nats_url, run_id or "", Pace(speed), subject, meter))
    print(summary(replay))
    if replay.differing:
        raise CliError(f"the tracks are not those archived; the first difference:\n{replay.first}")


def summary(replay: Replay) -> str:
    """Return what came of a replay, in a few lines."""
    lines = [f"run {replay.run_id}", f"{replay.frames} frames folded, {replay.compared} track sets compared"]
    if replay.refused:
        lines.append(f"{replay.refused} frames refused by the tracker, as they were in the run")
    if replay.trimmed:
        lines.append(f"the first {replay.trimmed} track sets are no longer archived, and were not compared")
    lines.append(f"{replay.differing} differ" if replay.differing else "all the same, to the byte")
    return "\n".join(lines)


async def _replay(nats_url: str, run_id: str, pace: Pace, subject: Subject, meter: Meter) -> Replay:
    """Fold the frames that are archived now, each as soon as it is due, and compare the sets as they come.

    1. The frames begin with frame 1: a tracker that begins later is in another state.
    2. The tracks begin with the oldest set that is archived.
    """
    first = Wanted(None, run_id, from_oldest=False, bounds=Bounds(from_sequence=1), until_newest=True)
    try:
        async with connected(nats_url) as client, _opened(client, subject.frames, first) as frames:
            run_id = frames.opening.cursor.run_id
            oldest = Wanted(None, run_id, from_oldest=True, bounds=Bounds(), until_newest=False)
            async with _opened(client, subject.tracks, oldest) as tracks:
                return await _fold(frames, tracks, subject.rules, pace, meter)
    except (MeshError, HistoryUnavailableError, NotABridgesError, TooManyRunsError, DecodeError) as error:
        raise CliError(f"the run cannot be replayed: {error}") from None


async def _fold(frames: ArchivedEvents, tracks: ArchivedEvents, rules: Rules, pace: Pace, meter: Meter) -> Replay:
    run_id, last_frame = frames.opening.cursor.run_id, frames.opening.newest.sequence
    replay, folding = Replay(run_id), Folding(run_id, rules)
    replay.trimmed = tracks.opening.cursor.place.sequence
    while (event := await frames.next(LATE_S)) is not None:
        await asyncio.sleep(pace.wait_s(event.time_ns))
        replay.frames = event.sequence
        meter.show("folding, frames", event.sequence, last_frame)
        try:
            found = folding.sets(RadarFrame.FromString(event.payload), event.sequence)
        except FrameError:
            replay.refused += 1
            continue
        for sequence, track_set in found:
            if sequence <= replay.trimmed:
                continue
            archived = await tracks.next(LATE_S)
            _compare(replay, sequence, track_set, archived)
            if archived is None:
                return replay
    if not frames.over:
        raise CliError(f"the run cannot be replayed: frame {replay.frames + 1} did not come within {LATE_S:g} s")
    _look_for_more(replay, folding, last_frame, tracks.opening.newest)
    return replay


def _compare(replay: Replay, sequence: int, folded: TrackSet, archived: StoredEvent | None) -> None:
    where = f"track set {sequence}, after frame {folded.frame_sequence} at {folded.time.ToJsonString()}"
    if archived is None:
        replay.differ(f"{where}: is not archived, and what follows was not compared")
        return
    replay.compared += 1
    if archived.payload != folded.SerializeToString(deterministic=True):
        found = TrackSet.FromString(archived.payload)
        replay.differ(f"{where}: {first_difference(found, folded) or 'the same fields, other bytes'}")


def _look_for_more(replay: Replay, folding: Folding, last_frame: int, newest: StoredEvent) -> None:
    """Note where more sets are archived than the frames make; those of later frames are no difference."""
    if newest.sequence > folding.sequence and TrackSet.FromString(newest.payload).frame_sequence <= last_frame:
        replay.differ(f"{newest.sequence - folding.sequence} track sets are archived that no frame makes")


@asynccontextmanager
async def _opened(client: object, channel: Channel, wanted: Wanted) -> AsyncIterator[ArchivedEvents]:
    events = await ArchivedEvents.open(client, channel, wanted)
    try:
        yield events
    finally:
        await cleanup(events.close())


def _subject(bot_spec: Path | None) -> Subject:
    """Return what the BotSpec says of frames and tracks; raises UsageError where it cannot be replayed by it."""
    try:
        spec = load_bot_spec(bot_spec or example_bot_spec()).spec
        rules = to_rules(spec)
    except (SpecError, StartError) as error:
        raise UsageError(str(error)) from None
    by_type = {channel.type: channel for channel in spec.channels}
    names = (RadarFrame.DESCRIPTOR.full_name, TrackSet.DESCRIPTOR.full_name)
    if missing := [name for name in names if name not in by_type]:
        raise UsageError(f"the BotSpec has no channel for {' and '.join(missing)}: there is nothing to replay.")
    return Subject(by_type[names[0]], by_type[names[1]], rules)
