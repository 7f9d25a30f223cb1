"""Following things from frame to frame: where they are, how they move, and whether they are there."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from svc_tracker.domain.association import existence as life
from svc_tracker.domain.association.assignment import assign
from svc_tracker.domain.association.detection_probability import detection_probability
from svc_tracker.domain.association.gate import Pairs, gate
from svc_tracker.domain.filter.measurement import measured, prior_of, sensor_of
from svc_tracker.domain.filter.motion import step_of
from svc_tracker.domain.frame import Frame, FrameError
from svc_tracker.domain.kernels import Kernels, compiled
from svc_tracker.domain.model import TrackerModel
from svc_tracker.domain.state.records import Records
from svc_tracker.domain.state.selection import joined
from svc_tracker.domain.state.tracks import NO_DETECTION, LostReason, State, Tracks, TrackStatus
from svc_tracker.domain.state.types import (
    Belief,
    Booleans,
    Expected,
    Floats,
    Indices,
    Integers,
    Layout,
    Measurements,
    Pairing,
    Sensor,
    Step,
)

MAX_SENSORS: Final = 256
# The mean cross section follows the last so many detections.
_RCS_MEMORY: Final = 20


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """What a frame did `dt_s` after the one before: the n tracks there were, and those begun with it.

    `reason` (n,) says why a track was given up; those `kept`, by index, go on. `not_initiated` detections found no
    room.
    """

    dt_s: float
    tracks: Tracks
    younger: Tracks
    reason: Integers
    kept: Indices
    not_initiated: int

    def column(self, name: str) -> Any:
        """Return a field of the records of all of them, the old ones first, in an array of its own."""
        return np.concatenate([self.tracks.record[name], self.younger.record[name]])

    def belief(self) -> Belief:
        """Return what is believed of all of them, the old ones first, in arrays of its own."""
        return joined(self.tracks.belief, self.younger.belief, np.arange(len(self.tracks)))

    def reasons(self) -> Integers:
        """Return for all of them why they were given up."""
        return np.concatenate([self.reason, np.full(len(self.younger), int(LostReason.NONE))])

    def status(self) -> Integers:
        """Return the statuses of all of them."""
        return np.where(self.reasons() == LostReason.NONE, self.column("status"), int(TrackStatus.LOST))


class Following:
    """Follows things from frame to frame, each of one sensor, in the order of their times."""

    def __init__(self, model: TrackerModel, state: State | None = None) -> None:
        """Begin with nothing, or go on from a state of this model."""
        self._model = model
        self._layout = Layout.of(model.axes)
        self._kernels = compiled() if model.compiled else Kernels()
        self._dt_s, self._step = 0.0, step_of(0.0, model, self._layout)
        self.state = state or State(None, 1, (), Tracks.none(len(model.modes), self._layout))

    def step(self, frame: Frame) -> Followed:
        """Take up a frame: predict, gate, assign, update, initiate, delete.

        Raises FrameError for a frame that is older than the one before, has too many detections, is of one sensor too
        many, or of one that cannot be followed: then nothing has changed.
        """
        model, state = self._model, self.state
        dt_s, sensors = self._admitted(frame)
        measurements = measured(frame, self._layout)
        if dt_s != self._dt_s:
            self._dt_s, self._step = dt_s, step_of(dt_s, model, self._layout)
        sensor, packing = sensor_of(frame, self._layout), self._layout.packing
        scan = _Scan(frame, sensors.index(frame.sensor_id), measurements, sensor, self._layout, self._kernels, model)

        tracks = _predict(state.tracks, dt_s, self._step, scan)
        expected = self._kernels.expect(tracks.belief, measurements, sensor, packing)
        detected = detection_probability(expected, tracks.record["mean_rcs_dbsm"], frame, self._layout)
        too_old = life.lapsed(tracks.record, frame.time_ns, model)
        taken = _assign(gate(expected, measurements, frame, model, self._kernels), tracks, detected, too_old, scan)
        _update(tracks, expected, detected, taken, scan)
        younger, not_initiated = _initiate(tracks, taken.detection, state.next_number, scan)
        reason = life.lost_reason(tracks.record, too_old, model)

        kept = np.flatnonzero(reason == LostReason.NONE)
        live = tracks.joined(younger, kept, self._kernels.joined)
        self.state = State(frame.time_ns, state.next_number + len(younger), sensors, live)
        return Followed(dt_s, tracks, younger, reason, kept, not_initiated)

    def _admitted(self, frame: Frame) -> tuple[float, tuple[str, ...]]:
        """Return the seconds since the frame before and the sensors heard of until now; raises FrameError."""
        state = self.state
        before_ns = frame.time_ns if state.time_ns is None else state.time_ns
        if frame.time_ns < before_ns:
            raise FrameError("timestamp", f"must not be before the last frame's: {frame.time_ns} < {before_ns} ns")
        if len(frame.detections) > self._model.max_detections:
            what = f"must be at most {self._model.max_detections}, not {len(frame.detections)}"
            raise FrameError("detections", what)
        sensors = state.sensors if frame.sensor_id in state.sensors else (*state.sensors, frame.sensor_id)
        if len(sensors) > MAX_SENSORS:
            raise FrameError("sensor_id", f"must be one of at most {MAX_SENSORS} sensors")
        return (frame.time_ns - before_ns) / life.NS_PER_S, sensors


@dataclass(frozen=True, slots=True, eq=False)
class _Scan:
    """A frame, its sensor as an index into the tracker's list, and its detections as they are used."""

    frame: Frame
    number: int
    measurements: Measurements
    sensor: Sensor
    layout: Layout
    kernels: Kernels
    model: TrackerModel


def _predict(tracks: Tracks, dt_s: float, step: Step, scan: _Scan) -> Tracks:
    record = tracks.record.copied()
    record["score"] = life.survive(record["score"], dt_s, scan.model)
    record["detection"] = NO_DETECTION
    if dt_s == 0.0:
        return Tracks(tracks.belief.copied(), record)
    return Tracks(scan.kernels.predict(tracks.belief, step, scan.layout.packing), record)


def _assign(pairs: Pairs, tracks: Tracks, detected: Floats, too_old: Booleans, scan: _Scan) -> Pairs:
    """Return the pairs that are taken; what is given up already takes part no more."""
    if too_old.any():
        pairs = pairs.chosen(np.flatnonzero(~too_old[pairs.track]))
    t = pairs.track
    evidence = life.hit_evidence(detected[t], pairs.log_likelihood, pairs.log_extraneous)
    gain = life.assignment_gain(tracks.record["score"][t], evidence, detected[t], scan.model)
    return pairs.chosen(assign(t, pairs.detection, gain, scan.kernels.plain))


def _update(tracks: Tracks, expected: Expected, detected: Floats, taken: Pairs, scan: _Scan) -> None:
    """Correct the tracks that have a detection by it, and hold those without to account."""
    t, d, record = taken.track, taken.detection, tracks.record
    seen = np.zeros(len(tracks), dtype=np.bool_)
    seen[t] = True
    answerable = life.accountable(record, detected, scan.frame, scan.number)
    unseen = ~seen & (answerable > 0.0)
    record["misses"] += unseen
    record["misses_in_all"] += unseen
    record["score"] += np.where(unseen, life.miss_evidence(answerable, scan.model), 0.0)

    log_likelihood = scan.kernels.correct(
        tracks.belief, expected, scan.measurements, Pairing(t, d), scan.layout.packing
    )
    after = _noted(record.chosen(t), d, scan)
    after["hits"] += 1
    after["score"] += life.hit_evidence(detected[t], log_likelihood, taken.log_extraneous)
    after["nis"], after["nis_dof"] = taken.distance, len(scan.measurements.z)
    record.replace(t, after)
    record["status"] = life.status_after(record, seen, unseen, scan.number, scan.model)


def _initiate(tracks: Tracks, assigned: Indices, next_number: int, scan: _Scan) -> tuple[Tracks, int]:
    """Return a new track of every detection that is no track's, and how many found no room."""
    free = np.ones(scan.measurements.z.shape[1], dtype=np.bool_)
    free[assigned] = False
    d = np.flatnonzero(free)
    wanting, room = len(d), max(scan.model.max_tracks - len(tracks), 0)
    if wanting > room:
        strongest = np.argsort(-scan.frame.detections.snr_db[d], kind="stable")[:room]
        d = d[np.sort(strongest)]

    record = Records.blank(len(d))
    record["number"] = next_number + np.arange(len(d))
    record["status"] = TrackStatus.NEW
    record["birth_ns"] = scan.frame.time_ns
    record["hits"] = 1
    record["score"] = record["birth_score"] = life.birth_score(scan.frame, scan.model)
    record["mean_rcs_dbsm"] = scan.frame.detections.rcs_dbsm[d]
    prior = prior_of(scan.frame, scan.model)
    belief = scan.kernels.begin(scan.measurements, d, scan.sensor, prior, scan.layout.packing)
    return Tracks(belief, _noted(record, d, scan)), wanting - len(d)


def _noted(record: Records, d: Indices, scan: _Scan) -> Records:
    """Return the records, written to, with what is kept of their newest detections, whose indices are `d`."""
    detections = scan.frame.detections
    record["measured_ns"] = scan.frame.time_ns
    record["misses"] = 0
    record["detection"] = d
    record["sensor"] = scan.number
    record["range_band"] = detections.range_band[d]
    record["snr_db"] = detections.snr_db[d]
    record["rcs_dbsm"] = detections.rcs_dbsm[d]
    follow = 1.0 / np.minimum(record["hits"] + 1, _RCS_MEMORY)
    record["mean_rcs_dbsm"] += follow * (record["rcs_dbsm"] - record["mean_rcs_dbsm"])
    return record
