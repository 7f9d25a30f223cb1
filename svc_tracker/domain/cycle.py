"""The tracking cycle: predict, gate, assign, update, initiate, delete."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from svc_tracker.domain.association import existence
from svc_tracker.domain.association.assignment import assign
from svc_tracker.domain.association.detection_probability import detection_probability
from svc_tracker.domain.association.gate import Pairs, gate
from svc_tracker.domain.filter.measurement import to_measurements, to_prior, to_sensor
from svc_tracker.domain.filter.motion import motion_step
from svc_tracker.domain.frame import Frame, FrameError
from svc_tracker.domain.kernels import Kernels, compiled_kernels
from svc_tracker.domain.model import TrackerModel
from svc_tracker.domain.state.records import TrackRecords
from svc_tracker.domain.state.selection import select_and_append
from svc_tracker.domain.state.tracks import NO_DETECTION, LostReason, State, Tracks, TrackStatus
from svc_tracker.domain.state.types import (
    Booleans,
    Floats,
    Indices,
    Layout,
    Measurements,
    ModeEstimates,
    MotionStep,
    Pairing,
    PredictedMeasurement,
    Sensor,
)

MAX_SENSORS: Final = 256
# The running mean of the cross section follows the last detections, about this many.
_RCS_MEMORY: Final = 20


@dataclass(frozen=True, slots=True, eq=False)
class ScanResult:
    """The tracks after a frame, `dt_s` after the one before: the n existing ones, deleted ones included, and new ones.

    `kept` indexes the existing tracks that were not deleted. `not_initiated` detections exceeded `max_tracks`.
    """

    dt_s: float
    tracks: Tracks
    new: Tracks
    kept: Indices
    not_initiated: int

    def records(self) -> TrackRecords:
        """Return the records of all tracks, existing ones first, in an array of their own."""
        return self.tracks.records.concatenate(self.new.records)

    def estimates(self) -> ModeEstimates:
        """Return the estimates of all tracks, existing ones first, in arrays of their own."""
        return select_and_append(self.tracks.estimates, self.new.estimates, np.arange(len(self.tracks)))


class TrackingCycle:
    """Tracks targets from frame to frame, each of one sensor, in the order of their times."""

    def __init__(self, model: TrackerModel, state: State | None = None) -> None:
        """Start without tracks, or from a state of this model."""
        self._model = model
        self._layout = Layout.of(model.axes)
        self._kernels = compiled_kernels() if model.compiled else Kernels()
        self._dt_s, self._step = 0.0, motion_step(0.0, model, self._layout)
        self.state = state or State(None, 1, (), Tracks.none(len(model.modes), self._layout))

    def step(self, frame: Frame) -> ScanResult:
        """Process a frame: predict, gate, assign, update, initiate, delete.

        Raises FrameError, and leaves the state unchanged, for a frame older than the one before, with more than
        `max_detections`, of more than `MAX_SENSORS` sensors, or with elevations in a tracker in the plane.
        """
        model, state = self._model, self.state
        dt_s, sensors = self._check(frame)
        measurements = to_measurements(frame, self._layout)
        if dt_s != self._dt_s:
            self._dt_s, self._step = dt_s, motion_step(dt_s, model, self._layout)
        sensor, packing = to_sensor(frame, self._layout), self._layout.packing
        scan = _Scan(frame, sensors.index(frame.sensor_id), measurements, sensor, self._layout, self._kernels, model)

        tracks = _predict(state.tracks, dt_s, self._step, scan)
        predicted = self._kernels.predict_measurement(tracks.estimates, measurements, sensor, packing)
        pd = detection_probability(predicted, tracks.records.mean_rcs_dbsm, frame, self._layout)
        too_old = existence.coasted_out(tracks.records, frame.time_ns, model)
        assigned = _assign(gate(predicted, measurements, frame, model, self._kernels), tracks, pd, too_old, scan)
        _update(tracks, predicted, pd, assigned, scan)
        new, not_initiated = _initiate(tracks, assigned.detection, state.next_number, scan)
        kept = _delete(tracks, too_old, model)

        live = tracks.select_and_append(kept, new, self._kernels.select_and_append)
        self.state = State(frame.time_ns, state.next_number + len(new), sensors, live)
        return ScanResult(dt_s, tracks, new, kept, not_initiated)

    def _check(self, frame: Frame) -> tuple[float, tuple[str, ...]]:
        """Return the seconds since the frame before and the sensors seen so far; raises FrameError."""
        state = self.state
        before_ns = frame.time_ns if state.time_ns is None else state.time_ns
        if frame.time_ns < before_ns:
            raise FrameError("timestamp", f"must not be before the last frame's: {frame.time_ns} < {before_ns} ns")
        if len(frame.detections) > self._model.max_detections:
            problem = f"must be at most {self._model.max_detections}, not {len(frame.detections)}"
            raise FrameError("detections", problem)
        sensors = state.sensors if frame.sensor_id in state.sensors else (*state.sensors, frame.sensor_id)
        if len(sensors) > MAX_SENSORS:
            raise FrameError("sensor_id", f"must be one of at most {MAX_SENSORS} sensors")
        return (frame.time_ns - before_ns) / existence.NS_PER_S, sensors


@dataclass(frozen=True, slots=True, eq=False)
class _Scan:
    """A frame with its measurements, and the index of its sensor in the tracker's list."""

    frame: Frame
    sensor_index: int
    measurements: Measurements
    sensor: Sensor
    layout: Layout
    kernels: Kernels
    model: TrackerModel


def _predict(tracks: Tracks, dt_s: float, step: MotionStep, scan: _Scan) -> Tracks:
    records = tracks.records.copy()
    records.score = existence.predict_existence(records.score, dt_s, scan.model)
    records.detection = NO_DETECTION
    if dt_s == 0.0:
        return Tracks(tracks.estimates.copy(), records)
    return Tracks(scan.kernels.predict(tracks.estimates, step, scan.layout.packing), records)


def _assign(pairs: Pairs, tracks: Tracks, pd: Floats, too_old: Booleans, scan: _Scan) -> Pairs:
    """Return the assigned pairs; tracks that are too old take no part."""
    if too_old.any():
        pairs = pairs.select(np.flatnonzero(~too_old[pairs.track]))
    t = pairs.track
    hit = existence.hit_increment(pd[t], pairs.log_likelihood, pairs.log_extraneous)
    gain = existence.assignment_gain(tracks.records.score[t], hit, pd[t], scan.model)
    return pairs.select(assign(t, pairs.detection, gain, scan.kernels.dominant_pairs))


def _update(tracks: Tracks, predicted: PredictedMeasurement, pd: Floats, assigned: Pairs, scan: _Scan) -> None:
    """Update the tracks with a detection by it, and the existence of those without by their miss."""
    t, d, records = assigned.track, assigned.detection, tracks.records
    detected = np.zeros(len(tracks), dtype=np.bool_)
    detected[t] = True
    expected = existence.expected_detection(records, pd, scan.frame, scan.sensor_index)
    missed = ~detected & (expected > 0.0)
    records.consecutive_misses += missed
    records.total_misses += missed
    records.score += np.where(missed, existence.miss_increment(expected, scan.model), 0.0)

    pairs, packing = Pairing(t, d), scan.layout.packing
    log_likelihood = scan.kernels.update(tracks.estimates, predicted, scan.measurements, pairs, packing)
    updated = _with_detections(records.select(t), d, scan)
    updated.hits += 1
    updated.score += existence.hit_increment(pd[t], log_likelihood, assigned.log_extraneous)
    updated.nis, updated.nis_dof = assigned.distance, len(scan.measurements.z)
    records.replace_rows(t, updated)
    records.status = existence.updated_status(records, detected, missed, scan.sensor_index, scan.model)


def _initiate(tracks: Tracks, assigned: Indices, next_number: int, scan: _Scan) -> tuple[Tracks, int]:
    """Return a new track for every detection that is not assigned, and how many exceeded `max_tracks`.

    Beyond `max_tracks` the strongest detections are initiated.
    """
    free = np.ones(scan.measurements.z.shape[1], dtype=np.bool_)
    free[assigned] = False
    d = np.flatnonzero(free)
    wanted, room = len(d), max(scan.model.max_tracks - len(tracks), 0)
    if wanted > room:
        strongest = np.argsort(-scan.frame.detections.snr_db[d], kind="stable")[:room]
        d = d[np.sort(strongest)]

    records = TrackRecords.zeros(len(d))
    records.number = next_number + np.arange(len(d))
    records.status = int(TrackStatus.NEW)
    records.birth_ns = scan.frame.time_ns
    records.hits = 1
    records.score = records.initial_score = existence.initial_score(scan.frame, scan.model)
    records.mean_rcs_dbsm = scan.frame.detections.rcs_dbsm[d]
    prior = to_prior(scan.frame, scan.model)
    estimates = scan.kernels.initiate(scan.measurements, d, scan.sensor, prior, scan.layout.packing)
    return Tracks(estimates, _with_detections(records, d, scan)), wanted - len(d)


def _delete(tracks: Tracks, too_old: Booleans, model: TrackerModel) -> Indices:
    """Mark the tracks to delete as lost; return the indices of the others."""
    reason = existence.lost_reason(tracks.records, too_old, model)
    kept = reason == LostReason.NONE
    tracks.records.lost_reason = reason
    tracks.records.status = np.where(kept, tracks.records.status, int(TrackStatus.LOST))
    return np.flatnonzero(kept)


def _with_detections(records: TrackRecords, d: Indices, scan: _Scan) -> TrackRecords:
    """Return the records, changed in place by what is recorded of their detections `d`."""
    detections = scan.frame.detections
    records.measured_ns = scan.frame.time_ns
    records.consecutive_misses = 0
    records.detection = d
    records.sensor = scan.sensor_index
    records.range_band = detections.range_band[d]
    records.snr_db = detections.snr_db[d]
    records.rcs_dbsm = detections.rcs_dbsm[d]
    weight = 1.0 / np.minimum(records.hits + 1, _RCS_MEMORY)
    records.mean_rcs_dbsm += weight * (records.rcs_dbsm - records.mean_rcs_dbsm)
    return records
