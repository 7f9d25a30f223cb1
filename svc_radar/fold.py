"""The radar's fold: world snapshots in, one frame per scan slot out. No state outlives a restart: it is replayed."""

import sys
import time
from dataclasses import dataclass
from functools import partial

import numpy as np

from mesh.clock import SimulationClock
from mesh.feeds import identity
from mesh.feeds.audit_summary import AuditSummary
from mesh.feeds.event_spans import Made
from mesh.feeds.feed import Feed
from mesh.folds.quarantine import NOT_QUARANTINED
from mesh.folds.replay_points import ReplayPoints
from mesh.folds.runner import FoldReports, wait_for_readers
from mesh.rng import generator
from mesh.schedule import Schedule, Slot
from qiki.common.v1.stream_pb2 import Run
from qiki.sim.v1.world_pb2 import WorldSnapshot
from qiki_sdk.codes import FRAMES_FLOWING, FRAMES_SUMMARY
from qiki_sdk.stream import Event
from svc_radar.domain import RadarModel, Scan, failed_scan, observe
from svc_radar.metrics import RadarMetrics
from svc_radar.sensor_reports import SensorReports
from svc_radar.wire import world
from svc_radar.wire.frames import FrameEncoder, to_truth


@dataclass(frozen=True, slots=True)
class Feeds:
    """The radar's outputs: frames and, if configured, the ground truth of their detections."""

    frames: Feed
    truth: Feed | None = None


class RadarFold:
    """The radar's fold over one run."""

    start_token = ""
    continues_after_gaps = False  # frames are functions of their tick: from scratch, they are the same

    def __init__(
        self,
        run: Run,
        models: tuple[RadarModel, ...],
        feeds: Feeds,
        reports: FoldReports,
        metrics: RadarMetrics,
    ) -> None:
        """Prepare the radars of a BotSpec, in its order."""
        self._run = run
        self._models = models
        self._encoders = tuple(FrameEncoder(model) for model in models)
        self._frames = feeds.frames
        self._truth = feeds.truth
        self._reports = reports
        self._metrics = tuple(metrics.sensor(model.sensor_id) for model in models)
        self._summary = AuditSummary(reports.audit, FRAMES_FLOWING, FRAMES_SUMMARY, run)
        self._sensors = tuple(SensorReports(reports.audit, run, model) for model in models)
        self._clock = SimulationClock.of(run)
        self._periods = tuple(round(model.scan_period_s * 1e9) // run.tick_ns for model in models)
        self._longest_period = max(self._periods, default=0)
        self._schedule = Schedule(self._periods)
        self._replay_points = ReplayPoints()
        self._whole_from = 0
        self._begun = False

    def begin(self) -> None:
        """Do nothing: the output starts with its first complete scan."""

    async def keep(self) -> None:
        """Do nothing: the radar keeps no state."""

    async def take(self, event: Event[WorldSnapshot]) -> None:
        """Emit a frame for every scan that ends with this snapshot; an empty, failed frame if observing it fails."""
        snapshot = event.payload
        if not self._begun and event.context.sequence > 1:
            # Scans cut by the start of the retained history are incomplete, and were emitted before.
            self._whole_from = snapshot.tick + self._longest_period
        self._begun = True
        if snapshot.tick >= self._whole_from:
            for slot in self._schedule.due(snapshot.tick):
                await wait_for_readers(self._frames, snapshot.time.ToNanoseconds(), self._reports.heartbeat)
                self._emit(slot, event)
        self._replay_points.add(snapshot.tick, event.resume_token)

    def safe_token(self) -> str:
        """Return the position from which every frame that is not yet safe can be observed again, from complete scans.

        Provisional confirmations count. The radar records nothing: its confirmation only lets simulation time advance.
        When all services restart together, provisional confirmations are up to one whole retention ahead; without them
        the simulator would wait, at half the retention, for a radar that waits for it. A false one loses no unseen
        frame: its reader is refused with HISTORY_DIVERGED.
        """
        slowest = self._frames.readers.slowest()
        last = self._frames.store.last_sequence
        safe = last if slowest is None else min(slowest[1], last)
        if not self._models:  # no frame ever needs a snapshot
            return self._replay_points.newest_through(sys.maxsize)
        # The first snapshot that is read again must precede the next frame by a whole scan.
        return self._replay_points.newest_through(self._schedule.tick_of(safe + 1) - self._longest_period - 1)

    def _emit(self, slot: Slot, event: Event[WorldSnapshot]) -> None:
        """Add the slot's frame, and the truth if it is served: both, or neither and an exception."""
        began_s, began_ns, metrics = time.perf_counter(), time.time_ns(), self._metrics[slot.source]
        try:
            scan = self._observe(slot, event.payload)
            made = self._make(slot, event, scan, began_ns)
        except NOT_QUARANTINED:
            raise
        except Exception as error:  # noqa: BLE001 (whatever it is, it would come again after a restart)
            self._reports.quarantine.report(event, error, part=self._models[slot.source].sensor_id)
            scan = failed_scan(self._models[slot.source], world.position_of(event.payload), self._rng(slot))
            made = self._make(slot, event, scan, began_ns)
        for feed, one in made:
            feed.add(one)
        self._sensors[slot.source].take(scan, slot.number, event.payload.time.ToNanoseconds())
        metrics.detections.inc(len(scan))
        metrics.duration.observe(time.perf_counter() - began_s)
        self._summary.take(
            slot.sequence, event.payload.time.ToNanoseconds(), event.context.traceparent, detections=len(scan)
        )

    def _observe(self, slot: Slot, snapshot: WorldSnapshot) -> Scan:
        model = self._models[slot.source]
        faults = world.to_faults(snapshot, model.sensor_id)
        return observe(model, world.to_platform(snapshot), world.to_targets(snapshot), self._rng(slot), faults)

    def _rng(self, slot: Slot) -> np.random.Generator:
        return generator(self._run.seed, f"radar/{self._models[slot.source].sensor_id}", slot.number)

    def _make(self, slot: Slot, event: Event[WorldSnapshot], scan: Scan, began_ns: int) -> list[tuple[Feed, Made]]:
        snapshot, model = event.payload, self._models[slot.source]
        frame_id = identity.event_id(self._run.run_id, self._frames.name, slot.sequence)
        frame = self._encoders[slot.source].encode(
            scan,
            snapshot,
            frame_id=frame_id,
            scan_number=slot.number,
            scan_start=self._clock.timestamp(snapshot.tick - self._periods[slot.source]),
        )
        make = partial(
            Feed.make,
            sequence=slot.sequence,
            time_ns=snapshot.time.ToNanoseconds(),
            tick=snapshot.tick,
            subject=model.sensor_id,
            cause=event.context.traceparent,
            began_ns=began_ns,
        )
        made = [(self._frames, make(self._frames, frame.messages, columns=frame.columns))]
        if self._truth is not None:
            made.append((self._truth, make(self._truth, to_truth(scan, snapshot, frame_id))))
        return made
