"""Several sensors, asynchronous, rotating, moving or of uncertain position, track one target as one track."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import chi2

from evaluation.consistency import anees, nees
from svc_tracker.domain import FrameError, Tracker, TrackerModel, TrackStatus
from svc_tracker.domain.cycle import TrackingCycle
from tracker_truth import NOTHING, START_NS, STRAIGHT, Drift, Sensor, assigned, detections, known, moments

Floats = npt.NDArray[np.float64]
MODEL = TrackerModel(modes=STRAIGHT)
ROTATION_S = 4.0


def straight(speed_mps: float) -> tuple[Floats, Floats]:
    """Return position and velocity of a target that passes the sensor, across the line of sight."""
    return np.array([[-3_000.0, 12_000.0, 1_500.0]]), np.array([[speed_mps, 0.0, 0.0]])


def test_two_asynchronous_sensors_track_a_target_better_than_either_alone() -> None:
    first = Sensor(sensor_id="first", vr_sigma_mps=None)
    second = Sensor(sensor_id="second", vr_sigma_mps=None, position_m=(20_000.0, 9_000.0, 0.0), range_sigma_m=30.0)
    schedule = {
        "first": [(1.0 * k, first) for k in range(30)],
        "second": [(0.37 + 1.3 * k, second) for k in range(22)],
    }
    schedule["both"] = sorted(schedule["first"] + schedule["second"], key=lambda scan: scan[0])
    trace, error = {}, {}
    for name, scans in schedule.items():
        rng, tracker = np.random.default_rng(5), Tracker(MODEL)
        position, velocity = straight(220.0)
        for t_s, sensor in scans:
            tracks = tracker.step(sensor.frame(t_s, sensor.measure(position + t_s * velocity, velocity, rng)))
            assert tracks.records.number.tolist() == [1]
        trace[name] = np.trace(tracks.covariance[0, :3, :3])
        error[name] = np.linalg.norm(tracks.position_m[0] - (position + t_s * velocity)[0])
    assert trace["both"] < 0.8 * min(trace["first"], trace["second"])
    assert error["both"] < 30.0
    assert tracks.records.hits.tolist() == [52]


def test_a_second_sensor_at_the_same_time_reduces_the_covariance() -> None:
    first, second = Sensor(sensor_id="first"), Sensor(sensor_id="second", position_m=(9_000.0, 0.0, 0.0))
    tracker, (position, velocity) = Tracker(MODEL), straight(150.0)
    rng = np.random.default_rng(1)
    for step in range(5):
        now = position + step * velocity
        one = tracker.step(first.frame(float(step), first.measure(now, velocity, rng)))
        two = tracker.step(second.frame(float(step), second.measure(now, velocity, rng)))
        assert one.records.number.tolist() == two.records.number.tolist() == [1]
        assert np.trace(two.covariance[0]) < np.trace(one.covariance[0])


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("vr_sigma_mps", [None, 0.5])
def test_a_detection_with_a_time_offset_updates_the_state_at_its_own_time(
    axes: int, vr_sigma_mps: float | None
) -> None:
    """The same detection in a frame of its own time, and then predicted, gives nearly the same state."""
    sensor = Sensor(elev_sigma_deg=0.2 if axes == 3 else None, vr_sigma_mps=vr_sigma_mps)
    # With negligible process noise, the states at both times carry the same information.
    quiet = dataclasses.replace(STRAIGHT[0], horizontal_noise_m2ps3=1e-9, vertical_noise_m2ps3=1e-9)
    model = TrackerModel(axes=axes, modes=(quiet,))
    which = np.r_[:axes, 3 : 3 + axes]
    x = np.array([-3_000.0, 12_000.0, 1_500.0, 200.0, -60.0, 3.0])[which]
    P = np.diag(np.array([50.0, 50.0, 50.0, 15.0, 15.0, 5.0])[which] ** 2)[:, :, None]
    position, velocity = np.array([[-3_000.0, 12_000.0, 1_500.0]]), np.array([[210.0, -50.0, 2.0]])
    position[:, axes:] = velocity[:, axes:] = 0.0
    tau = -1.4
    seen = sensor.measure(position + (2.0 + tau) * velocity + 20.0, velocity, None)
    direct = known(model, sensor, x[:, None], P)
    direct.step(sensor.frame(2.0 + tau, seen))
    mean, predicted = moments(direct.step(sensor.frame(2.0, NOTHING)).tracks.estimates)
    reported = dataclasses.replace(seen, time_offset_s=np.array([tau]))
    result = known(model, sensor, x[:, None], P).step(sensor.frame(2.0, reported))
    assert assigned(result) == [0]
    found, covariance = moments(result.tracks.estimates)
    sigma = np.sqrt(np.diag(predicted[:, :, 0]))
    # Meanwhile the line of sight, along which the measurement is linearised, turns by two degrees.
    np.testing.assert_allclose((found[:, 0] - mean[:, 0]) / sigma, 0.0, atol=0.15)
    unit = np.outer(sigma, sigma)
    np.testing.assert_allclose(covariance[:, :, 0] / unit, predicted[:, :, 0] / unit, atol=0.15)


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("vr_sigma_mps", [None, 0.5])
def test_a_rotating_radar_tracks_fast_targets_without_bias(axes: int, vr_sigma_mps: float | None) -> None:
    """300 m/s and a rotation of four seconds: without time offsets the tracks would be 600 m behind."""
    sensor = Sensor(elev_sigma_deg=0.2 if axes == 3 else None, vr_sigma_mps=vr_sigma_mps)
    model, rng, count = (
        TrackerModel(axes=axes, modes=STRAIGHT, gate_probability=1.0 - 1e-9),
        np.random.default_rng(2),
        80,
    )
    bearing = 2.4 * np.arange(count)
    distance = np.linspace(10e3, 60e3, count)
    place = np.column_stack([distance * np.sin(bearing), distance * np.cos(bearing), np.full(count, 900.0)])
    course = rng.uniform(0.0, 2.0 * np.pi, count)
    velocity = 300.0 * np.column_stack([np.sin(course), np.cos(course), np.zeros(count)])
    place[:, axes:] = 0.0
    cycle = TrackingCycle(model)
    for turn in range(8):
        end_s = ROTATION_S * (turn + 1)
        # The beam passes north at the frame's end, and each target earlier by its bearing.
        offset = -ROTATION_S * (1.0 - np.mod(np.arctan2(place[:, 0], place[:, 1]), 2.0 * np.pi) / (2.0 * np.pi))
        for _ in range(3):
            now = place + (end_s + offset)[:, None] * velocity
            offset = -ROTATION_S * (1.0 - np.mod(np.arctan2(now[:, 0], now[:, 1]), 2.0 * np.pi) / (2.0 * np.pi))
        seen = sensor.measure(place + (end_s + offset)[:, None] * velocity, velocity, rng)
        seen = dataclasses.replace(seen, time_offset_s=offset)
        result = cycle.step(sensor.frame(end_s, seen))
    own = np.flatnonzero(result.tracks.records.number == result.tracks.records.detection + 1)
    assert len(own) > 0.95 * count
    mean, covariance = moments(result.tracks.estimates, own)
    target = result.tracks.records.detection[own]
    truth = np.concatenate([(place + end_s * velocity)[target, :axes], velocity[target, :axes]], axis=1).T
    error = mean - truth
    sigma = np.sqrt(np.einsum("iin->in", covariance))
    ahead = np.einsum("dn,dn->n", error[:axes], truth[axes:]) / 300.0
    assert abs(np.mean(ahead)) < 4.0 * np.std(ahead) / np.sqrt(len(own))
    assert np.all(np.abs(np.mean(error / sigma, axis=1)) < 4.0 / np.sqrt(len(own)))
    # Targets at constant velocity have smaller errors than the model's process noise allows.
    assert np.mean(nees(error, covariance)) < 2 * axes * 1.1


def test_the_sensors_position_covariance_adds_to_the_tracks() -> None:
    """The position error common to the frames is modelled as independent in each: it bounds the track's covariance."""
    covariance = np.diag([400.0, 900.0, 25.0])
    tracker, (position, velocity) = Tracker(MODEL), straight(0.0)
    sensor, rng = Sensor(range_sigma_m=1.0, bearing_sigma_deg=0.005, elev_sigma_deg=0.005), np.random.default_rng(3)
    frames = [sensor.frame(float(t), sensor.measure(position, velocity, rng)) for t in range(2)]
    sure = [Tracker(MODEL), tracker]
    reported = [
        [
            one.step(each if one is not tracker else dataclasses.replace(each, sensor_position_covariance=covariance))
            for each in frames
        ]
        for one in sure
    ]
    added = reported[1][1].covariance[0, :3, :3] - reported[0][1].covariance[0, :3, :3]
    assert np.linalg.eigvalsh(added).min() > 0.0
    assert np.trace(added) > 0.3 * np.trace(covariance)


def test_the_nis_of_a_sensor_with_position_errors_is_within_bounds() -> None:
    """A sensor's position error, drawn for each scan, is in every innovation of that scan."""
    rng, count = np.random.default_rng(9), 60
    covariance = np.array([[400.0, 120.0, 0.0], [120.0, 900.0, 0.0], [0.0, 0.0, 100.0]])
    sensor = Sensor(range_sigma_m=10.0, bearing_sigma_deg=0.03, elev_sigma_deg=0.03, vr_sigma_mps=None)
    bearing, distance = 2.4 * np.arange(count), np.linspace(8e3, 40e3, count)
    x = np.stack([distance * np.sin(bearing), distance * np.cos(bearing), np.full(count, 700.0), *np.zeros((3, count))])
    P = np.repeat(np.diag([25.0, 25.0, 25.0, 1.0, 1.0, 1.0])[:, :, None], count, axis=2)
    found = []
    for _ in range(150):
        truth = x[:3].T + rng.normal(0.0, 5.0, (count, 3))
        strayed = rng.multivariate_normal(np.zeros(3), covariance)
        seen = sensor.measure(truth - strayed, np.zeros((count, 3)), rng)
        frame = sensor.frame(0.0, seen, sensor_position_covariance=covariance)
        result = known(dataclasses.replace(MODEL, gate_probability=1.0 - 1e-9), sensor, x, P).step(frame)
        # One of a scan: the errors of the others are the same.
        found.append(result.tracks.records.nis[len(found) % count])
    assert chi2(450).ppf(0.001) < np.sum(found) < chi2(450).ppf(0.999)


def test_the_north_error_adds_to_the_tracks_across_the_line_of_sight() -> None:
    tracker = {north: Tracker(MODEL) for north in (0.0, 1.0)}
    sensor = Sensor(bearing_sigma_deg=0.1)
    seen = detections(30e3, 0.0, 0.0, 0.0)
    sigmas = {}
    for north, each in tracker.items():
        tracks = each.step(sensor.frame(0.0, seen, sensor_north_sigma_deg=north))
        sigmas[north] = np.sqrt(np.diag(tracks.covariance[0])[:3])
    assert sigmas[0.0][0] == pytest.approx(30e3 * np.radians(0.1), rel=0.01)
    assert sigmas[1.0][0] == pytest.approx(30e3 * np.radians(np.hypot(0.1, 1.0)), rel=0.01)
    assert sigmas[1.0][1:] == pytest.approx(sigmas[0.0][1:], rel=0.1)


def test_a_detections_own_sigmas_replace_the_sensor_models() -> None:
    sensor = Sensor()
    seen = detections(30e3, [0.0, 120.0], 0.0, 0.0)
    reported = dataclasses.replace(seen, range_sigma_m=np.array([100.0, 0.0]), elev_sigma_deg=np.array([1.0, 0.0]))
    tracks = Tracker(MODEL).step(sensor.frame(0.0, reported))
    sigma = np.sqrt(np.einsum("nii->ni", tracks.covariance))
    assert sigma[0, 1] == pytest.approx(100.0, rel=0.01)
    assert sigma[0, 2] == pytest.approx(30e3 * np.radians(1.0), rel=0.01)
    assert sigma[1, 2] == pytest.approx(30e3 * np.radians(0.2), rel=0.01)
    along = np.array([np.sin(np.radians(120.0)), np.cos(np.radians(120.0)), 0.0])
    assert np.sqrt(along @ tracks.covariance[1, :3, :3] @ along) == pytest.approx(20.0, rel=0.01)


def test_without_elevation_heights_are_as_uncertain_as_the_elevation_limits() -> None:
    flat = Sensor(elev_sigma_deg=None, vr_sigma_mps=None)
    model = dataclasses.replace(flat.model(), min_elev_deg=-5.0, max_elev_deg=15.0)
    tracks = Tracker(MODEL).step(flat.frame(0.0, detections(20e3, 0.0, 0.0, 0.0), sensor_model=model))
    assert tracks.position_m[0, 2] == pytest.approx(20e3 * np.sin(np.radians(5.0)), rel=1e-6)
    assert np.sqrt(tracks.covariance[0, 2, 2]) == pytest.approx(20e3 * np.radians(20.0) / np.sqrt(12.0), rel=0.02)


def test_in_the_plane_heights_are_zero() -> None:
    flat = Sensor(elev_sigma_deg=None, position_m=(0.0, 0.0, 0.0))
    tracker, (position, velocity) = Tracker(TrackerModel(axes=2)), straight(150.0)
    position[:, 2] = 0.0
    rng = np.random.default_rng(1)
    for step in range(6):
        tracks = tracker.step(flat.frame(float(step), flat.measure(position + step * velocity, velocity, rng)))
    assert tracks.records.number.tolist() == [1]
    assert tracks.position_m[0, 2] == tracks.velocity_mps[0, 2] == 0.0
    assert not tracks.covariance[0, [2, 5]].any()
    assert not tracks.covariance[0][:, [2, 5]].any()


def test_a_tracker_in_the_plane_refuses_a_sensor_with_elevation_and_continues() -> None:
    flat, tracker = Sensor(elev_sigma_deg=None), Tracker(TrackerModel(axes=2))
    seen = detections(20e3, 40.0, 0.0, 0.0)
    tracker.step(flat.frame(0.0, seen))
    before = tracker.snapshot()
    with pytest.raises(FrameError) as refused:
        tracker.step(Sensor(sensor_id="other").frame(1.0, seen))
    assert refused.value.field == "sensor_model.no_elevation"
    assert tracker.snapshot() == before
    assert tracker.step(flat.frame(1.0, seen)).records.number.tolist() == [1]


def test_a_static_target_is_static_to_a_moving_sensor() -> None:
    sensor, rng, tracker = Sensor(velocity_mps=(0.0, 250.0, 0.0)), np.random.default_rng(4), Tracker(MODEL)
    place, still = np.array([[3_000.0, 20_000.0, 500.0]]), np.zeros((1, 3))
    for step in range(30):
        now = sensor.after(float(step))
        tracks = tracker.step(now.frame(float(step), now.measure(place, still, rng)))
    assert tracks.records.status.tolist() == [TrackStatus.TRACKED]
    sigma = np.sqrt(np.diag(tracks.covariance[0]))
    assert np.all(np.abs(tracks.position_m[0] - place[0]) < 4.0 * sigma[:3])
    assert np.all(np.abs(tracks.velocity_mps[0]) < 4.0 * sigma[3:])


def test_frames_out_of_order_are_refused_and_simultaneous_ones_are_not() -> None:
    tracker, seen = Tracker(MODEL), detections(20e3, 40.0, 0.0, 0.0)
    one, other = Sensor(sensor_id="one"), Sensor(sensor_id="other")
    tracker.step(one.frame(5.0, seen))
    tracker.step(other.frame(5.0, seen))
    before = tracker.snapshot()
    for late in (one, other, Sensor(sensor_id="third")):
        with pytest.raises(FrameError) as refused:
            tracker.step(dataclasses.replace(late.frame(0.0, seen), time_ns=START_NS + 5_000_000_000 - 1))
        assert refused.value.field == "timestamp"
        assert tracker.snapshot() == before


def drawn(count: int, rng: Any) -> Drift:
    """Return targets on a spiral, far from each other."""
    bearing, distance = 2.4 * np.arange(count), np.linspace(10e3, 50e3, count)
    place = np.column_stack([distance * np.sin(bearing), distance * np.cos(bearing), np.full(count, 2_000.0)])
    return Drift(place, rng.normal(0.0, 100.0, (count, 3)) * [1.0, 1.0, 0.1], (0.7, 0.7, 0.5), rng)


def test_the_nees_of_tracks_of_several_sensors_is_within_bounds() -> None:
    rng, cycle = np.random.default_rng(11), TrackingCycle(dataclasses.replace(MODEL, gate_probability=1.0 - 1e-9))
    truth, t_s = drawn(150, rng), 0.0
    sensors = (
        Sensor(sensor_id="one", vr_sigma_mps=None),
        Sensor(sensor_id="two", position_m=(15e3, -4e3, 0.0), elev_sigma_deg=None, vr_sigma_mps=None),
        Sensor(sensor_id="three", position_m=(-9e3, 6e3, 300.0), velocity_mps=(90.0, 20.0, 0.0), vr_sigma_mps=None),
    )
    for step in range(40):
        if step:
            truth.move(0.4)
            t_s += 0.4
        sensor = sensors[step % 3].after(t_s)
        result = cycle.step(sensor.frame(t_s, sensor.measure(truth.position_m, truth.velocity_mps, rng)))
    records = result.tracks.records
    own = np.flatnonzero(records.number == records.detection + 1)
    assert len(own) > 0.98 * 150
    target, (mean, covariance) = records.detection[own], moments(result.tracks.estimates, own)
    state = np.concatenate([truth.position_m[target], truth.velocity_mps[target]], axis=1).T
    found = anees(nees(mean - state, covariance), 6, 0.998)
    assert found.consistent, found
