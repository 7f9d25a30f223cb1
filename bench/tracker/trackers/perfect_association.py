"""The tracker's own filter with perfect association: a tracker for each target, with only its detections as input."""

from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

import numpy as np

from bench.tracker.scenes.scan import SceneScan
from bench.tracker.trackers.ours import Ours, in_plane
from bench.tracker.trackers.runner import Estimates
from svc_tracker.domain import Detections, Frame, SensorModel, Tracker, TrackerModel, TrackStatus, TrackTable
from svc_tracker.domain.state.types import Floats, Integers

REPORTED_FROM: Final = 3
# With a high miss probability and no false detections a tracker never deletes a track.
_PATIENT_DETECTION_PROBABILITY: Final = 0.05
_PATIENT_COAST_S: Final = 1e6
_WIDE_GATE_PROBABILITY: Final = 1.0 - 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class ReportedTargets:
    """Reported estimates: `ids` (k,) of the targets, `position_m`, `velocity_mps` (k, 3), `covariance` (k, 6, 6)."""

    ids: Integers
    position_m: Floats
    velocity_mps: Floats
    covariance: Floats


@dataclass(eq=False)
class PerfectAssociation:
    """Trackers by target; a target is reported from its third detection until its end."""

    model: TrackerModel
    _trackers: dict[int, Tracker] = field(default_factory=dict)
    _tables: dict[int, TrackTable] = field(default_factory=dict)
    _hits: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.model = replace(self.model, gate_probability=_WIDE_GATE_PROBABILITY, max_coast_s=_PATIENT_COAST_S)

    def step(self, frame: Frame, live: Integers, target_id: Integers) -> None:
        """Process a frame, given the ids of the live targets (n,) and of each detection's target (m,), or -1."""
        for gone in self._trackers.keys() - set(live.tolist()):
            del self._trackers[gone], self._hits[gone]
            self._tables.pop(gone, None)
        sensor = replace(
            frame.sensor_model,
            detection_probability=_PATIENT_DETECTION_PROBABILITY,
            clutter_per_scan=0.0,
        )
        rows = {int(target): row for row, target in enumerate(target_id.tolist()) if target >= 0}
        for target in live.tolist():
            row = rows.get(target)
            if row is None and target not in self._trackers:
                continue
            tracker = self._trackers.setdefault(target, Tracker(self.model))
            self._hits[target] = self._hits.get(target, 0) + (row is not None)
            own = np.zeros(0, dtype=np.int64) if row is None else np.array([row])
            own_frame = replace(frame, sensor_model=sensor, detections=select(frame.detections, own))
            self._tables[target] = tracker.step(own_frame)

    def reported(self) -> ReportedTargets:
        """Return the states of the targets with enough detections."""
        found = []
        for target, table in self._tables.items():
            kept = np.flatnonzero(table.records.status != TrackStatus.LOST)
            if self._hits[target] >= REPORTED_FROM and len(kept):
                # A detection outside even the widest gate initiates a second track beside the first.
                row = kept[np.lexsort((table.records.hits[kept], table.records.measured_ns[kept]))[-1]]
                found.append((target, table.position_m[row], table.velocity_mps[row], table.covariance[row]))
        ids, position, velocity, covariance = zip(*found, strict=True) if found else ((), (), (), ())
        return ReportedTargets(
            np.array(ids, dtype=np.int64),
            np.array(position).reshape(-1, 3),
            np.array(velocity).reshape(-1, 3),
            np.array(covariance).reshape(-1, 6, 6),
        )


class PerfectAssociationRunner:
    """Perfect association on the scans of a scene in the plane."""

    name = "solo"

    def __init__(self, sensor: SensorModel, model: TrackerModel) -> None:
        self._ours = Ours(sensor, model)
        self._trackers = PerfectAssociation(model)

    def prepare(self, scan: SceneScan) -> tuple[Frame, Integers, Integers]:
        """Return the scan as a frame, the live targets, and the target of each detection."""
        return self._ours.prepare(scan), scan.ids, np.append(scan.ids, -1)[scan.source]

    def step(self, prepared: tuple[Frame, Integers, Integers]) -> None:
        """Process a scan."""
        self._trackers.step(*prepared)

    def estimates(self) -> Estimates:
        """Return the targets with enough detections."""
        known = self._trackers.reported()
        return Estimates(known.ids, known.position_m[:, :2], known.velocity_mps[:, :2], in_plane(known.covariance))


def select(detections: Detections, which: Integers) -> Detections:
    """Select detections by index."""
    columns: dict[str, Any] = {}
    for spec in fields(Detections):
        column = getattr(detections, spec.name)
        if isinstance(column, tuple):
            columns[spec.name] = tuple(column[row] for row in which.tolist())
        else:
            columns[spec.name] = column[which] if len(column) else column
    return Detections(**columns)
