"""Tracks are born, confirmed, coasted and given up as the evidence says, and announced as lost exactly once."""

import dataclasses
from collections import Counter
from typing import Any

import numpy as np
import pytest

from svc_tracker.domain import Frame, SensorStatus, Tracker, TrackerModel, TrackStatus, TrackTable
from svc_tracker.domain.association import existence as life
from svc_tracker.domain.state.tracks import LostReason
from tracker_scenes import LONG, SHORT, Scene, crowd, empty_frame, frame, frames, scene

MODEL = TrackerModel()
SURE = dataclasses.replace(LONG, detection_probability=1.0, clutter_per_scan=0.0)
AHEAD = scene(((5_000, 30_000, 3_000), (100, -150, 0)))


def statuses(tracks: TrackTable) -> list[TrackStatus]:
    return [TrackStatus(status) for status in tracks.status]


def coasting_frame(t_s: float, **changes: Any) -> Frame:
    return dataclasses.replace(empty_frame(t_s), **changes)


def followed(seconds: int = 5, model: TrackerModel = MODEL) -> Tracker:
    tracker = Tracker(model)
    for _, seen in frames(SURE, AHEAD, seconds):
        tracks = tracker.step(seen)
    assert statuses(tracks) == [TrackStatus.TRACKED]
    return tracker


def test_a_thing_is_new_then_tracked() -> None:
    tracker = Tracker(MODEL)
    seen = [tracker.step(each) for _, each in frames(SURE, AHEAD, 4)]
    assert [statuses(tracks) for tracks in seen] == [[TrackStatus.NEW]] + [[TrackStatus.TRACKED]] * 3
    assert [tracks.number.tolist() for tracks in seen] == [[1]] * 4
    assert [tracks.hits.tolist() for tracks in seen] == [[1], [2], [3], [4]]
    assert {tracks.birth_ns[0] for tracks in seen} == {seen[0].time_ns}


def test_a_confirmed_track_coasts_over_misses_and_is_lost_once() -> None:
    tracker = followed()
    tables = [tracker.step(empty_frame(float(t))) for t in range(6, 20)]
    seen = [statuses(tracks) for tracks in tables]
    lost = seen.index([TrackStatus.LOST])
    assert 2 <= lost <= 8
    assert seen[:lost] == [[TrackStatus.COASTING]] * lost
    assert seen[lost + 1 :] == [[]] * (len(seen) - lost - 1)
    assert [tracks.misses[0] for tracks in tables[: lost + 1]] == list(range(1, lost + 2))
    assert np.all(np.diff([tracks.quality[0] for tracks in tables[: lost + 1]]) < 0.0)
    reasons = [tracks.lost_reason.tolist() for tracks in tables[: lost + 1]]
    assert reasons == [[LostReason.NONE]] * lost + [[LostReason.MISSED]]
    assert tables[lost].quality[0] < MODEL.delete_probability <= tables[lost - 1].quality[0]


def test_a_coasting_track_is_tracked_again_under_its_own_number() -> None:
    tracker = followed()
    assert statuses(tracker.step(empty_frame(6.0))) == [TrackStatus.COASTING]
    tracks = tracker.step(frame(SURE, AHEAD.after(7.0), 7.0, 7))
    assert (statuses(tracks), tracks.number.tolist(), tracks.misses.tolist()) == ([TrackStatus.TRACKED], [1], [0])


def test_a_new_track_that_is_not_seen_again_is_lost_within_two_scans() -> None:
    tracker = Tracker(MODEL)
    tracker.step(frame(SURE, AHEAD, 0.0, 1))
    tables = [tracker.step(empty_frame(float(t))) for t in (1, 2, 3)]
    seen = [statuses(tracks) for tracks in tables]
    assert seen in ([[TrackStatus.LOST], [], []], [[TrackStatus.NEW], [TrackStatus.LOST], []])
    assert tables[seen.index([TrackStatus.LOST])].lost_reason.tolist() == [LostReason.NOT_CONFIRMED]


def test_a_number_is_never_used_again() -> None:
    tracker, born = Tracker(MODEL), []
    for step in range(1, 60):
        tracks = tracker.step(frame(LONG, crowd(3, 40e3, 4).after(step), float(step), step))
        born.extend(tracks.number[tracks.birth_ns == tracks.time_ns].tolist())
    assert born == list(range(1, len(born) + 1))
    assert len(born) > 100


def test_every_number_that_was_told_is_lost_exactly_once_or_still_there() -> None:
    tracker, told, lost = Tracker(MODEL), set[int](), Counter[int]()
    for step in range(1, 60):
        tracks = tracker.step(frame(LONG, crowd(3, 40e3, 4).after(step), float(step), step))
        assert not told & set(lost) & set(tracks.number.tolist())
        told |= set(tracks.number.tolist())
        lost.update(tracks.number[tracks.status == TrackStatus.LOST].tolist())
        assert np.array_equal(tracks.status == TrackStatus.LOST, tracks.lost_reason != LostReason.NONE)
    alive = set(tracks.number[tracks.status != TrackStatus.LOST].tolist())
    assert set(lost.values()) == {1}
    assert told == set(lost) | alive


@pytest.mark.parametrize("silent", [{"status": SensorStatus.OFF}, {"status": SensorStatus.FAILED}, {"truncated": True}])
def test_what_a_sensor_cannot_tell_is_no_miss(silent: Any) -> None:
    tracker = followed()
    quality = None
    for t in range(6, 15):
        tracks = tracker.step(coasting_frame(float(t), **silent))
        assert statuses(tracks) == [TrackStatus.COASTING]
        assert tracks.misses.tolist() == [0]
        assert quality is None or tracks.quality[0] == pytest.approx(quality, abs=0.01)
        quality = tracks.quality[0]
    tracks = tracker.step(frame(SURE, AHEAD.after(15.0), 15.0, 15))
    assert (statuses(tracks), tracks.number.tolist()) == ([TrackStatus.TRACKED], [1])


@pytest.mark.parametrize("silent", [{"status": SensorStatus.OFF}, {"sensor_id": "elsewhere"}])
def test_what_is_not_measured_for_too_long_is_given_up_however_blind_the_sensors_are(silent: Any) -> None:
    tracker = followed()
    limit = round(MODEL.max_coast_s)
    far = np.array([1e9, 0.0, 0.0])
    for t in range(6, 5 + limit + 1):
        tracks = tracker.step(coasting_frame(float(t), sensor_position_m=far, **silent))
        assert TrackStatus.LOST not in statuses(tracks)
    tracks = tracker.step(coasting_frame(5.0 + limit + 1e-3, sensor_position_m=far, **silent))
    assert statuses(tracks) == [TrackStatus.LOST]
    assert tracks.lost_reason.tolist() == [LostReason.TOO_OLD]


def test_a_track_out_of_a_sensors_range_or_elevation_is_not_missed_by_it() -> None:
    above = scene(((0, 2_000, 20_000), (0, 0, 0)))
    high = dataclasses.replace(SURE, max_elev_deg=90.0)
    tracker = Tracker(MODEL)
    for _, seen in frames(high, above, 4):
        tracks = tracker.step(seen)
    for t, radar in ((5.0, SHORT), (6.0, dataclasses.replace(SHORT, max_range_m=90_000.0, max_elev_deg=60.0))):
        tracks = tracker.step(empty_frame(t, radar=radar))
        assert (statuses(tracks), tracks.misses.tolist()) == ([TrackStatus.TRACKED], [0])
    tracks = tracker.step(empty_frame(7.0, radar=dataclasses.replace(LONG, max_elev_deg=60.0)))
    assert (statuses(tracks), tracks.misses.tolist()) == ([TrackStatus.COASTING], [0])


def test_a_frame_after_a_long_silence_begins_anew() -> None:
    tracker = followed()
    tracks = tracker.step(frame(SURE, AHEAD, 1e6, 9))
    assert tracks.number.tolist() == [1, 2]
    assert statuses(tracks) == [TrackStatus.LOST, TrackStatus.NEW]
    assert tracks.lost_reason.tolist() == [LostReason.TOO_OLD, LostReason.NONE]


def test_two_sensors_at_one_time_see_one_thing() -> None:
    near = scene(((2_000, 6_000, 2_000), (100, -50, 0)))
    tracker = Tracker(MODEL)
    sure = dataclasses.replace(SHORT, detection_probability=1.0, clutter_per_scan=0.0)
    for step in range(1, 9):
        now = near.after(float(step))
        first = tracker.step(frame(SURE, now, float(step), step))
        second = tracker.step(frame(sure, now, float(step), step))
        assert first.number.tolist() == second.number.tolist() == [1]
        # What the second sensor adds makes the same moment more certain.
        assert np.trace(second.covariance[0]) < np.trace(first.covariance[0])
    assert second.hits.tolist() == [16]
    assert second.range_band.tolist() == [2]


def test_empty_frames_without_tracks_are_empty_tables() -> None:
    tracker = Tracker(MODEL)
    for t in (0.0, 0.0, 1.0):
        tracks = tracker.step(empty_frame(t))
        assert len(tracks) == 0
        assert (tracks.position_m.shape, tracks.covariance.shape) == ((0, 3), (0, 6, 6))


def test_detections_that_find_no_room_are_counted_and_the_strongest_get_it() -> None:
    tracker = Tracker(TrackerModel(max_tracks=10))
    seen = frame(SURE, crowd(30, 40e3, 1), 1.0, 1)
    tracks = tracker.step(seen)
    assert (len(tracks), tracks.not_initiated) == (10, len(seen.detections) - 10)
    assert sorted(tracks.snr_db.tolist()) == sorted(seen.detections.snr_db.tolist())[-10:]
    assert tracker.step(frame(SURE, crowd(30, 40e3, 1).after(1.0), 2.0, 2)).not_initiated > 0


def test_quality_is_the_probability_of_the_score() -> None:
    tracker = Tracker(MODEL)
    for step in range(1, 8):
        tracks = tracker.step(frame(LONG, crowd(10, 40e3, 4).after(step), float(step), step))
    assert tracks.quality == pytest.approx(1.0 / (1.0 + np.exp(-tracks.score)))


def test_existence_decays_as_lifetimes_end_however_long_the_steps() -> None:
    score = np.array([-3.0, 0.0, 5.0, 400.0])
    once = life.survive(score, 10.0, MODEL)
    twice = life.survive(life.survive(score, 4.0, MODEL), 6.0, MODEL)
    assert once == pytest.approx(twice)
    existence = 1.0 / (1.0 + np.exp(-once))
    assert existence == pytest.approx(np.exp(-10.0 / MODEL.mean_lifetime_s) / (1.0 + np.exp(-score)))
    assert life.survive(score, 0.0, MODEL).tobytes() == score.tobytes()
    assert np.all(np.isfinite(life.survive(score, 1e9, MODEL)))


def test_a_table_belongs_to_its_reader() -> None:
    tracker, other = followed(), followed()
    tracks = tracker.step(empty_frame(6.0))
    other.step(empty_frame(6.0))
    for column in dataclasses.fields(tracks):
        value = getattr(tracks, column.name)
        if isinstance(value, np.ndarray):
            value[...] = 0
    assert tracker.snapshot() == other.snapshot()


def test_a_sensor_that_is_said_to_see_everything_or_nothing_is_borne() -> None:
    for detected in (0.0, 1.0):
        model = dataclasses.replace(empty_frame(0.0).sensor_model, detection_probability=detected, clutter_per_scan=0.0)
        tracker = Tracker(MODEL)
        for _, seen in frames(SURE, AHEAD, 6):
            tracks = tracker.step(dataclasses.replace(seen, sensor_model=model))
        tracks = tracker.step(coasting_frame(7.0, sensor_model=model))
        assert np.all(np.isfinite(tracks.score))


def test_a_scene_may_end_and_begin() -> None:
    tracker, nobody = Tracker(MODEL), Scene(np.empty((0, 3)), np.empty((0, 3)))
    for step in range(1, 31):
        now = crowd(5, 40e3, 2).after(step) if not 10 <= step < 22 else nobody
        tracks = tracker.step(frame(LONG, now, float(step), step))
        if step == 21:
            assert not np.isin(tracks.status, [TrackStatus.TRACKED, TrackStatus.COASTING]).any()
    assert np.count_nonzero(tracks.status == TrackStatus.TRACKED) >= 4


def test_a_track_is_confirmed_when_its_probability_of_existence_says_so_and_not_before() -> None:
    """In clutter a first detection says little; each that follows where it should says more."""
    tracker, told = Tracker(MODEL), list[tuple[TrackStatus, bool]]()
    doubtful = dataclasses.replace(empty_frame(0.0).sensor_model, clutter_per_scan=2_000.0)
    for _, seen in frames(SURE, AHEAD, 12):
        tracks = tracker.step(dataclasses.replace(seen, sensor_model=doubtful))
        told.append((statuses(tracks)[0], bool(tracks.quality[0] >= MODEL.confirm_probability)))
    confirmed = [status for status, _ in told].index(TrackStatus.TRACKED)
    assert told[: confirmed + 1] == [(TrackStatus.NEW, False)] * confirmed + [(TrackStatus.TRACKED, True)]
    assert 1 <= confirmed < 6
    assert {status for status, _ in told[confirmed:]} == {TrackStatus.TRACKED}


def test_more_clutter_and_rarer_births_make_a_confirmation_wait() -> None:
    waited = []
    for clutter in (0.0, 20.0, 20_000.0):
        tracker = Tracker(dataclasses.replace(MODEL, new_share=1e-4))
        told = dataclasses.replace(empty_frame(0.0).sensor_model, clutter_per_scan=clutter)
        status: list[TrackStatus] = []
        for _, seen in frames(SURE, AHEAD, 20):
            status += statuses(tracker.step(dataclasses.replace(seen, sensor_model=told)))
        waited.append(status.index(TrackStatus.TRACKED))
    assert waited == sorted(waited)
    assert waited[0] < waited[-1]


def test_a_doubtful_track_takes_no_detection_from_a_certain_one() -> None:
    """Beside a track of long standing a newborn begins; the one detection that both could be is the old one's."""
    tracker = followed(12)
    now = AHEAD.after(13.0)
    both = scene(
        (now.position_m[0], now.velocity_mps[0]), (now.position_m[0] + [250.0, 250.0, 0.0], now.velocity_mps[0])
    )
    begun = tracker.step(frame(SURE, both, 13.0, 13))
    assert begun.number.tolist() == [1, 2]
    tracks = tracker.step(frame(SURE, AHEAD.after(14.0), 14.0, 14))
    assert tracks.detection[tracks.number == 1].tolist() == [0]


def test_misses_are_counted_in_a_row_and_in_all() -> None:
    tracker = followed()
    told = []
    for t in range(6, 12):
        seen = frame(SURE, AHEAD.after(float(t)), float(t), t) if t % 2 else empty_frame(float(t))
        tracks = tracker.step(seen)
        told.append((int(tracks.misses[0]), int(tracks.misses_in_all[0]), int(tracks.detection[0])))
    assert told == [(1, 1, -1), (0, 1, 0), (1, 2, -1), (0, 2, 0), (1, 3, -1), (0, 3, 0)]
