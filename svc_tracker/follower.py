"""The tracker's fold: radar frames in, tracks and the guard's alarms out, with checkpoints to start from again."""

import logging
import time
import uuid
from dataclasses import dataclass

from mesh.feed import Feed
from mesh.flow import Flow
from mesh.fold import admit
from mesh.health import Loop
from qiki.common.v1.stream_pb2 import Run
from qiki.radar.v1.radar_pb2 import RadarFrame
from qiki_sdk.audit import AuditReporter
from qiki_sdk.codes import CHECKPOINT_DAMAGED, FRAME_REFUSED, STORAGE_FAILED, TRACKS_FLOWING, TRACKS_SUMMARY
from qiki_sdk.stream import Event
from svc_tracker import wire
from svc_tracker.checkpoints import Checkpoint, Checkpointing, CheckpointStore, Output, Place
from svc_tracker.config import Rules
from svc_tracker.domain.frame import FrameError
from svc_tracker.domain.guard import Guard, GuardStateError
from svc_tracker.domain.snapshot import SnapshotError
from svc_tracker.domain.tracker import Tracker
from svc_tracker.domain.tracks import TrackStatus
from svc_tracker.guard_feed import GuardFeed

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outputs:
    """The feeds that the fold fills: one set of tracks a frame, and an event an alarm raised or cleared."""

    tracks: Feed
    guard: Feed


class Follower:
    """Follows the things in one run's frames."""

    def __init__(
        self,
        run: Run,
        outputs: Outputs,
        rules: Rules,
        checkpointing: Checkpointing,
        audit: AuditReporter,
        *,
        pulse: Loop,
        anew: bool,
    ) -> None:
        """Begin where the oldest checkpoint stands, or with the first frame; `anew` forgets the checkpoints."""
        self._run = run
        self._ids = wire.TrackIds(uuid.UUID(run.run_id))
        self._outputs = outputs
        self._rules = rules
        self._audit = audit
        self._pulse = pulse
        self._flow = Flow(audit, TRACKS_FLOWING, TRACKS_SUMMARY, run)
        self._store = CheckpointStore(checkpointing.directory, run.run_id)
        self._period_ns = int(checkpointing.period_s * 1e9)
        self._tracker, guard, place = self._resume(anew)
        if place is not None:
            for feed, output in ((outputs.tracks, place.tracks), (outputs.guard, place.guard)):
                feed.resume(output.sequence, bytes.fromhex(output.digest), place.time_ns)
        self._sequence = outputs.tracks.ring.last_sequence
        self._guard = GuardFeed(guard, outputs.guard, outputs.guard.ring.last_sequence)
        self.start_token = place.frame_token if place is not None else ""
        self._period: int | None = None

    async def take(self, event: Event[RadarFrame]) -> None:
        """Emit the tracks after this frame, and what the guard has to say of them."""
        frame, time_ns = event.payload, event.context.time.ToNanoseconds()
        await admit(self._outputs.tracks, time_ns, self._pulse)
        await admit(self._outputs.guard, time_ns, self._pulse)
        began_ns = time.time_ns()
        try:
            seen = wire.to_frame(frame)
            table = self._tracker.step(seen)
        except FrameError as error:
            self._refuse(event, error)
            return
        track_sets = wire.to_track_sets(table, frame, event.context.sequence, self._ids)
        for track_set in track_sets:
            self._sequence += 1
            self._outputs.tracks.append(
                track_set,
                sequence=self._sequence,
                time_ns=time_ns,
                tick=frame.tick,
                subject=frame.sensor_id.value,
                cause=event.context.traceparent,
                began_ns=began_ns,
            )
        self._guard.take(event, seen, table, track_sets, began_ns)
        begun, lost = table.birth_ns == table.time_ns, table.status == TrackStatus.LOST
        self._flow.take(event.context.sequence, time_ns, begun=int(begun.sum()), lost=int(lost.sum()))
        self._checkpoint(event, time_ns)

    def safe_token(self) -> str:
        """Return the place of the newest checkpoint that all required readers of both outputs are past."""
        place = self._store.newest_safe(
            _safe(self._outputs.tracks, self._sequence), _safe(self._outputs.guard, self._guard.sequence)
        )
        return place.frame_token if place else ""

    def _resume(self, anew: bool) -> tuple[Tracker, Guard, Place | None]:
        try:
            checkpoint = self._store.load()
        except OSError as error:
            self._tell_storage(error)
            checkpoint = None
        if anew:
            self._store.forget()
        elif checkpoint is not None:
            try:
                tracker = Tracker.restore(self._rules.model, checkpoint.tracker, self._rules.identity)
                guard = Guard.restore(self._rules.guard, checkpoint.guard)
            except (SnapshotError, GuardStateError) as error:
                self._audit.report(CHECKPOINT_DAMAGED, f"a checkpoint could not be used: {error}")
                self._store.forget()
            else:
                return tracker, guard, checkpoint.place
        return Tracker(self._rules.model, self._rules.identity), Guard(self._rules.guard), None

    def _checkpoint(self, event: Event[RadarFrame], time_ns: int) -> None:
        """Keep a checkpoint at every full period of simulation time: at the same places in every run of the run."""
        period = (time_ns - self._run.start_time.ToNanoseconds()) // self._period_ns
        if self._period is not None and period > self._period:
            place = Place(
                run_id=self._run.run_id,
                frame_token=event.resume_token,
                frame_sequence=event.context.sequence,
                time_ns=time_ns,
                tracks=_output(self._outputs.tracks),
                guard=_output(self._outputs.guard),
            )
            self._keep(Checkpoint(place, self._tracker.snapshot(), self._guard.snapshot()))
        self._period = period

    def _keep(self, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint, or go on without: then what is safe does not move, and a restart folds more again."""
        try:
            self._store.keep(checkpoint)
        except OSError as error:
            self._tell_storage(error)

    def _tell_storage(self, error: OSError) -> None:
        _LOG.warning("checkpoints cannot be kept", extra={"why": str(error)})
        self._audit.report(STORAGE_FAILED, f"checkpoints cannot be kept: {error.strerror}")

    def _refuse(self, event: Event[RadarFrame], error: FrameError) -> None:
        self._audit.report(
            FRAME_REFUSED,
            str(error),
            simulation_time=event.context.time,
            run_id=self._run.run_id,
            key=f"FRAME_REFUSED/{event.context.sequence}",
            field=error.field,
            frame_sequence=event.context.sequence,
        )


def _safe(feed: Feed, last_sequence: int) -> int:
    """Return up to which event all required readers of a feed are safe."""
    slowest = feed.readers.slowest()
    return last_sequence if slowest is None else min(slowest[1], last_sequence)


def _output(feed: Feed) -> Output:
    last = feed.ring.last_sequence
    return Output(last, (feed.ring.digest_at(last) or b"").hex())
