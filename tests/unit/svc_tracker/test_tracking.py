"""Tracks are accurate and keep their numbers, and clutter is never confirmed. Seeds are fixed."""

import dataclasses
from collections import Counter
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from evaluation.gospa import gospa
from svc_tracker.domain import Tracker, TrackerModel, TrackStatus, TrackTable
from tracker_scenes import LONG, SHORT, Scene, crowd, empty_frame, frame, frames, scene

MODEL = TrackerModel()
# Long lifetimes: a few consecutive misses delete no track.
PATIENT = TrackerModel(mean_lifetime_s=3_600.0, delete_probability=0.01)
CUTOFF_M = 1_000.0


def confirmed(tracks: TrackTable) -> Any:
    return (tracks.records.status == TrackStatus.TRACKED) | (tracks.records.status == TrackStatus.COASTING)


def owners(tracks: TrackTable, now: Scene) -> list[int]:
    """Return the number of the confirmed track nearest to each target, 0 for none within the cut-off."""
    number, position_m = tracks.records.number[confirmed(tracks)], tracks.position_m[confirmed(tracks)]
    distance = cdist(now.position_m, position_m)
    return [int(number[row.argmin()]) if row.size and row.min() < CUTOFF_M else 0 for row in distance]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_twenty_targets_in_clutter_are_tracked_within_bounds(seed: int) -> None:
    start = crowd(20, 35e3, seed)
    radar = dataclasses.replace(LONG, clutter_per_scan=20.0)
    tracker, errors, standing = Tracker(PATIENT), list[float](), Counter[int]()
    numbers_of: list[set[int]] = [set() for _ in range(20)]
    for now, seen in frames(radar, start, 60, seed):
        tracks = tracker.step(seen)
        standing.update(tracks.records.number.tolist())
        error = gospa(now.position_m, tracks.position_m[confirmed(tracks)], CUTOFF_M)
        if seen.time_ns - tracks.records.birth_ns[0] > 10e9:
            errors.append(error.total**2)
            for target, number in enumerate(owners(tracks, now)):
                numbers_of[target].add(number)
    # 20 targets of 90 m each are 400 m; one missed or false would add 707 m.
    assert np.sqrt(np.mean(errors)) < 600.0
    assert all(len(numbers) == 1 for numbers in numbers_of)
    true = set().union(*numbers_of)
    # False tracks end after two misses; they last longer only by chance.
    false = [scans for number, scans in standing.items() if number not in true]
    assert len(false) > 500
    assert max(false) <= 6


def test_clutter_alone_is_never_confirmed() -> None:
    empty_scene = Scene(np.empty((0, 3)), np.empty((0, 3)))
    tracker = Tracker(MODEL)
    for _, seen in frames(dataclasses.replace(LONG, clutter_per_scan=200.0), empty_scene, 60):
        assert not confirmed(tracker.step(seen)).any()


@pytest.mark.parametrize("seed", range(5))
def test_crossing_targets_keep_their_tracks(seed: int) -> None:
    crossing = scene(
        ((-3_000, 20_000, 2_000), (200, 10, 0)),
        ((3_000, 20_300, 2_300), (-200, 0, 0)),
        ((0, 17_000, 2_900), (0, 180, 0)),
    )
    tracker, numbers_of = Tracker(MODEL), [set[int]() for _ in range(3)]
    for step, (now, seen) in enumerate(frames(LONG, crossing, 40, seed), start=1):
        numbers = owners(tracker.step(seen), now)
        # Where they meet, the nearest track need not be their own.
        if 6 <= step <= 10 or step >= 25:
            for target, number in enumerate(numbers):
                numbers_of[target].add(number)
    assert [len(numbers) for numbers in numbers_of] == [1, 1, 1]
    assert len(set().union(*numbers_of)) == 3


def test_a_turning_aircraft_keeps_its_track() -> None:
    """Three degrees a second at 120 m/s, the standard rate of turn."""
    tracker, numbers_of, place = Tracker(MODEL), set[int](), np.array([10_000.0, 15_000.0, 2_000.0])
    for step in range(1, 80):
        course = np.radians(3.0) * np.clip(step - 20, 0, 40)
        along = 120.0 * np.array([np.sin(course), np.cos(course), 0.0])
        place = place + along
        now = scene((place, along))
        tracks = tracker.step(frame(LONG, now, float(step), step))
        if step > 5:
            numbers_of.update(owners(tracks, now))
    assert len(numbers_of) == 1


def test_the_short_range_radar_takes_over_an_approaching_track() -> None:
    coming = scene(((500, 25_000, 1_500), (0, -200, 0)))
    tracker, numbers_of, bands = Tracker(MODEL), set(), []
    for step in range(1, 121):
        now = coming.after(step)
        for radar in (LONG, SHORT):
            tracks = tracker.step(frame(radar, now, float(step), step))
        if step > 5:
            numbers_of.update(owners(tracks, now))
            bands.append(int(tracks.records.range_band[confirmed(tracks)][0]))
    assert len(numbers_of) == 1
    assert (bands[0], bands[-1]) == (1, 2)
    error = np.linalg.norm(tracks.position_m[confirmed(tracks)][0] - now.position_m[0])
    assert error < 30.0


def test_a_static_target_is_static_to_a_moving_sensor() -> None:
    standing = scene(((3_000, 20_000, 500), (0, 0, 0)))
    tracker = Tracker(MODEL)
    for step in range(1, 41):
        own = dataclasses.replace(standing.own, position_m=np.array([0.0, 50.0 * step, 0.0]))
        standing.own = dataclasses.replace(own, velocity_mps=np.array([0.0, 50.0, 0.0]))
        tracks = tracker.step(frame(dataclasses.replace(LONG, clutter_per_scan=0.0), standing, float(step), step))
    assert np.count_nonzero(confirmed(tracks)) == 1
    assert np.linalg.norm(tracks.velocity_mps[confirmed(tracks)][0]) < 25.0
    assert np.linalg.norm(tracks.position_m[confirmed(tracks)][0] - standing.position_m[0]) < 150.0


def test_a_frame_of_four_thousand_detections_is_tracked() -> None:
    radar = dataclasses.replace(LONG, clutter_per_scan=3_900.0)
    start, tracker = crowd(20, 35e3, 1), Tracker(MODEL)
    for _, seen in frames(radar, start, 8):
        tracks = tracker.step(seen)
    assert len(seen.detections) > 3_800
    error = gospa(start.after(8.0).position_m, tracks.position_m[confirmed(tracks)], CUTOFF_M)
    assert error.assigned == 20
    assert error.false_count <= 5


CALLING = dataclasses.replace(
    LONG, detection_probability=1.0, clutter_per_scan=0.0, transponder_reply_probability=1.0, transponder_range_m=1e6
)


def test_strength_and_time_are_those_of_the_last_detection() -> None:
    tracker = Tracker(MODEL)
    for step in (1, 2, 3):
        seen = frame(CALLING, scene(((0, 20_000, 2_000), (100, 0, 0))).after(step), float(step), step)
        tracks = tracker.step(seen)
    assert tracks.records.snr_db.tolist() == seen.detections.snr_db.tolist()
    assert tracks.records.rcs_dbsm.tolist() == seen.detections.rcs_dbsm.tolist()
    assert tracks.records.range_band.tolist() == [1]
    assert tracks.records.measured_ns.tolist() == [seen.time_ns]
    later = tracker.step(empty_frame(4.0))
    assert later.records.snr_db.tolist() == tracks.records.snr_db.tolist()
    assert later.records.measured_ns.tolist() == [seen.time_ns]


def test_an_identity_belongs_to_its_own_track() -> None:
    tracker = Tracker(MODEL)
    pair = scene(((0, 20_000, 2_000), (100, 0, 0)), ((9_000, -20_000, 2_000), (0, 100, 0)), identity=("N", "S"))
    for step in (1, 2, 3):
        tracks = tracker.step(frame(CALLING, pair.after(step), float(step), step))
    north = int(np.argmax(tracks.position_m[:, 1]))
    assert (
        tuple(tracks.identities.identity.tolist())[north],
        tuple(tracks.identities.identity.tolist())[1 - north],
    ) == ("N", "S")


def test_an_identity_stays_with_its_track_when_earlier_tracks_are_lost() -> None:
    tracker, both = Tracker(MODEL), scene(((0, 20_000, 2_000), (90, 0, 0)), ((9_000, -20_000, 2_000), (0, 90, 0)))
    named = dataclasses.replace(both, identity=("N", "S"))
    for step in range(1, 5):
        tracks = tracker.step(frame(CALLING, named.after(step), float(step), step))
    assert tuple(tracks.identities.identity.tolist()) == ("N", "S")
    left = scene(((9_000, -20_000, 2_000), (0, 90, 0)), identity=("S",))
    for step in range(5, 16):
        tracks = tracker.step(frame(CALLING, left.after(step), float(step), step))
    assert (tracks.records.number.tolist(), tuple(tracks.identities.identity.tolist())) == ([2], ("S",))


@pytest.mark.parametrize(("rate_dps", "mode"), [(0.0, "straight"), (4.0, "turn_right"), (-4.0, "turn_left")])
def test_the_most_probable_mode_is_that_of_the_targets_motion(rate_dps: float, mode: str) -> None:
    tracker, place = Tracker(MODEL), np.array([8_000.0, 9_000.0, 1_000.0])
    precise = dataclasses.replace(SHORT, detection_probability=1.0, clutter_per_scan=0.0, max_range_m=90e3)
    for step in range(1, 40):
        course = np.radians(rate_dps) * step
        along = 150.0 * np.array([np.sin(course), np.cos(course), 0.0])
        place = place + along
        tracks = tracker.step(frame(precise, scene((place, along)), float(step), step))
    reported = dict(zip(tracks.modes, tracks.mode_probability[0].tolist(), strict=True))
    assert max(reported, key=lambda name: reported[name]) == mode
    assert reported[mode] > 0.7
    assert tracks.mode_probability.sum(axis=1) == pytest.approx(1.0)
