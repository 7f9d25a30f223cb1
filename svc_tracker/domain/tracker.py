"""The tracker: a fold over frames."""

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np

from svc_tracker.domain import kalman, life, snapshot
from svc_tracker.domain.arrays import Indices, texts
from svc_tracker.domain.assign import assign
from svc_tracker.domain.estimate import begun, corrected
from svc_tracker.domain.frame import Frame, FrameError
from svc_tracker.domain.gate import Pairs, gate
from svc_tracker.domain.identity import hear
from svc_tracker.domain.measurement import Measurements, measure
from svc_tracker.domain.model import TrackerModel
from svc_tracker.domain.snapshot import State
from svc_tracker.domain.tracks import Tracks, TrackStatus, TrackTable, no_tracks, table_of

MAX_SENSORS: Final = 256


class Tracker:
    """Follows things from frame to frame, each of one sensor, in the order of their times.

    Nothing but frames goes in, so equal frames give equal bytes.
    """

    def __init__(self, model: TrackerModel) -> None:
        self._model = model
        self._state = State(time_ns=None, next_number=1, sensors=(), tracks=no_tracks())

    @classmethod
    def restore(cls, model: TrackerModel, data: bytes) -> Self:
        """Return the tracker whose `snapshot` these bytes are; raises SnapshotError for others, or another model's."""
        tracker = cls(model)
        tracker._state = snapshot.decode(data, model)
        return tracker

    def snapshot(self) -> bytes:
        """Return the whole state: what is restored from it goes on to the same bytes."""
        return snapshot.encode(self._state, self._model)

    def step(self, frame: Frame) -> TrackTable:
        """Take up a frame and return every live track, and those lost with this frame, as they are at its time.

        Raises FrameError for a frame that is older than the one before, has too many detections, or is of one sensor
        too many: then nothing has changed.
        """
        model, state = self._model, self._state
        dt_s, sensors = self._admitted(frame)
        scan = _Scan(frame, sensors.index(frame.sensor_id), measure(frame))

        tracks = _predict(state.tracks, dt_s, model)
        lapsed = life.lapsed(tracks, frame.time_ns, model)
        pairs = gate(tracks, ~lapsed, scan.measured, frame, model)
        taken = assign(pairs.track, pairs.detection, pairs.evidence - life.miss_evidence(frame, model))
        tracks = _update(tracks, pairs, taken, scan, model)
        younger, not_initiated = _initiate(tracks, pairs.detection[taken], scan, model)
        younger = replace(younger, number=state.next_number + np.arange(len(younger)))
        lost = lapsed | life.disproved(tracks, model)

        self._state = State(
            frame.time_ns, state.next_number + len(younger), sensors, tracks.chosen(~lost).joined(younger)
        )
        told = replace(tracks, status=np.where(lost, TrackStatus.LOST, tracks.status)).joined(younger)
        return table_of(told, frame.time_ns, not_initiated)

    def _admitted(self, frame: Frame) -> tuple[float, tuple[str, ...]]:
        """Return the seconds since the frame before and the sensors heard of until now; raises FrameError."""
        state = self._state
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
    """A frame, its sensor as an index into the tracker's list, and its detections as points in space."""

    frame: Frame
    sensor: int
    measured: Measurements


def _predict(tracks: Tracks, dt_s: float, model: TrackerModel) -> Tracks:
    state, covariance = kalman.predict(tracks.state, tracks.covariance, dt_s, model)
    return replace(tracks, state=state, covariance=covariance, score=life.survive(tracks.score, dt_s, model))


def _update(tracks: Tracks, pairs: Pairs, taken: Indices, scan: _Scan, model: TrackerModel) -> Tracks:
    """Return the tracks after the scan: those with a detection corrected by it, those without held to account."""
    t, d = pairs.track[taken], pairs.detection[taken]
    seen = np.zeros(len(tracks), dtype=np.bool_)
    seen[t] = True
    unseen = life.missed(tracks, seen, scan.frame, scan.sensor)
    score = np.where(unseen, tracks.score + life.miss_evidence(scan.frame, model), tracks.score)
    score[t] += pairs.evidence[taken]
    tracks = replace(tracks, score=score, misses=tracks.misses + unseen)

    before = tracks.chosen(t)
    state, covariance = corrected(before.state, before.covariance, scan.measured.chosen(d), scan.frame)
    after = _noted(before, d, scan, model)
    tracks = tracks.with_rows(t, replace(after, state=state, covariance=covariance, hits=before.hits + 1))
    return life.judge(tracks, seen, unseen, scan.sensor, model)


def _initiate(tracks: Tracks, assigned: Indices, scan: _Scan, model: TrackerModel) -> tuple[Tracks, int]:
    """Return a new track, not numbered yet, of every detection that is no track's, and how many found no room."""
    frame = scan.frame
    free = np.ones(len(scan.measured), dtype=np.bool_)
    free[assigned] = False
    wanting = np.flatnonzero(free)
    room = max(model.max_tracks - len(tracks), 0)
    strongest = np.argsort(-frame.detections.snr_db[wanting], kind="stable")[:room]
    d = wanting[np.sort(strongest)]

    count = len(d)
    state, covariance = begun(scan.measured.chosen(d), frame, model)
    none, score = np.zeros(count, dtype=np.int64), np.full(count, life.birth_score(frame, model))
    blank = Tracks(
        number=none,
        status=np.full(count, int(TrackStatus.NEW)),
        birth_ns=np.full(count, frame.time_ns),
        measured_ns=none,
        state=state,
        covariance=covariance,
        hits=none + 1,
        misses=none,
        score=score,
        birth_score=score,
        sensor=none,
        range_band=none,
        snr_db=np.zeros(count),
        rcs_dbsm=np.zeros(count),
        transponder_on=np.zeros(count, dtype=np.bool_),
        transponder_mode=none,
        unanswered=none,
        identity=texts([""] * count),
        rival=texts([""] * count),
        rival_replies=none,
    )
    return _noted(blank, d, scan, model), len(wanting) - count


def _noted(tracks: Tracks, d: Indices, scan: _Scan, model: TrackerModel) -> Tracks:
    """Return the tracks with what is kept of their newest detections, whose indices are `d`."""
    detections = scan.frame.detections
    return replace(
        hear(tracks, detections, d, model),
        measured_ns=np.full(len(d), scan.frame.time_ns),
        misses=np.zeros(len(d), dtype=np.int64),
        sensor=np.full(len(d), scan.sensor),
        range_band=detections.range_band[d],
        snr_db=detections.snr_db[d],
        rcs_dbsm=detections.rcs_dbsm[d],
    )
