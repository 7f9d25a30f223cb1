"""The tracker's fold: radar frames in, tracks and guard alarms out, with checkpoints to resume from."""

import asyncio
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

from mesh.feeds.audit_summary import AuditSummary
from mesh.feeds.event_spans import Made
from mesh.feeds.feed import Feed
from mesh.folds.quarantine import NOT_QUARANTINED
from mesh.folds.runner import FoldReports, wait_for_readers
from mesh.telemetry.spans import Note
from qiki.common.v1.stream_pb2 import Run
from qiki.radar.v1.radar_pb2 import RadarFrame
from qiki.radar.v1.track_pb2 import RadarTrackStatus, TrackSet
from qiki_sdk.codes import FRAME_REFUSED, GAP, TRACKS_FLOWING, TRACKS_SUMMARY
from qiki_sdk.stream import Event
from svc_tracker import wire
from svc_tracker.checkpoints.keeper import CheckpointKeeper
from svc_tracker.checkpoints.resumption import Resumption, resume
from svc_tracker.checkpoints.store import Checkpoint, Checkpointing, CheckpointPosition, CheckpointStore, FeedPosition
from svc_tracker.config import Rules
from svc_tracker.domain.frame import FrameError
from svc_tracker.domain.state.tracks import TrackStatus
from svc_tracker.domain.table import TrackTable
from svc_tracker.domain.tracker import TrackerState
from svc_tracker.guard_feed import GuardAlarm, GuardFeed
from svc_tracker.metrics import TrackerMetrics

_NOTED = {
    RadarTrackStatus.RADAR_TRACK_STATUS_NEW: "track new",
    RadarTrackStatus.RADAR_TRACK_STATUS_LOST: "track lost",
}


@dataclass(frozen=True, slots=True)
class Outputs:
    """The output feeds of the fold: one set of tracks a frame, and an event for each alarm raised or cleared.

    Both notify one `Change` of their readers' confirmations.
    """

    tracks: Feed
    guard: Feed


@dataclass(frozen=True, slots=True)
class _Answer:
    """The output of one frame: the table of tracks, and the events of both feeds, not added yet."""

    table: TrackTable
    tracks: Sequence[Made]
    guard: Sequence[GuardAlarm]


class TrackerFold:
    """Tracks the targets in one run's frames."""

    continues_after_gaps = True

    def __init__(
        self,
        run: Run,
        outputs: Outputs,
        begun: Resumption,
        keeper: CheckpointKeeper | None,
        reports: FoldReports,
        *,
        metrics: TrackerMetrics,
        period_s: float,
    ) -> None:
        """Resume from the starting point that `open` found."""
        self._run = run
        self._ids = wire.TrackIds(uuid.UUID(run.run_id))
        self._outputs = outputs
        self._reports = reports
        self._metrics = metrics
        self._keeper = keeper
        self._summary = AuditSummary(reports.audit, TRACKS_FLOWING, TRACKS_SUMMARY, run)
        self._tracker = begun.tracker
        self._place = begun.place
        self._sequence = begun.place.tracks.sequence if begun.place else 0
        alarms = begun.place.guard.sequence if begun.place else 0
        self._guard = GuardFeed(begun.guard, outputs.guard, alarms, reports.audit)
        self._period_ns = int(period_s * 1e9)
        self._period = self._period_of(begun.place.time_ns) if begun.place else None
        self._expected = begun.place.frame_sequence + 1 if begun.place else 1
        self.start_token = begun.place.frame_token if begun.place else ""

    @classmethod
    async def open(
        cls,
        run: Run,
        outputs: Outputs,
        rules: Rules,
        checkpointing: Checkpointing,
        reports: FoldReports,
        *,
        metrics: TrackerMetrics,
        from_scratch: bool,
    ) -> Self:
        """Start at the newest checkpoint that is recorded as safe, or with the first frame.

        `from_scratch` removes the checkpoints.
        """
        directory = checkpointing.directory
        store = CheckpointStore(directory, run.run_id) if directory is not None else None
        begun = await resume(store, rules, reports.audit, from_scratch=from_scratch)
        keeper = None
        if store is not None:
            keeper = CheckpointKeeper(store, outputs.tracks.confirmations, reports.audit, begun.written)
        return cls(run, outputs, begun, keeper, reports, metrics=metrics, period_s=checkpointing.period_s)

    def begin(self) -> None:
        """Set the positions of the outputs, which have just started the run."""
        if self._place is None:
            return
        for feed, output in ((self._outputs.tracks, self._place.tracks), (self._outputs.guard, self._place.guard)):
            feed.resume(output.sequence, bytes.fromhex(output.digest), self._place.time_ns)

    async def take(self, event: Event[RadarFrame]) -> None:
        """Emit the tracks after this frame, and the guard events of these tracks: all of them, or none.

        A frame that cannot be used, or that makes the tracker fail, leaves the fold unchanged.
        """
        time_ns = event.context.time.ToNanoseconds()
        await wait_for_readers(self._outputs.tracks, time_ns, self._reports.heartbeat)
        await wait_for_readers(self._outputs.guard, time_ns, self._reports.heartbeat)
        self._check_gap(event)
        began_s, before = time.perf_counter(), (self._tracker.state, self._guard.guard.state)
        try:
            answer = await self._answer(event, time_ns)
        except NOT_QUARANTINED:
            raise
        except FrameError as error:  # the tracker is unchanged
            self._refuse(event, error)
        except Exception as error:  # noqa: BLE001 (any exception: it would come again after a restart)
            self._tracker.state, self._guard.guard.state = before
            self._reports.quarantine.report(event, error)
        else:
            self._metrics.updated(answer.table, time.perf_counter() - began_s)
            self._add(event, time_ns, answer)

    async def keep(self) -> None:
        """Write checkpoints and record the safe ones, without end."""
        if self._keeper is not None:
            await self._keeper.run(self._confirmed, self._outputs.tracks.change.notify)

    def safe_token(self) -> str:
        """Return the position recorded as safe with all required readers of both outputs; empty for none."""
        safe = self._keeper.safe if self._keeper is not None else None
        return safe.frame_token if safe is not None else ""

    def _confirmed(self) -> tuple[int, int]:
        return self._outputs.tracks.safe_sequence, self._outputs.guard.safe_sequence

    async def _answer(self, event: Event[RadarFrame], time_ns: int) -> _Answer:
        """Return the output of one frame, of which nothing is added yet.

        Between its parts other tasks get their turn, so that no reader waits for all of them.
        """
        frame, began_ns = event.payload, time.time_ns()
        seen = wire.to_frame(frame)
        await asyncio.sleep(0)
        table = self._tracker.step(seen)
        await asyncio.sleep(0)
        track_sets = wire.to_track_sets(table, frame, event.context.sequence, self._ids)
        tracks = [
            self._outputs.tracks.make(
                track_set,
                sequence=self._sequence + number,
                time_ns=time_ns,
                tick=frame.tick,
                subject=frame.sensor_id.value,
                cause=event.context.traceparent,
                began_ns=began_ns,
                input_sequence=event.context.sequence,
                notes=track_notes(track_set) if self._outputs.tracks.traced else (),
            )
            for number, track_set in enumerate(track_sets, start=1)
        ]
        await asyncio.sleep(0)
        return _Answer(table, tracks, self._guard.make(event, seen, table, track_sets, began_ns))

    def _add(self, event: Event[RadarFrame], time_ns: int, answer: _Answer) -> None:
        for made in answer.tracks:
            self._outputs.tracks.add(made)
        self._sequence += len(answer.tracks)
        self._guard.add(answer.guard)
        table = answer.table
        begun, lost = table.records.birth_ns == table.time_ns, table.records.status == TrackStatus.LOST
        context, counts = event.context, {"begun": int(begun.sum()), "lost": int(lost.sum())}
        self._summary.take(context.sequence, time_ns, context.traceparent, **counts)
        self._checkpoint(event, time_ns)

    def _checkpoint(self, event: Event[RadarFrame], time_ns: int) -> None:
        """Take a checkpoint at every full period of simulation time: at the same positions in every replay of the run.

        It takes the states, which no step changes in place; a thread serializes them. None is skipped, however slow the
        disk is: the interval declared to the source assumes one in every period.
        """
        period = self._period_of(time_ns)
        due = self._period is not None and period > self._period
        self._period = period
        if not due or self._keeper is None:
            return
        place = CheckpointPosition(
            run_id=self._run.run_id,
            frame_token=event.resume_token,
            frame_sequence=event.context.sequence,
            time_ns=time_ns,
            tracks=_output(self._outputs.tracks),
            guard=_output(self._outputs.guard),
        )
        self._keeper.offer(partial(self._checkpoint_of, place, self._tracker.state, self._guard.guard.state))

    def _checkpoint_of(self, place: CheckpointPosition, tracker: TrackerState, guard: object) -> Checkpoint:
        """Return the checkpoint of the states at a position; runs in a thread, concurrently with the next steps."""
        return Checkpoint(place, self._tracker.snapshot_of(tracker), self._guard.guard.snapshot_of(guard))

    def _period_of(self, time_ns: int) -> int:
        return (time_ns - self._run.start_time.ToNanoseconds()) // self._period_ns

    def _check_gap(self, event: Event[RadarFrame]) -> None:
        """Report frames that the source no longer has: the output without them is another history."""
        first, expected = event.context.sequence, self._expected
        self._expected = first + 1
        if first > expected:
            self._reports.audit.report(
                GAP,
                f"frames {expected} to {first - 1} are missing, and no checkpoint holds what came of them: "
                "the tracks from here on are not those that an undisturbed run has",
                simulation_time=event.context.time,
                run_id=self._run.run_id,
                key=f"{GAP.name}/frames/{expected}-{first - 1}",
                traceparent=event.context.traceparent,
                feed="frames",
                first=expected,
                last=first - 1,
            )

    def _refuse(self, event: Event[RadarFrame], error: FrameError) -> None:
        self._reports.audit.report(
            FRAME_REFUSED,
            str(error),
            simulation_time=event.context.time,
            run_id=self._run.run_id,
            key=f"FRAME_REFUSED/{event.context.sequence}",
            traceparent=event.context.traceparent,
            field=error.field,
            frame_sequence=event.context.sequence,
        )


def _output(feed: Feed) -> FeedPosition:
    last = feed.store.last_sequence
    return FeedPosition(last, (feed.store.digest_at(last) or b"").hex())


def track_notes(track_set: TrackSet) -> list[Note]:
    """Return a note for each track that begins or ends with this frame, by which its traces are found."""
    noted = [track for track in track_set.tracks if track.status in _NOTED]
    return [(_NOTED[track.status], {"qiki.track_id": track.track_id.value}) for track in noted]
