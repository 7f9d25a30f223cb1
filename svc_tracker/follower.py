"""The tracker's fold: radar frames in, one set of tracks a frame out, with checkpoints to start from again."""

import logging
import time
import uuid

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
from svc_tracker.checkpoints import Checkpoint, Checkpointing, CheckpointStore, Place
from svc_tracker.domain.frame import FrameError
from svc_tracker.domain.model import TrackerModel
from svc_tracker.domain.snapshot import SnapshotError
from svc_tracker.domain.tracker import Tracker
from svc_tracker.domain.tracks import TrackStatus

_LOG = logging.getLogger(__name__)


class Follower:
    """Follows the things in one run's frames."""

    def __init__(
        self, run: Run, tracks: Feed, checkpointing: Checkpointing, audit: AuditReporter, pulse: Loop, *, anew: bool
    ) -> None:
        """Begin where the oldest checkpoint stands, or with the first frame; `anew` forgets the checkpoints."""
        self._run = run
        self._namespace = uuid.UUID(run.run_id)
        self._tracks = tracks
        self._audit = audit
        self._pulse = pulse
        self._flow = Flow(audit, TRACKS_FLOWING, TRACKS_SUMMARY, run)
        self._store = CheckpointStore(checkpointing.directory, run.run_id)
        self._period_ns = int(checkpointing.period_s * 1e9)
        self._model = TrackerModel()
        self._tracker, self._sequence, self.start_token = self._resume(anew)
        self._period: int | None = None

    async def take(self, event: Event[RadarFrame]) -> None:
        """Emit the tracks after this frame."""
        frame, time_ns = event.payload, event.context.time.ToNanoseconds()
        await admit(self._tracks, time_ns, self._pulse)
        began_ns = time.time_ns()
        try:
            table = self._tracker.step(wire.to_frame(frame))
        except FrameError as error:
            self._refuse(event, error)
            return
        for track_set in wire.to_track_sets(table, frame, event.context.sequence, self._namespace):
            self._sequence += 1
            self._tracks.append(
                track_set,
                sequence=self._sequence,
                time_ns=time_ns,
                tick=frame.tick,
                subject=frame.sensor_id.value,
                cause=event.context.traceparent,
                began_ns=began_ns,
            )
        begun, lost = table.birth_ns == table.time_ns, table.status == TrackStatus.LOST
        self._flow.take(event.context.sequence, time_ns, begun=int(begun.sum()), lost=int(lost.sum()))
        self._checkpoint(event, time_ns)

    def safe_token(self) -> str:
        """Return the place of the newest checkpoint that all required readers of the tracks are past."""
        slowest = self._tracks.readers.slowest()
        place = self._store.newest_safe(self._sequence if slowest is None else min(slowest[1], self._sequence))
        return place.frame_token if place else ""

    def _resume(self, anew: bool) -> tuple[Tracker, int, str]:
        try:
            checkpoint = self._store.load()
        except OSError as error:
            self._tell_storage(error)
            checkpoint = None
        if anew:
            self._store.forget()
        elif checkpoint is not None:
            try:
                tracker = Tracker.restore(self._model, checkpoint.state)
            except SnapshotError as error:
                self._audit.report(CHECKPOINT_DAMAGED, f"a checkpoint could not be used: {error}")
                self._store.forget()
            else:
                return tracker, checkpoint.place.track_sequence, checkpoint.place.frame_token
        return Tracker(self._model), 0, ""

    def _checkpoint(self, event: Event[RadarFrame], time_ns: int) -> None:
        """Keep a checkpoint at every full period of simulation time: at the same places in every run of the run."""
        period = (time_ns - self._run.start_time.ToNanoseconds()) // self._period_ns
        if self._period is not None and period > self._period:
            place = Place(self._run.run_id, event.resume_token, event.context.sequence, self._sequence)
            self._keep(Checkpoint(place, self._tracker.snapshot()))
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
