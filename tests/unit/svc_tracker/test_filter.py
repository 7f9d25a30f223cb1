"""The filter agrees with references that share no code with it: Stone Soup and a textbook IMM in full matrices."""

import dataclasses
import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.linalg import expm
from scipy.stats import multivariate_normal
from stonesoup.models.measurement.linear import LinearGaussian
from stonesoup.models.measurement.nonlinear import CartesianToBearingRange, CartesianToElevationBearingRangeRate
from stonesoup.models.transition.linear import CombinedLinearGaussianTransitionModel, ConstantVelocity, KnownTurnRate
from stonesoup.predictor.kalman import KalmanPredictor
from stonesoup.types.detection import Detection
from stonesoup.types.hypothesis import SingleHypothesis
from stonesoup.types.prediction import GaussianStatePrediction
from stonesoup.types.state import GaussianState
from stonesoup.updater.kalman import ExtendedKalmanUpdater, KalmanUpdater

from svc_tracker.domain import Tracker, TrackerModel
from svc_tracker.domain.cycle import TrackingCycle
from svc_tracker.domain.filter.imm import mixture_moments
from svc_tracker.domain.filter.update import kalman_update
from svc_tracker.domain.model import Mode
from svc_tracker.domain.state.types import Layout, ModeEstimates
from tracker_scenes import LONG, crowd, frame
from tracker_truth import NOTHING, STRAIGHT, Drift, Sensor, assigned, detections, in_full, known, moments, one_estimate

Floats = npt.NDArray[np.float64]
T = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
SIZES = np.array([300.0, 300.0, 300.0, 20.0, 20.0, 5.0])


def states(axes: int, count: int, seed: int = 3) -> tuple[Floats, Floats]:
    """Return states (s, n) and covariances (s, s, n) of all kinds of correlations."""
    rng = np.random.default_rng(seed)
    which = np.r_[:axes, 3 : 3 + axes]
    root = rng.standard_normal((count, 2 * axes, 2 * axes)) * SIZES[which][:, None]
    x = rng.standard_normal((6, count)) * np.array([2e4, 2e4, 3e3, 150.0, 150.0, 5.0])[:, None]
    return x[which], np.einsum("nij,nkj->ikn", root, root)


def interleaved(axes: int) -> list[int]:
    """Return the index in our state of each element of Stone Soup's (east, its rate, north, its rate, ...)."""
    return [place for axis in range(axes) for place in (axis, axis + axes)]


def stone_soup_state(x: Floats, P: Floats, kind: Any = GaussianState) -> Any:
    order = interleaved(len(x) // 2)
    return kind(x[order][:, None], P[np.ix_(order, order)], timestamp=T)


def agree(mean: Floats, covariance: Floats, reference: Any, relative: float) -> None:
    """Check that state and covariance agree with the reference, within `relative` of its standard deviations."""
    back = np.argsort(interleaved(len(mean) // 2))
    expected, spread = np.asarray(reference.mean).ravel()[back], np.asarray(reference.covar)[np.ix_(back, back)]
    sigma = np.sqrt(np.diag(spread))
    np.testing.assert_allclose(mean / sigma, expected / sigma, rtol=relative, atol=relative)
    unit = np.outer(sigma, sigma)
    np.testing.assert_allclose(covariance / unit, spread / unit, rtol=0.0, atol=relative)


def stone_soup_motion(mode: Mode, axes: int) -> Any:
    q, vertical = mode.horizontal_noise_m2ps3, mode.vertical_noise_m2ps3
    if mode.turn_rate_dps:
        # Stone Soup turns from the first axis to the second, which is counter-clockwise.
        level = [KnownTurnRate([q, q], -np.radians(mode.turn_rate_dps))]
    else:
        level = [ConstantVelocity(q), ConstantVelocity(q)]
    return CombinedLinearGaussianTransitionModel(level + [ConstantVelocity(vertical)] * (axes - 2))


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("dt_s", [1e-3, 0.7, 30.0])
@pytest.mark.parametrize("turn_rate_dps", [0.0, 4.0, -11.0])
def test_the_prediction_agrees_with_stone_soup(axes: int, dt_s: float, turn_rate_dps: float) -> None:
    mode = Mode("any", turn_rate_dps, 3.0, 0.4, 20.0)
    model, sensor = TrackerModel(axes=axes, modes=(mode,), max_coast_s=60.0), watching(axes)
    x, P = states(axes, 5)
    mean, covariance = moments(known(model, sensor, x, P).step(sensor.frame(dt_s, NOTHING)).tracks.estimates)
    predictor = KalmanPredictor(stone_soup_motion(mode, axes))
    for n in range(5):
        reference = predictor.predict(stone_soup_state(x[:, n], P[:, :, n]), T + datetime.timedelta(seconds=dt_s))
        agree(mean[:, n], covariance[:, :, n], reference, 1e-9)


def watching(axes: int) -> Sensor:
    return Sensor(elev_sigma_deg=0.2 if axes == 3 else None, vr_sigma_mps=None)


def test_a_prediction_over_no_time_changes_no_bit() -> None:
    x, P = states(3, 5)
    cycle = known(TrackerModel(), Sensor(), x, P)
    before = cycle.state.tracks.estimates
    later = cycle.step(Sensor().frame(0.0, NOTHING)).tracks.estimates
    assert [values.tobytes() for values in later] == [values.tobytes() for values in before]


@pytest.mark.parametrize(("axes", "k"), [(2, 1), (2, 3), (3, 2), (3, 4)])
def test_the_update_by_a_linear_measurement_agrees_with_stone_soup(axes: int, k: int) -> None:
    rng, count, layout = np.random.default_rng(k), 6, Layout.of(axes)
    x, P = states(axes, count)
    H = rng.standard_normal((k, 2 * axes)) / SIZES[np.r_[:axes, 3 : 3 + axes]]
    root = rng.standard_normal((k, k))
    noise, nu = root @ root.T, rng.standard_normal((k, count)) * 3.0
    corrected, packed, log_likelihood = kalman_update(
        one_estimate(x, P),
        np.repeat(H[:, :, None], count, axis=2),
        nu[:, None],
        np.repeat(noise[:, :, None], count, axis=2),
        layout.packing,
    )
    order = interleaved(axes)
    measurement_model = LinearGaussian(2 * axes, range(k), noise)
    measurement_model.matrix = lambda **_: H[:, order]
    updater = KalmanUpdater(measurement_model)
    for n in range(count):
        z = (H @ x[:, n] + nu[:, n])[:, None]
        prior = stone_soup_state(x[:, n], P[:, :, n], GaussianStatePrediction)
        reference = updater.update(SingleHypothesis(prior, Detection(z, timestamp=T)))
        agree(corrected[:, 0, n], in_full(packed[:, 0])[:, :, n], reference, 1e-9)
        law = multivariate_normal(np.zeros(k), H @ P[:, :, n] @ H.T + noise)
        assert log_likelihood[0, n] == pytest.approx(law.logpdf(nu[:, n]), rel=1e-9)


def near_states(axes: int, count: int, sigma_m: float, sigma_mps: float) -> tuple[Floats, Floats]:
    """Return states all around, 8 to 60 km away, and their covariances."""
    rng = np.random.default_rng(8)
    bearing, distance = np.linspace(0.1, 2.0 * np.pi, count), np.linspace(8e3, 60e3, count)
    x = np.stack([distance * np.sin(bearing), distance * np.cos(bearing), np.linspace(300.0, 6e3, count)])
    x = np.concatenate([x, rng.uniform(-200.0, 200.0, (2, count)), rng.uniform(-9.0, 9.0, (1, count))])
    size = np.repeat([sigma_m, sigma_mps], 3)
    root = rng.standard_normal((count, 6, 6)) * size[:, None] / 2.0
    which = np.r_[:axes, 3 : 3 + axes]
    P = np.einsum("nij,nkj->ikn", root, root)
    return x[which], P[np.ix_(which, which)]


class BearingRange(CartesianToBearingRange):
    """Stone Soup's model of bearing and range, with exact derivatives instead of numerical ones."""

    def jacobian(self, state: Any, **_: Any) -> Floats:
        north, east = np.asarray(state.state_vector)[list(self.mapping), 0] - self.translation_offset[:, 0]
        r = np.hypot(east, north)
        return np.array([[north / r**2, 0.0, -east / r**2, 0.0], [east / r, 0.0, north / r, 0.0]])


def test_the_update_by_range_and_bearing_agrees_with_stone_soups_extended_filter() -> None:
    """Stone Soup gets the second-order bias and variance of the range."""
    count, sensor = 25, Sensor(elev_sigma_deg=None, vr_sigma_mps=None, position_m=(400.0, -900.0, 0.0))
    model = TrackerModel(axes=2, modes=STRAIGHT)
    x, P = near_states(2, count, 40.0, 20.0)
    rng = np.random.default_rng(1)
    place = np.pad(x[:2].T, ((0, 0), (0, 1))) + rng.normal(0.0, 20.0, (count, 3)) * [1, 1, 0]
    seen = sensor.measure(place, np.zeros((count, 3)), None)
    result = known(model, sensor, x, P).step(sensor.frame(0.0, seen))
    assert assigned(result) == list(range(count))
    mean, covariance = moments(result.tracks.estimates)
    for n in range(count):
        away = x[:2, n] - sensor.position_m[:2]
        distance = np.linalg.norm(away)
        across = np.array([away[1], -away[0]]) / distance
        beside = across @ P[:2, :2, n] @ across
        bent = beside / (2.0 * np.hypot(distance, np.sqrt(beside)))
        noise = np.diag([np.radians(sensor.bearing_sigma_deg) ** 2, sensor.range_sigma_m**2 + 2.0 * bent**2])
        # Angles from the first of the mapped axes to the second: clockwise from north.
        offset = np.array([[sensor.position_m[1]], [sensor.position_m[0]]])
        measurement_model = BearingRange(4, (2, 0), noise, translation_offset=offset)
        z = np.array([[np.radians(seen.bearing_deg[n])], [seen.range_m[n] - bent]])
        prior = stone_soup_state(x[:, n], P[:, :, n], GaussianStatePrediction)
        hypothesis = SingleHypothesis(prior, Detection(z, timestamp=T, measurement_model=measurement_model))
        reference = ExtendedKalmanUpdater().update(hypothesis)
        agree(mean[:, n], covariance[:, :, n], reference, 1e-9)


def test_the_update_in_space_with_radial_velocity_agrees_with_stone_soups_extended_filter() -> None:
    """For accurate tracks, whose second-order terms are below a thousandth of the errors."""
    count = 25
    sensor = Sensor(position_m=(400.0, -900.0, 150.0), velocity_mps=(60.0, -30.0, 4.0))
    x, P = near_states(3, count, 8.0, 0.5)
    rng = np.random.default_rng(2)
    place, velocity = x[:3].T + rng.normal(0.0, 5.0, (count, 3)), x[3:].T + rng.normal(0.0, 0.3, (count, 3))
    seen = sensor.measure(place, velocity, None)
    result = known(TrackerModel(modes=STRAIGHT), sensor, x, P).step(sensor.frame(0.0, seen))
    assert assigned(result) == list(range(count))
    mean, covariance = moments(result.tracks.estimates)
    angle = np.radians(0.2)
    measurement_model = CartesianToElevationBearingRangeRate(
        6,
        (2, 0, 4),
        np.diag([angle, angle, sensor.range_sigma_m, 0.5]) ** 2,
        velocity_mapping=(3, 1, 5),
        translation_offset=np.array(sensor.position_m)[[1, 0, 2]][:, None],
        velocity=np.array(sensor.velocity_mps)[[1, 0, 2]][:, None],
    )
    for n in range(count):
        elev, bearing = np.radians(seen.elev_deg[n]), np.radians(seen.bearing_deg[n])
        z = np.array([[elev], [bearing], [seen.range_m[n]], [seen.vr_mps[n]]])
        prior = stone_soup_state(x[:, n], P[:, :, n], GaussianStatePrediction)
        hypothesis = SingleHypothesis(prior, Detection(z, timestamp=T, measurement_model=measurement_model))
        agree(mean[:, n], covariance[:, :, n], ExtendedKalmanUpdater().update(hypothesis), 1e-3)


@dataclasses.dataclass
class TextbookImm:
    """The IMM of one target, mode by mode with full matrices (Bar-Shalom, Li and Kirubarajan, 2001, section 11.6.6)."""

    modes: tuple[Mode, ...]
    weight: Floats
    x: list[Floats]
    P: list[Floats]

    def predict(self, dt_s: float) -> None:
        count = len(self.modes)
        rates = np.zeros((count, count))
        for i, mode in enumerate(self.modes):
            for j in range(count):
                rates[i, j] = -1.0 / mode.mean_stay_s if i == j else 1.0 / mode.mean_stay_s / (count - 1)
        p = expm(rates * dt_s)
        later = self.weight @ p
        x, P = [], []
        for j in range(count):
            share = p[:, j] * self.weight / later[j]
            mixed = sum(share[i] * self.x[i] for i in range(count))
            away = [self.x[i] - mixed for i in range(count)]
            spread = sum(share[i] * (self.P[i] + np.outer(away[i], away[i])) for i in range(count))
            F, Q = self.motion(self.modes[j], dt_s)
            x.append(F @ mixed)
            P.append(F @ spread @ F.T + Q)
        self.weight, self.x, self.P = later, x, P

    @staticmethod
    def motion(mode: Mode, t: float) -> tuple[Floats, Floats]:
        """Return F and Q of east, north and their rates; the rate w is counter-clockwise (section 11.7.1)."""
        w = -np.radians(mode.turn_rate_dps)
        s, c = np.sin(w * t), np.cos(w * t)
        a, b = (s / w, (1.0 - c) / w) if w else (t, 0.0)
        F = np.array([[1.0, 0.0, a, -b], [0.0, 1.0, b, a], [0.0, 0.0, c, -s], [0.0, 0.0, s, c]])
        noise = np.array([[t**3 / 3.0, t**2 / 2.0], [t**2 / 2.0, t]])
        return F, mode.horizontal_noise_m2ps3 * np.kron(noise, np.eye(2))

    def correct(self, z: Floats, noise: Floats, sensor: Sensor) -> None:
        likelihood = np.empty(len(self.modes))
        for j in range(len(self.modes)):
            x, P = self.x[j], self.P[j]
            east, north = x[:2] - sensor.position_m[:2]
            r = np.hypot(east, north)
            nu = z - np.array([r, np.arctan2(east, north)])
            H = np.array([[east / r, north / r, 0.0, 0.0], [north / r**2, -east / r**2, 0.0, 0.0]])
            S = H @ P @ H.T + noise
            K = np.linalg.solve(S, H @ P).T
            self.x[j] = x + K @ nu
            self.P[j] = P - K @ S @ K.T
            likelihood[j] = np.exp(-0.5 * nu @ np.linalg.solve(S, nu)) / np.sqrt(np.linalg.det(2.0 * np.pi * S))
        self.weight = self.weight * likelihood / (self.weight @ likelihood)

    def combined(self) -> tuple[Floats, Floats]:
        mean = sum(w * x for w, x in zip(self.weight, self.x, strict=True))
        spread = sum(
            w * (P + np.outer(x - mean, x - mean)) for w, x, P in zip(self.weight, self.x, self.P, strict=True)
        )
        return mean, spread


def test_the_imm_of_many_targets_agrees_with_a_textbook_imm_of_each() -> None:
    """From so far away that the measurement is linear: the textbook linearises each mode separately."""
    model = TrackerModel(axes=2, gate_probability=0.9999999)
    sensor = Sensor(
        range_sigma_m=30.0,
        bearing_sigma_deg=float(np.degrees(2e-6)),
        elev_sigma_deg=None,
        vr_sigma_mps=None,
        position_m=(0.0, -2e7, 0.0),
    )
    rng, count, dt_s = np.random.default_rng(4), 6, 1.0
    course = rng.uniform(0.0, 2.0 * np.pi, count)
    truth = Drift(
        np.pad(rng.uniform(-40e3, 40e3, (count, 2)), ((0, 0), (0, 1))),
        150.0 * np.stack([np.sin(course), np.cos(course), np.zeros(count)], axis=1),
        (1.0, 1.0, 0.0),
        rng,
    )
    noise = np.diag([sensor.range_sigma_m, 2e-6]) ** 2
    cycle, textbook = TrackingCycle(model), list[TextbookImm]()
    for step in range(25):
        truth.move(dt_s)
        # Half of them turn right by 4 degrees a second between the scans 8 and 18.
        if 8 <= step < 18:
            angle = np.radians(4.0) * (np.arange(count) % 2)
            east, north = truth.velocity_mps[:, 0].copy(), truth.velocity_mps[:, 1].copy()
            truth.velocity_mps[:, 0] = east * np.cos(angle) + north * np.sin(angle)
            truth.velocity_mps[:, 1] = north * np.cos(angle) - east * np.sin(angle)
        seen = sensor.measure(truth.position_m, truth.velocity_mps, rng)
        result = cycle.step(sensor.frame(step * dt_s, seen))
        if step == 0:
            initial = result.new.estimates
            for n in range(count):
                P = in_full(initial.P[:, :, n])
                textbook.append(
                    TextbookImm(
                        model.modes,
                        initial.probability[:, n].copy(),
                        list(initial.x[:, :, n].T),
                        list(np.moveaxis(P, 2, 0)),
                    )
                )
            continue
        assert assigned(result) == list(range(count))
        found, covariance = moments(result.tracks.estimates)
        for n, one in enumerate(textbook):
            one.predict(dt_s)
            bearing = np.mod(np.radians(seen.bearing_deg[n]) + 1.0, 2.0 * np.pi) - 1.0
            one.correct(np.array([seen.range_m[n], bearing]), noise, sensor)
            mean, spread = one.combined()
            sigma = np.sqrt(np.diag(spread))
            np.testing.assert_allclose(found[:, n] / sigma, mean / sigma, rtol=0.0, atol=1e-4)
            unit = np.outer(sigma, sigma)
            np.testing.assert_allclose(covariance[:, :, n] / unit, spread / unit, rtol=0.0, atol=1e-4)
            np.testing.assert_allclose(result.tracks.estimates.probability[:, n], one.weight, rtol=0.0, atol=1e-4)
        if step == 17:
            # The modes are distinguished: the agreement is not trivial.
            assert np.argmax(result.tracks.estimates.probability, axis=0).tolist() == [0, 1] * (count // 2)


def test_a_covariance_stays_symmetric_to_the_last_bit() -> None:
    tracker = Tracker(TrackerModel())
    for step in range(1, 10):
        tracks = tracker.step(frame(LONG, crowd(20, 40e3, 2).after(step), float(step), step))
    assert len(tracks) >= 20
    assert np.array_equal(tracks.covariance, tracks.covariance.transpose(0, 2, 1))


def test_an_initial_state_has_the_measured_radial_velocity_and_the_prior_across() -> None:
    model = TrackerModel()
    sensor = Sensor(velocity_mps=(0.0, 50.0, 0.0), vr_sigma_mps=1.0)
    (found,) = [Tracker(model).step(sensor.frame(1.0, detections(30_000.0, 0.0, 0.0, -250.0)))]
    assert found.velocity_mps[0, 1] == pytest.approx(-200.0, abs=5.0)
    assert np.sqrt(found.covariance[0, 4, 4]) < 2.0
    assert np.sqrt(found.covariance[0, 3, 3]) == pytest.approx(model.horizontal_speed_sigma_mps, rel=0.01)


@pytest.mark.parametrize("axes", [2, 3])
def test_the_moments_of_a_mixture_hold_the_spread_of_its_modes(axes: int) -> None:
    (x, P), layout, rng = states(axes, 12), Layout.of(axes), np.random.default_rng(5)
    probability = rng.dirichlet([1.0, 2.0, 3.0], 4).T
    modes = x.reshape((-1, 3, 4)), layout.pack(P).reshape((-1, 3, 4))
    mean, covariance = moments(estimates := ModeEstimates(probability, *modes))
    found = mixture_moments(estimates, layout.packing, layout.size)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(in_full(found.covariance), covariance, rtol=1e-9)
