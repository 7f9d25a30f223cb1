"""Track existence: initiation, confirmation, coasting and deletion, reported exactly once."""

import dataclasses
from collections import Counter
from typing import Any

import numpy as np
import pytest

from svc_tracker.domain import Frame, SensorStatus, Tracker, TrackerModel, TrackStatus, TrackTable
from svc_tracker.domain.association import existence
from svc_tracker.domain.state.tracks import LostReason
from tracker_scenes import LONG, SHORT, Scene, crowd, empty_frame, frame, frames, scene

MODEL = TrackerModel()
SURE = dataclasses.replace(LONG, detection_probability=1.0, clutter_per_scan=0.0)
AHEAD = scene(((5_000, 30_000, 3_000), (100, -150, 0)))


def statuses(tracks: TrackTable) -> list[TrackStatus]:
    return [TrackStatus(status) for status in tracks.records.status]


def coasting_frame(t_s: float, **changes: Any) -> Frame:
    return dataclasses.replace(empty_frame(t_s), **changes)


def tracking(seconds: int = 5, model: TrackerModel = MODEL) -> Tracker:
    tracker = Tracker(model)
    for _, seen in frames(SURE, AHEAD, seconds):
        tracks = tracker.step(seen)
    assert statuses(tracks) == [TrackStatus.TRACKED]
    return tracker


def test_a_target_is_first_new_then_tracked() -> None:
    tracker = Tracker(MODEL)
    seen = [tracker.step(each) for _, each in frames(SURE, AHEAD, 4)]
    assert [statuses(tracks) for tracks in seen] == [[TrackStatus.NEW]] + [[TrackStatus.TRACKED]] * 3
    assert [tracks.records.number.tolist() for tracks in seen] == [[1]] * 4
    assert [tracks.records.hits.tolist() for tracks in seen] == [[1], [2], [3], [4]]
    assert {tracks.records.birth_ns[0] for tracks in seen} == {seen[0].time_ns}


def test_a_confirmed_track_coasts_over_misses_and_is_lost_once() -> None:
    tracker = tracking()
    tables = [tracker.step(empty_frame(float(t))) for t in range(6, 20)]
    seen = [statuses(tracks) for tracks in tables]
    lost = seen.index([TrackStatus.LOST])
    assert 2 <= lost <= 8
    assert seen[:lost] == [[TrackStatus.COASTING]] * lost
    assert seen[lost + 1 :] == [[]] * (len(seen) - lost - 1)
    assert [tracks.records.consecutive_misses[0] for tracks in tables[: lost + 1]] == list(range(1, lost + 2))
    assert np.all(np.diff([tracks.existence_probability[0] for tracks in tables[: lost + 1]]) < 0.0)
    reasons = [tracks.records.lost_reason.tolist() for tracks in tables[: lost + 1]]
    assert reasons == [[LostReason.NONE]] * lost + [[LostReason.MISSED]]
    assert tables[lost].existence_probability[0] < MODEL.delete_probability <= tables[lost - 1].existence_probability[0]


def test_a_coasting_track_is_tracked_again_under_its_own_number() -> None:
    tracker = tracking()
    assert statuses(tracker.step(empty_frame(6.0))) == [TrackStatus.COASTING]
    tracks = tracker.step(frame(SURE, AHEAD.after(7.0), 7.0, 7))
    assert (statuses(tracks), tracks.records.number.tolist(), tracks.records.consecutive_misses.tolist()) == (
        [TrackStatus.TRACKED],
        [1],
        [0],
    )


def test_a_new_track_without_further_detections_is_deleted_within_two_scans() -> None:
    tracker = Tracker(MODEL)
    tracker.step(frame(SURE, AHEAD, 0.0, 1))
    tables = [tracker.step(empty_frame(float(t))) for t in (1, 2, 3)]
    seen = [statuses(tracks) for tracks in tables]
    assert seen in ([[TrackStatus.LOST], [], []], [[TrackStatus.NEW], [TrackStatus.LOST], []])
    assert tables[seen.index([TrackStatus.LOST])].records.lost_reason.tolist() == [LostReason.NOT_CONFIRMED]


def test_a_track_number_is_never_reused() -> None:
    tracker, born = Tracker(MODEL), []
    for step in range(1, 60):
        tracks = tracker.step(frame(LONG, crowd(3, 40e3, 4).after(step), float(step), step))
        born.extend(tracks.records.number[tracks.records.birth_ns == tracks.time_ns].tolist())
    assert born == list(range(1, len(born) + 1))
    assert len(born) > 100


def test_every_track_is_reported_lost_exactly_once_or_still_live() -> None:
    tracker, reported, lost = Tracker(MODEL), set[int](), Counter[int]()
    for step in range(1, 60):
        tracks = tracker.step(frame(LONG, crowd(3, 40e3, 4).after(step), float(step), step))
        assert not reported & set(lost) & set(tracks.records.number.tolist())
        reported |= set(tracks.records.number.tolist())
        lost.update(tracks.records.number[tracks.records.status == TrackStatus.LOST].tolist())
        assert np.array_equal(tracks.records.status == TrackStatus.LOST, tracks.records.lost_reason != LostReason.NONE)
    alive = set(tracks.records.number[tracks.records.status != TrackStatus.LOST].tolist())
    assert set(lost.values()) == {1}
    assert reported == set(lost) | alive


@pytest.mark.parametrize("silent", [{"status": SensorStatus.OFF}, {"status": SensorStatus.FAILED}, {"truncated": True}])
def test_a_sensor_that_is_off_failed_or_truncated_misses_no_track(silent: Any) -> None:
    tracker = tracking()
    quality = None
    for t in range(6, 15):
        tracks = tracker.step(coasting_frame(float(t), **silent))
        assert statuses(tracks) == [TrackStatus.COASTING]
        assert tracks.records.consecutive_misses.tolist() == [0]
        assert quality is None or tracks.existence_probability[0] == pytest.approx(quality, abs=0.01)
        quality = tracks.existence_probability[0]
    tracks = tracker.step(frame(SURE, AHEAD.after(15.0), 15.0, 15))
    assert (statuses(tracks), tracks.records.number.tolist()) == ([TrackStatus.TRACKED], [1])


@pytest.mark.parametrize("silent", [{"status": SensorStatus.OFF}, {"sensor_id": "elsewhere"}])
def test_a_track_without_detections_for_max_coast_is_deleted_even_out_of_view(silent: Any) -> None:
    tracker = tracking()
    limit = round(MODEL.max_coast_s)
    far = np.array([1e9, 0.0, 0.0])
    for t in range(6, 5 + limit + 1):
        tracks = tracker.step(coasting_frame(float(t), sensor_position_m=far, **silent))
        assert TrackStatus.LOST not in statuses(tracks)
    tracks = tracker.step(coasting_frame(5.0 + limit + 1e-3, sensor_position_m=far, **silent))
    assert statuses(tracks) == [TrackStatus.LOST]
    assert tracks.records.lost_reason.tolist() == [LostReason.TOO_OLD]


def test_a_track_out_of_a_sensors_range_or_elevation_limits_is_not_missed_by_it() -> None:
    above = scene(((0, 2_000, 20_000), (0, 0, 0)))
    high = dataclasses.replace(SURE, max_elev_deg=90.0)
    tracker = Tracker(MODEL)
    for _, seen in frames(high, above, 4):
        tracks = tracker.step(seen)
    for t, radar in ((5.0, SHORT), (6.0, dataclasses.replace(SHORT, max_range_m=90_000.0, max_elev_deg=60.0))):
        tracks = tracker.step(empty_frame(t, radar=radar))
        assert (statuses(tracks), tracks.records.consecutive_misses.tolist()) == ([TrackStatus.TRACKED], [0])
    tracks = tracker.step(empty_frame(7.0, radar=dataclasses.replace(LONG, max_elev_deg=60.0)))
    assert (statuses(tracks), tracks.records.consecutive_misses.tolist()) == ([TrackStatus.COASTING], [0])


def test_a_frame_after_a_long_gap_starts_new_tracks() -> None:
    tracker = tracking()
    tracks = tracker.step(frame(SURE, AHEAD, 1e6, 9))
    assert tracks.records.number.tolist() == [1, 2]
    assert statuses(tracks) == [TrackStatus.LOST, TrackStatus.NEW]
    assert tracks.records.lost_reason.tolist() == [LostReason.TOO_OLD, LostReason.NONE]


def test_two_sensors_at_the_same_time_update_one_track() -> None:
    near = scene(((2_000, 6_000, 2_000), (100, -50, 0)))
    tracker = Tracker(MODEL)
    sure = dataclasses.replace(SHORT, detection_probability=1.0, clutter_per_scan=0.0)
    for step in range(1, 9):
        now = near.after(float(step))
        first = tracker.step(frame(SURE, now, float(step), step))
        second = tracker.step(frame(sure, now, float(step), step))
        assert first.records.number.tolist() == second.records.number.tolist() == [1]
        # The second sensor's detection reduces the covariance.
        assert np.trace(second.covariance[0]) < np.trace(first.covariance[0])
    assert second.records.hits.tolist() == [16]
    assert second.records.range_band.tolist() == [2]


def test_empty_frames_without_tracks_are_empty_tables() -> None:
    tracker = Tracker(MODEL)
    for t in (0.0, 0.0, 1.0):
        tracks = tracker.step(empty_frame(t))
        assert len(tracks) == 0
        assert (tracks.position_m.shape, tracks.covariance.shape) == ((0, 3), (0, 6, 6))


def test_beyond_max_tracks_the_strongest_detections_are_initiated_and_the_others_counted() -> None:
    tracker = Tracker(TrackerModel(max_tracks=10))
    seen = frame(SURE, crowd(30, 40e3, 1), 1.0, 1)
    tracks = tracker.step(seen)
    assert (len(tracks), tracks.not_initiated) == (10, len(seen.detections) - 10)
    assert sorted(tracks.records.snr_db.tolist()) == sorted(seen.detections.snr_db.tolist())[-10:]
    assert tracker.step(frame(SURE, crowd(30, 40e3, 1).after(1.0), 2.0, 2)).not_initiated > 0


def test_the_existence_probability_is_that_of_the_score() -> None:
    tracker = Tracker(MODEL)
    for step in range(1, 8):
        tracks = tracker.step(frame(LONG, crowd(10, 40e3, 4).after(step), float(step), step))
    assert tracks.existence_probability == pytest.approx(1.0 / (1.0 + np.exp(-tracks.records.score)))


def test_existence_decays_with_the_lifetime_independently_of_the_step_length() -> None:
    score = np.array([-3.0, 0.0, 5.0, 400.0])
    once = existence.predict_existence(score, 10.0, MODEL)
    twice = existence.predict_existence(existence.predict_existence(score, 4.0, MODEL), 6.0, MODEL)
    assert once == pytest.approx(twice)
    probability = 1.0 / (1.0 + np.exp(-once))
    assert probability == pytest.approx(np.exp(-10.0 / MODEL.mean_lifetime_s) / (1.0 + np.exp(-score)))
    assert existence.predict_existence(score, 0.0, MODEL).tobytes() == score.tobytes()
    assert np.all(np.isfinite(existence.predict_existence(score, 1e9, MODEL)))


def test_changing_a_table_does_not_change_the_tracker() -> None:
    tracker, other = tracking(), tracking()
    tracks = tracker.step(empty_frame(6.0))
    other.step(empty_frame(6.0))
    tracks.records.words[...] = 0
    tracks.mode_probability[...] = 0.0
    for part in (tracks.kinematics, tracks.identities, tracks.identification):
        for column in dataclasses.fields(part):
            value = getattr(part, column.name)
            if isinstance(value, np.ndarray):
                value[...] = 0
    assert tracker.snapshot() == other.snapshot()


def test_detection_probabilities_of_zero_and_one_give_finite_scores() -> None:
    for detected in (0.0, 1.0):
        model = dataclasses.replace(empty_frame(0.0).sensor_model, detection_probability=detected, clutter_per_scan=0.0)
        tracker = Tracker(MODEL)
        for _, seen in frames(SURE, AHEAD, 6):
            tracks = tracker.step(dataclasses.replace(seen, sensor_model=model))
        tracks = tracker.step(coasting_frame(7.0, sensor_model=model))
        assert np.all(np.isfinite(tracks.records.score))


def test_tracks_end_with_their_targets_and_start_with_new_ones() -> None:
    tracker, empty_scene = Tracker(MODEL), Scene(np.empty((0, 3)), np.empty((0, 3)))
    for step in range(1, 31):
        now = crowd(5, 40e3, 2).after(step) if not 10 <= step < 22 else empty_scene
        tracks = tracker.step(frame(LONG, now, float(step), step))
        if step == 21:
            assert not np.isin(tracks.records.status, [TrackStatus.TRACKED, TrackStatus.COASTING]).any()
    assert np.count_nonzero(tracks.records.status == TrackStatus.TRACKED) >= 4


def test_a_track_is_confirmed_when_its_existence_probability_reaches_the_threshold() -> None:
    """In clutter a first detection is weak evidence; each further one in the gate adds to it."""
    tracker, reported = Tracker(MODEL), list[tuple[TrackStatus, bool]]()
    doubtful = dataclasses.replace(empty_frame(0.0).sensor_model, clutter_per_scan=2_000.0)
    for _, seen in frames(SURE, AHEAD, 12):
        tracks = tracker.step(dataclasses.replace(seen, sensor_model=doubtful))
        reported.append((statuses(tracks)[0], bool(tracks.existence_probability[0] >= MODEL.confirm_probability)))
    confirmed = [status for status, _ in reported].index(TrackStatus.TRACKED)
    assert reported[: confirmed + 1] == [(TrackStatus.NEW, False)] * confirmed + [(TrackStatus.TRACKED, True)]
    assert 1 <= confirmed < 6
    assert {status for status, _ in reported[confirmed:]} == {TrackStatus.TRACKED}


def test_more_clutter_and_rarer_births_delay_the_confirmation() -> None:
    waited = []
    for clutter in (0.0, 20.0, 20_000.0):
        tracker = Tracker(dataclasses.replace(MODEL, new_target_probability=1e-4))
        reported = dataclasses.replace(empty_frame(0.0).sensor_model, clutter_per_scan=clutter)
        status: list[TrackStatus] = []
        for _, seen in frames(SURE, AHEAD, 20):
            status += statuses(tracker.step(dataclasses.replace(seen, sensor_model=reported)))
        waited.append(status.index(TrackStatus.TRACKED))
    assert waited == sorted(waited)
    assert waited[0] < waited[-1]


def test_a_doubtful_track_takes_no_detection_from_a_certain_one() -> None:
    """A new track starts beside an established one; a detection in both gates is assigned to the established one."""
    tracker = tracking(12)
    now = AHEAD.after(13.0)
    both = scene(
        (now.position_m[0], now.velocity_mps[0]), (now.position_m[0] + [250.0, 250.0, 0.0], now.velocity_mps[0])
    )
    initial = tracker.step(frame(SURE, both, 13.0, 13))
    assert initial.records.number.tolist() == [1, 2]
    tracks = tracker.step(frame(SURE, AHEAD.after(14.0), 14.0, 14))
    assert tracks.records.detection[tracks.records.number == 1].tolist() == [0]


def test_consecutive_and_total_misses_are_counted() -> None:
    tracker = tracking()
    reported = []
    for t in range(6, 12):
        seen = frame(SURE, AHEAD.after(float(t)), float(t), t) if t % 2 else empty_frame(float(t))
        tracks = tracker.step(seen)
        reported.append(
            (
                int(tracks.records.consecutive_misses[0]),
                int(tracks.records.total_misses[0]),
                int(tracks.records.detection[0]),
            )
        )
    assert reported == [(1, 1, -1), (0, 1, 0), (1, 2, -1), (0, 2, 0), (1, 3, -1), (0, 3, 0)]
