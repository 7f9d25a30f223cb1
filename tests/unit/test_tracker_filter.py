"""The filter agrees with the textbook's matrices, and its covariance with its errors. Seeds are fixed."""

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from svc_tracker.domain import Detections, Frame, SensorStatus, Tracker, TrackerModel, kalman
from svc_tracker.domain.estimate import begun
from svc_tracker.domain.measurement import measure
from tracker_scenes import LONG, SHORT, START_NS, Scene, crowd, frame, platform, scene, sensor_model

Floats = npt.NDArray[np.float64]
MODEL = TrackerModel()


def states(count: int, seed: int = 3) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((count, 6, 6)) * np.array([300.0, 300.0, 300.0, 20.0, 20.0, 5.0])[:, None]
    x = rng.standard_normal((6, count)) * np.array([2e4, 2e4, 3e3, 150.0, 150.0, 5.0])[:, None]
    return x, np.einsum("nij,nkj->ikn", root, root)


def test_prediction_is_that_of_the_matrices() -> None:
    x, p = states(5)
    dt, q = 0.7, np.diag([MODEL.horizontal_noise_m2ps3, MODEL.horizontal_noise_m2ps3, MODEL.vertical_noise_m2ps3])
    f = np.block([[np.eye(3), dt * np.eye(3)], [np.zeros((3, 3)), np.eye(3)]])
    spread = np.block([[q * dt**3 / 3, q * dt**2 / 2], [q * dt**2 / 2, q * dt]])
    later, covariance = kalman.predict(x, p, dt, MODEL)
    for n in range(5):
        np.testing.assert_allclose(later[:, n], f @ x[:, n], rtol=1e-12)
        np.testing.assert_allclose(covariance[:, :, n], f @ p[:, :, n] @ f.T + spread, rtol=1e-9)


def test_predicting_by_no_time_changes_no_bit() -> None:
    x, p = states(5)
    later, covariance = kalman.predict(x, p, 0.0, MODEL)
    assert (later.tobytes(), covariance.tobytes()) == (x.tobytes(), p.tobytes())


def test_scalars_one_after_the_other_are_the_joint_update() -> None:
    x, p = states(4)
    rng = np.random.default_rng(5)
    rows, noise = rng.standard_normal((2, 6, 4)), np.array([3.0, 0.5])
    z = rng.standard_normal((2, 4))
    got, covariance = x, p
    for row in range(2):
        innovation = z[row] - (rows[row] * got).sum(axis=0)
        got, covariance = kalman.update(got, covariance, rows[row], innovation, np.full(4, noise[row]))
    for n in range(4):
        h, prior = rows[:, :, n], p[:, :, n]
        k = np.linalg.solve(h @ prior @ h.T + np.diag(noise), h @ prior).T
        np.testing.assert_allclose(got[:, n], x[:, n] + k @ (z[:, n] - h @ x[:, n]), rtol=1e-8)
        np.testing.assert_allclose(covariance[:, :, n], prior - k @ h @ prior, rtol=1e-6, atol=1e-6)


def test_a_covariance_stays_symmetric_to_the_last_bit() -> None:
    tracker = Tracker(MODEL)
    for step in range(1, 10):
        tracks = tracker.step(frame(LONG, crowd(20, 40e3, 2).after(step), float(step), step))
    assert len(tracks) >= 20
    assert np.array_equal(tracks.covariance, tracks.covariance.transpose(0, 2, 1))


def test_the_radial_velocity_has_the_textbooks_gradient() -> None:
    x, p = states(6)
    own, own_velocity = np.array([10.0, -20.0, 30.0]), np.array([5.0, 4.0, -3.0])
    h = kalman.radial_velocity(x, p * 0.0, own, own_velocity).h
    for row in range(6):
        step = np.zeros((6, 1))
        step[row] = 1e-3
        up, down = (kalman.radial_velocity(x + sign * step, p * 0.0, own, own_velocity).mean_mps for sign in (1, -1))
        np.testing.assert_allclose(h[row], (up - down) / 2e-3, atol=1e-6)


def test_the_radial_velocity_has_the_mean_and_the_spread_of_what_a_newborns_state_allows() -> None:
    """A thing first seen straight ahead may go anywhere across: its range rate then grows, whichever way it goes."""
    x = np.array([[0.0], [2_000.0], [0.0], [0.0], [0.0], [0.0]])
    p = np.zeros((6, 6, 1))
    p[[0, 1, 2], [0, 1, 2], 0], p[[3, 4, 5], [3, 4, 5], 0] = [100.0, 25.0, 100.0], [1e4, 1.0, 100.0]
    x, p = kalman.predict(x, p, 1.0, MODEL)
    drawn = np.random.default_rng(4).multivariate_normal(x[:, 0], p[:, :, 0], 200_000)
    d, w = drawn[:, :3], drawn[:, 3:]
    vr = (d * w).sum(axis=1) / np.linalg.norm(d, axis=1)
    expected = kalman.radial_velocity(x, p, np.zeros(3), np.zeros(3))
    linear = np.einsum("in,ijn,jn->n", expected.h, p, expected.h)
    assert expected.mean_mps[0] == pytest.approx(vr.mean(), abs=0.05)
    assert linear[0] + expected.excess_m2ps2[0] == pytest.approx(vr.var(), rel=0.05)


@pytest.mark.parametrize("elev_deg", [0.0, 45.0, 80.0, 88.0, 89.9])
@pytest.mark.parametrize("radar", [LONG, dataclasses.replace(SHORT, bearing_sigma_deg=5.0, elev_sigma_deg=4.0)])
def test_converted_detections_are_unbiased_and_never_claim_more_than_they_know(radar: Any, elev_deg: float) -> None:
    radar = dataclasses.replace(radar, detection_probability=1.0, clutter_per_scan=0.0, max_elev_deg=90.0)
    bearing, elev, count = math.radians(75.0), math.radians(elev_deg), 4_000
    direction = np.array([math.sin(bearing) * math.cos(elev), math.cos(bearing) * math.cos(elev), math.sin(elev)])
    truth = np.tile(11_000.0 * direction, (count, 1))
    measured = measure(frame(radar, Scene(truth, np.zeros_like(truth)), 1.0, 1))
    error = np.einsum("ikm,im->km", measured.axes, measured.point_m - truth.T) / np.sqrt(measured.variance_m2)
    mean, square = error.mean(axis=1), (error**2).mean(axis=1)
    near_zenith = elev_deg > 85.0
    # At the zenith an elevation turns over: its axis has another sign then, and less is claimed across it.
    assert np.all(np.abs(mean[: 2 if near_zenith else 3]) < 5.0 / math.sqrt(count))
    assert np.all(square < 1.3)
    assert near_zenith or np.all(square > 0.9)


@pytest.mark.parametrize(("radar", "size_m"), [(LONG, 40e3), (SHORT, 6e3)])
def test_the_errors_of_many_tracks_are_as_large_as_their_covariances_say(radar: Any, size_m: float) -> None:
    """Things moved by the model's own noise: the mean NEES over independent tracks lies in its 99.9 % band."""
    model = TrackerModel(vertical_speed_sigma_mps=40.0, horizontal_speed_sigma_mps=80.0)
    radar = dataclasses.replace(radar, detection_probability=1.0, clutter_per_scan=0.0, min_range_m=0.0)
    rng = np.random.default_rng(11)
    count, scans = 150, 30
    spread = np.array([80.0, 80.0, 40.0])
    now = Scene(np.column_stack([rng.uniform(-size_m, size_m, (count, 2)), rng.uniform(1e3, 6e3, count)]), np.empty(0))
    now.velocity_mps = spread * rng.standard_normal((count, 3))
    density = np.sqrt([model.horizontal_noise_m2ps3, model.horizontal_noise_m2ps3, model.vertical_noise_m2ps3])
    root = np.linalg.cholesky(np.array([[1 / 3, 1 / 2], [1 / 2, 1]]))
    tracker, owner = Tracker(model), np.zeros(0)
    for step in range(1, scans + 1):
        kick = rng.standard_normal((2, count, 3))
        now = dataclasses.replace(
            now.after(1.0),
            position_m=now.after(1.0).position_m + density * root[0, 0] * kick[0],
            velocity_mps=now.velocity_mps + density * (root[1, 0] * kick[0] + root[1, 1] * kick[1]),
        )
        tracks = tracker.step(frame(radar, now, float(step), step))
        owner = np.argmin(np.linalg.norm(tracks.position_m[:, None] - now.position_m, axis=2), axis=1)
    own = (tracks.hits >= scans - 1) & np.isin(owner, np.flatnonzero(np.bincount(owner, minlength=count) == 1))
    assert np.count_nonzero(own) > 0.9 * count
    error = np.hstack([tracks.position_m - now.position_m[owner], tracks.velocity_mps - now.velocity_mps[owner]])[own]
    nees = np.einsum("ni,ni->n", error, np.linalg.solve(tracks.covariance[own], error[..., None])[..., 0])
    band = chi2(6 * len(nees))
    assert band.ppf(0.0005) < nees.sum() < band.ppf(0.9995)


def test_a_first_state_knows_the_radial_velocity_and_nothing_across() -> None:
    ahead = scene(((0, 30_000, 0), (0, -200, 0)))
    ahead.own = platform(velocity_mps=(0, 50, 0))
    radar = dataclasses.replace(LONG, detection_probability=1.0, clutter_per_scan=0.0)
    seen = frame(radar, ahead, 1.0, 1)
    x, p = begun(measure(seen), seen, MODEL)
    assert x[4, 0] == pytest.approx(-200.0, abs=5.0)
    assert math.sqrt(p[4, 4, 0]) < 2.0
    assert math.sqrt(p[3, 3, 0]) == pytest.approx(MODEL.horizontal_speed_sigma_mps, rel=0.01)


SENSORS = st.builds(
    lambda range_sigma_m, bearing_sigma_deg, elev_sigma_deg, vr_sigma_mps: dataclasses.replace(
        sensor_model(LONG),
        min_range_m=0.0,
        max_range_m=1e9,
        min_elev_deg=-90.0,
        max_elev_deg=90.0,
        range_sigma_m=range_sigma_m,
        bearing_sigma_deg=bearing_sigma_deg,
        elev_sigma_deg=elev_sigma_deg,
        vr_sigma_mps=vr_sigma_mps,
        detection_probability=0.5,
    ),
    st.floats(1e-12, 1e9),
    st.floats(1e-12, 10.0),
    st.floats(1e-12, 10.0),
    st.floats(1e-12, 1e6),
)
DETECTION = st.tuples(
    st.floats(1e-300, 1e9), st.floats(0.0, 360.0, exclude_max=True), st.floats(-90.0, 90.0), st.floats(-1e6, 1e6)
)
VECTOR = st.tuples(*[st.floats(-1e12, 1e12)] * 3)


@settings(max_examples=150, deadline=None)
@given(
    sensors=st.lists(SENSORS, min_size=1, max_size=3),
    rows=st.lists(st.lists(DETECTION, max_size=3), min_size=1, max_size=6),
    own_m=VECTOR,
    dt_ns=st.sampled_from([0, 1, 10**9, 10**15]),
)
def test_whatever_a_frame_may_hold_the_tracks_stay_finite_and_their_variances_positive(
    sensors: Any, rows: Any, own_m: Any, dt_ns: int
) -> None:
    tracker = Tracker(TrackerModel(max_coast_s=1e9))
    for index, row in enumerate(rows):
        range_m, bearing_deg, elev_deg, vr_mps = np.array(row * 2, dtype=np.float64).reshape(-1, 4).T
        count = len(range_m)
        none, no = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.bool_)
        snr_db, nobody = np.zeros(count), ("",) * count
        seen = Detections(range_m, bearing_deg, elev_deg, vr_mps, snr_db, snr_db, no, none, nobody, no, none)
        model = sensors[index % len(sensors)]
        at, still = np.array(own_m), np.zeros(3)
        tracks = tracker.step(Frame(START_NS + index * dt_ns, "any", SensorStatus.OK, at, still, model, seen))
        for column in (tracks.position_m, tracks.velocity_mps, tracks.covariance, tracks.score, tracks.quality):
            assert np.all(np.isfinite(column))
        variance = np.einsum("nii->ni", tracks.covariance)
        assert np.all(variance > 0.0)
        scale = np.sqrt(variance)
        correlation = tracks.covariance / (scale[:, :, None] * scale[:, None, :])
        assert np.all(np.linalg.eigvalsh(correlation) > -1e-6)
        assert np.all((tracks.quality >= 0.0) & (tracks.quality <= 1.0))
