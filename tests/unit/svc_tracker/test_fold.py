"""The tracker's fold on real files: its resumption after a restart, and its state after a frame that makes it fail."""

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from prometheus_client import CollectorRegistry

import svc_tracker.fold
from botspec.example import example_bot_spec
from botspec.model import load_bot_spec
from code_proofs import prove, waiting
from mesh.feeds.feed import Feed, FeedSettings, FlowControl
from mesh.feeds.identity import event_id
from mesh.feeds.notifier import Notifier
from mesh.feeds.ring import Retention
from mesh.folds.quarantine import Quarantine
from mesh.folds.runner import FoldReports
from mesh.serving.health import Health
from qiki.common.v1.geometry_pb2 import Pose, Quaternion, Vector3d
from qiki.common.v1.stream_pb2 import EventContext, Run
from qiki.radar.v1.radar_pb2 import RadarDetection, RadarFrame
from qiki.tracker.v1.tracker_service_pb2 import WatchGuardResponse, WatchTracksResponse
from qiki_sdk import Event
from qiki_sdk.audit import AuditReporter
from qiki_sdk.codes import (
    CHECKPOINT_DAMAGED,
    FAULT,
    FRAME_REFUSED,
    GAP,
    INPUT_QUARANTINED,
    TRACKS_FLOWING,
    TRACKS_SUMMARY,
)
from radar_messages import MODEL, eastbound, frame_of
from svc_tracker.checkpoints.store import Checkpointing
from svc_tracker.config import to_rules
from svc_tracker.domain.guard.guard import Guard
from svc_tracker.domain.state.tracks import TrackStatus
from svc_tracker.domain.tracker import Tracker
from svc_tracker.fold import Outputs, TrackerFold
from svc_tracker.metrics import TrackerMetrics

pytestmark = pytest.mark.asyncio

RUN = Run(
    run_id="0b6e1c1e-0000-4000-8000-0000000000aa",
    start_time=Timestamp(seconds=1_767_225_600),
    bot_id="qiki-01",
    tick_ns=1_000_000_000,
)
Events = dict[str, dict[int, bytes]]  # digests by feed and sequence
RULES = to_rules(load_bot_spec(example_bot_spec()).spec)
READERS = ("bridge",)
PERIOD_S = 10.0
LAST = 40
WAIT_S = 20.0


def frame(sequence: int) -> Event[RadarFrame]:
    """Return a second's frame: one target approaches from the north at 90 m/s, another crosses."""
    time = Timestamp(seconds=RUN.start_time.seconds + sequence)
    approaching = RadarDetection(range_m=6_000.0 - 90.0 * sequence, bearing_deg=0.5, vr_mps=-90.0, snr_db=20)
    made = frame_of(sequence, approaching, eastbound(sequence, 9_000.0))
    made.timestamp.CopyFrom(time)
    made.tick = sequence
    made.sensor_model.CopyFrom(MODEL)
    made.sensor_pose.CopyFrom(Pose(position=Vector3d(), velocity=Vector3d(), attitude=Quaternion(w=1.0)))
    context = EventContext(sequence=sequence, run_id=RUN.run_id, time=time)
    return Event(made, context, f"frame {sequence}")


def make_outputs() -> Outputs:
    confirmations = Notifier()
    retention = Retention(10**15, 10**9)
    tracks, guard = (FeedSettings(name, retention, READERS, FlowControl.LOSSLESS) for name in ("tracks", "guard"))
    return Outputs(
        Feed(tracks, WatchTracksResponse, "track_set", confirmations=confirmations),
        Feed(guard, WatchGuardResponse, "guard_event", confirmations=confirmations),
    )


class Trail(AuditReporter):
    """An audit trail that keeps its events for inspection."""

    def __init__(self) -> None:
        super().__init__("", "svc_tracker")
        self.reports: list[tuple[str, str, dict[str, object]]] = []

    def report(self, code: Any, message: str = "", **facts: Any) -> str:
        self.reports.append((code.name, message, facts))
        return super().report(code, message, **facts)

    def of(self, name: str) -> list[dict[str, object]]:
        return [facts for code, _, facts in self.reports if code == name]


@dataclass
class Folding:
    fold: TrackerFold
    outputs: Outputs
    audit: Trail
    registry: CollectorRegistry
    keeping: asyncio.Task[None]

    async def take(self, sequences: Iterable[int]) -> None:
        for sequence in sequences:
            await self.fold.take(frame(sequence))
            await self.until(lambda: self.fold._keeper is None or self.fold._keeper.is_free)

    def confirm(self, through_frame: int) -> None:
        """Confirm both outputs for all frames up to this one, as the bridge does."""
        for feed in (self.outputs.tracks, self.outputs.guard):
            end_ns = (RUN.start_time.seconds + through_frame) * 10**9
            last = feed.store.oldest_sequence - 1
            while (entry := feed.store.get(last + 1)) is not None and entry.time_ns <= end_ns:
                last += 1
            feed.confirm("bridge", feed.place(last).encode())

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not holds():  # noqa: ASYNC110 (a thread sets no event of ours)
                await asyncio.sleep(0)

    def state(self) -> tuple[bytes, bytes, Events]:
        return self.fold._tracker.snapshot(), self.fold._guard.guard.snapshot(), self.events()

    def events(self) -> Events:
        """Return the digests of all events kept, by feed and sequence."""
        return {
            feed.name: {
                sequence: feed.store.digest_at(sequence) or b""
                for sequence in range(feed.store.oldest_sequence, feed.store.last_sequence + 1)
            }
            for feed in (self.outputs.tracks, self.outputs.guard)
        }


@asynccontextmanager
async def folding(
    directory: Path | None, *, from_scratch: bool = False, period_s: float = PERIOD_S
) -> AsyncIterator[Folding]:
    """Fold as the service does, from the position in its files; leaving the block is the process's death."""
    outputs, audit, registry = make_outputs(), Trail(), CollectorRegistry()
    reports = FoldReports(audit, Quarantine(audit, registry, "frames"), Health("x", stall_s=60.0).loop("follower"))
    checkpointing = Checkpointing(directory, period_s)
    fold = await TrackerFold.open(
        RUN, outputs, RULES, checkpointing, reports, metrics=TrackerMetrics(registry), from_scratch=from_scratch
    )
    for feed in (outputs.tracks, outputs.guard):
        feed.begin(RUN)
    fold.begin()
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(fold.keep())
        yield Folding(fold, outputs, audit, registry, keeping)
        keeping.cancel()


@pytest.fixture(scope="module")
def undisturbed() -> Events:
    return asyncio.run(run_undisturbed())


async def run_undisturbed() -> Events:
    async with folding(None) as it:
        await it.take(range(1, LAST + 1))
        events = it.events()
    assert len(events["tracks"]) == LAST
    assert events["guard"], "the scene raises alarms"
    return events


def merged(*parts: Events) -> Events:
    """Return the merged events of several processes, as the bridge writes them; common events must be equal."""
    found: Events = {"tracks": {}, "guard": {}}
    for part in parts:
        for name, events in part.items():
            for sequence, digest in events.items():
                assert found[name].setdefault(sequence, digest) == digest, "one event, one content"
    return found


def checkpoints(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.glob("*.checkpoint"))


# -- restarts ----------------------------------------------------------------------------------------------------------


async def test_a_restart_without_confirmations_starts_at_the_first_frame(tmp_path: Path, undisturbed: Events) -> None:
    async with folding(tmp_path) as first:
        await first.take(range(1, 26))
        assert first.fold.safe_token() == ""
    assert len(checkpoints(tmp_path)) == 2
    async with folding(tmp_path) as again:
        assert again.fold.start_token == ""
        await again.take(range(1, LAST + 1))
        assert again.events() == undisturbed


async def test_a_restart_resumes_after_the_newest_confirmed_checkpoint_and_makes_the_same_events(
    tmp_path: Path, undisturbed: Events
) -> None:
    async with folding(tmp_path) as first:
        await first.take(range(1, 36))
        first.confirm(25)
        await first.until(lambda: first.fold.safe_token() == "frame 20")
        before = first.events()
    async with folding(tmp_path) as again:
        assert (again.fold.start_token, again.fold.safe_token()) == ("frame 20", "frame 20")
        await again.take(range(21, LAST + 1))
        assert merged(before, again.events()) == undisturbed


async def test_checkpoints_are_taken_at_the_same_frames_before_and_after_a_restart(tmp_path: Path) -> None:
    async with folding(tmp_path) as first:
        await first.take(range(1, 32))
        first.confirm(31)
        await first.until(lambda: first.fold.safe_token() == "frame 30")
    async with folding(tmp_path) as again:
        await again.take(range(31, LAST + 1))
        again.confirm(LAST)
        await again.until(lambda: again.fold.safe_token() == "frame 40")


async def test_with_a_checkpoint_at_every_frame_the_first_one_after_a_restart_has_one_too(tmp_path: Path) -> None:
    async with folding(tmp_path, period_s=1.0) as first:
        await first.take(range(1, 6))
        first.confirm(4)
        await first.until(lambda: first.fold.safe_token() == "frame 4")
    async with folding(tmp_path, period_s=1.0) as again:
        await again.take([5])
        assert [name.lstrip("0") for name in checkpoints(tmp_path)] == ["3.checkpoint", "4.checkpoint", "5.checkpoint"]


async def test_a_checkpoint_that_one_output_has_not_confirmed_is_not_safe(tmp_path: Path) -> None:
    async with folding(tmp_path) as it:
        await it.take(range(1, LAST + 1))
        assert it.outputs.guard.store.last_sequence > 0
        it.outputs.tracks.confirm("bridge", it.outputs.tracks.place(LAST).encode())
        await asyncio.sleep(0.1)
        first_alarm = it.outputs.guard.store.get(1)
        assert first_alarm is not None
        alarm_frame = first_alarm.time_ns // 10**9 - RUN.start_time.seconds
        safe = it.fold.safe_token()
        assert not safe or int(safe.split()[1]) < alarm_frame


async def test_a_confirmation_ahead_of_the_fold_is_not_safe_until_its_position_is_reached(tmp_path: Path) -> None:
    async with folding(None) as other:
        await other.take(range(1, LAST + 1))
        ahead = {
            feed.name: feed.place(feed.store.last_sequence).encode()
            for feed in (other.outputs.tracks, other.outputs.guard)
        }
    async with folding(tmp_path) as it:
        for feed in (it.outputs.tracks, it.outputs.guard):
            feed.confirm("bridge", ahead[feed.name])
        await it.take(range(1, LAST))
        await asyncio.sleep(0.1)
        assert it.fold.safe_token() == ""
        assert len(checkpoints(tmp_path)) == 3
        await it.take([LAST])
        await it.until(lambda: it.fold.safe_token() == f"frame {LAST}")


async def test_with_a_damaged_safe_checkpoint_the_fold_starts_at_the_first_frame_and_reports_it(
    tmp_path: Path, undisturbed: Events
) -> None:
    async with folding(tmp_path) as first:
        await first.take(range(1, 35))
        first.confirm(15)
        await first.until(lambda: first.fold.safe_token() == "frame 10")
    safe = tmp_path / checkpoints(tmp_path)[0]
    safe.write_bytes(safe.read_bytes()[:-1])
    async with folding(tmp_path) as again:
        assert again.fold.start_token == ""
        assert len(again.audit.of("CHECKPOINT_DAMAGED")) == 1
        prove(CHECKPOINT_DAMAGED, waiting(again.audit))
        await again.take(range(1, LAST + 1))
        assert again.events() == undisturbed
        assert again.audit.of("GAP") == []


async def test_missing_frames_that_no_checkpoint_covers_are_reported(tmp_path: Path) -> None:
    async with folding(tmp_path, from_scratch=True) as it:
        await it.take(range(20, 30))
        (gap,) = it.audit.of("GAP")
        prove(GAP, waiting(it.audit))
    assert (gap["feed"], gap["first"], gap["last"]) == ("frames", 1, 19)


async def test_the_first_tracks_each_minute_and_a_frame_that_cannot_be_used_are_reported() -> None:
    async with folding(None) as it:
        unusable = frame(2)
        unusable.payload.detections[0].range_m = float("nan")
        await it.fold.take(frame(1))
        await it.fold.take(unusable)
        await it.take(range(3, 70))
        prove(TRACKS_FLOWING, waiting(it.audit))
        prove(TRACKS_SUMMARY, waiting(it.audit))
        prove(FRAME_REFUSED, waiting(it.audit))


async def test_every_alarm_is_reported_under_the_id_that_the_bus_gives_it() -> None:
    async with folding(None) as it:
        await it.take(range(1, LAST + 1))
        alarms = it.outputs.guard.store.last_sequence
        assert alarms > 0
        wanted = {
            str(uuid.uuid5(uuid.UUID(event_id(RUN.run_id, "guard", sequence)), "audit"))
            for sequence in range(1, alarms + 1)
        }
        assert wanted <= {each.event_id for each in waiting(it.audit)}


async def test_after_a_start_from_scratch_nothing_is_safe_until_confirmed_again(tmp_path: Path) -> None:
    async with folding(tmp_path) as first:
        await first.take(range(1, 35))
        first.confirm(34)
        await first.until(lambda: first.fold.safe_token() == "frame 30")
    async with folding(tmp_path, from_scratch=True) as it:
        assert (it.fold.start_token, it.fold.safe_token()) == ("", "")
        await it.take(range(1, 25))
    async with folding(tmp_path) as again:
        assert again.fold.start_token == ""


async def test_without_a_directory_nothing_is_ever_safe() -> None:
    async with folding(None) as it:
        await it.take(range(1, LAST + 1))
        it.confirm(LAST)
        assert it.fold.safe_token() == ""


async def test_an_unusable_directory_disables_only_the_checkpoints(tmp_path: Path, undisturbed: Events) -> None:
    (tmp_path / "file").write_text("")
    async with folding(tmp_path / "file" / "x") as it:
        assert it.audit.of("STORAGE_FAILED")
        for sequence in range(1, LAST + 1):
            await it.fold.take(frame(sequence))
        assert it.events() == undisturbed


async def test_a_checkpoint_names_the_frame_it_was_made_from() -> None:
    async with folding(None) as it:
        await it.take(range(1, 6))
        for sequence in range(1, len(it.events()["tracks"]) + 1):
            entry = it.outputs.tracks.store.get(sequence)
            assert entry is not None
            frame_sequence = WatchTracksResponse.FromString(entry.response).track_set.frame_sequence
            assert entry.input_sequence == frame_sequence


# -- quarantine --------------------------------------------------------------------------------------------------------


class BugError(Exception):
    """A bug that occurs at one frame."""


BAD = 14  # an alarm is raised with it: it changes the states of the tracker and of the guard


def failing_at(bad: Sequence[int], error: Exception, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does the work and then fails at frames of these sequences."""

    def call(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if any(_second_of(arg) in bad for arg in args):
            raise error
        return result

    return call


def _second_of(arg: Any) -> int:
    if isinstance(arg, RadarFrame):
        return arg.timestamp.seconds - RUN.start_time.seconds
    table = getattr(arg, "table", arg)
    time_ns = getattr(table, "time_ns", None)
    return -1 if time_ns is None else int(time_ns // 10**9 - RUN.start_time.seconds)


# Where a step may fail: when it reads the frame, after the tracker's step, when it makes messages, after the guard's.
PLACES: dict[str, tuple[Any, str]] = {
    "reading": (svc_tracker.fold.wire, "to_frame"),
    "the tracker": (Tracker, "step"),
    "the messages": (svc_tracker.fold.wire, "to_track_sets"),
    "the guard": (Guard, "step"),
}


async def test_metrics_show_the_tracks_by_status_after_the_newest_frame() -> None:
    async with folding(None) as it:
        await it.take(range(1, LAST + 1))
        entry = it.outputs.tracks.store.get(it.outputs.tracks.store.last_sequence)
        assert entry is not None
        listed = WatchTracksResponse.FromString(entry.response).track_set.tracks
        for status in TrackStatus:
            labels = {"status": status.name.lower()}
            expected = sum(track.status == status for track in listed)
            assert it.registry.get_sample_value("qiki_tracker_tracks", labels) == expected
        assert it.registry.get_sample_value("qiki_tracker_tracks", {"status": "tracked"}) == 2
        assert it.registry.get_sample_value("qiki_tracker_update_duration_seconds_count") == LAST


@pytest.mark.parametrize("place", PLACES)
async def test_a_frame_that_makes_the_fold_fail_is_skipped_as_if_never_received(
    monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    async with folding(None) as without:
        await without.take(sequence for sequence in range(1, BAD + 6) if sequence != BAD)
        expected = without.events()
    owner, name = PLACES[place]
    monkeypatch.setattr(owner, name, failing_at([BAD], BugError("at this frame"), getattr(owner, name)))
    for _replay in range(2):
        async with folding(None) as it:
            await it.take(range(1, BAD + 6))
            assert it.events() == expected
            (reported,) = it.audit.of("INPUT_QUARANTINED")
            prove(INPUT_QUARANTINED, waiting(it.audit))
            assert (reported["sequence"], reported["error"]) == (BAD, "BugError: at this frame")
            assert it.registry.get_sample_value("qiki_fold_quarantined_total", {"feed": "frames"}) == 1


@pytest.mark.parametrize("place", PLACES)
async def test_a_frame_that_makes_the_fold_fail_leaves_its_state_unchanged(
    monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    owner, name = PLACES[place]
    monkeypatch.setattr(owner, name, failing_at([BAD], BugError(), getattr(owner, name)))
    async with folding(None) as it:
        await it.take(range(1, BAD))
        before = it.state()
        await it.take([BAD])
        assert it.state() == before
        monkeypatch.undo()
        await it.take([BAD])
        assert all(after != whole for after, whole in zip(it.state(), before, strict=True))


@pytest.mark.parametrize("error", [MemoryError(), OSError("disk")])
async def test_a_machine_failure_is_not_blamed_on_the_frame_and_ends_the_process(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(Tracker, "step", failing_at([BAD], error, Tracker.step))
    async with folding(None) as it:
        await it.take(range(1, BAD))
        with pytest.raises(type(error)):
            await it.fold.take(frame(BAD))
        assert it.audit.of("INPUT_QUARANTINED") == []


async def test_a_checkpoint_that_cannot_be_made_is_skipped_and_its_frame_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: Events
) -> None:
    def broken(_tracker: Tracker, _state: object) -> bytes:
        raise BugError

    monkeypatch.setattr(Tracker, "snapshot_of", broken)
    async with folding(tmp_path) as it:
        await it.take(range(1, LAST + 1))
        assert it.events() == undisturbed
        assert len(it.audit.of("FAULT")) == LAST // PERIOD_S
        prove(FAULT, waiting(it.audit))


@pytest.mark.parametrize("compiled", [False, True])
async def test_no_step_changes_a_kept_state(monkeypatch: pytest.MonkeyPatch, compiled: bool) -> None:
    """The bytes that a thread serialises later are therefore those of the position where the state was taken."""
    if compiled:
        pytest.importorskip("numba")
    monkeypatch.setattr(sys.modules[__name__], "RULES", replace(RULES, model=replace(RULES.model, compiled=compiled)))
    async with folding(None) as it:
        tracker, guard, kept = it.fold._tracker, it.fold._guard.guard, []
        for sequence in range(1, 31):
            await it.take([sequence])
            kept.append(((tracker.state, tracker.snapshot()), (guard.state, guard.snapshot())))
        for (tracker_state, tracker_bytes), (guard_state, guard_bytes) in kept:
            assert tracker.snapshot_of(tracker_state) == tracker_bytes
            assert guard.snapshot_of(guard_state) == guard_bytes
