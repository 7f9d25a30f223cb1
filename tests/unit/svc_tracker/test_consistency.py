"""Filter consistency: NEES and NIS over many targets moved by the model's process noise. Seeds are fixed."""

import dataclasses
import math

import numpy as np
import numpy.typing as npt
import pytest

from evaluation.consistency import anees, nees
from svc_tracker.domain import TrackerModel
from svc_tracker.domain.cycle import TrackingCycle
from tracker_truth import STRAIGHT, Drift, Sensor, assigned, moments

Floats = npt.NDArray[np.float64]

COUNT, SCANS = 250, 20
# At this probability none of the cases below fails by chance.
PROBABILITY = 0.998
# Successive targets on a spiral with this angle between them are never close.
_GOLDEN_ANGLE_RAD = np.pi * (3.0 - np.sqrt(5.0))

SENSORS = {
    "3D with radial velocity": Sensor(),
    "3D without radial velocity": Sensor(vr_sigma_mps=None),
    "3D, moving": Sensor(velocity_mps=(150.0, -80.0, 6.0), position_m=(-1_000.0, 2_000.0, 400.0)),
    "3D, precise": Sensor(range_sigma_m=2.0, bearing_sigma_deg=0.03, elev_sigma_deg=0.03, vr_sigma_mps=0.1),
    "2D without radial velocity": Sensor(elev_sigma_deg=None, vr_sigma_mps=None),
    "2D with radial velocity": Sensor(elev_sigma_deg=None),
    "2D, moving": Sensor(elev_sigma_deg=None, velocity_mps=(150.0, -80.0, 0.0)),
}


def drifting(axes: int, model: TrackerModel, rng: np.random.Generator) -> Drift:
    """Return targets 8 to 60 km away, far from each other, with velocities of the model's prior."""
    bearing = _GOLDEN_ANGLE_RAD * np.arange(COUNT) + rng.uniform(0.0, 2.0 * np.pi)
    distance = np.linspace(8e3, 60e3, COUNT)
    height = rng.uniform(200.0, 0.4 * distance) if axes == 3 else np.zeros(COUNT)
    sigma = np.array([model.horizontal_speed_sigma_mps] * 2 + [model.vertical_speed_sigma_mps * (axes == 3)])
    return Drift(
        np.column_stack([distance * np.sin(bearing), distance * np.cos(bearing), height]),
        sigma * rng.standard_normal((COUNT, 3)),
        (0.7, 0.7, 0.5 if axes == 3 else 0.0),
        rng,
    )


@dataclasses.dataclass(frozen=True)
class Samples:
    """The NEES of every target tracked since the first scan, and the NIS of its detection, by scan."""

    nees: list[Floats]
    nis: list[Floats]
    dof: int
    nis_dof: int


def samples_of(sensor: Sensor, axes: int, seed: int) -> Samples:
    # A gate that excludes the rare large errors would exclude samples that the test must count.
    model = TrackerModel(axes=axes, modes=STRAIGHT, gate_probability=1.0 - 1e-9)
    rng = np.random.default_rng(seed)
    truth, cycle = drifting(axes, model, rng), TrackingCycle(model)
    kept, errors, innovations = np.arange(COUNT), list[Floats](), list[Floats]()
    for step in range(SCANS):
        now = sensor.after(float(step))
        seen = now.measure(truth.position_m, truth.velocity_mps, rng)
        found = cycle.step(now.frame(float(step), seen))
        tracks = cycle.state.tracks
        # A target belongs to the test for as long as its own track is assigned its own detection.
        number, detection = tracks.records.number, tracks.records.detection
        place = np.full(COUNT, -1)
        old = number <= COUNT
        place[number[old] - 1] = np.flatnonzero(old)
        kept = kept[(place[kept] >= 0) & (detection[place[kept]] == kept)]
        row = place[kept]
        state = np.concatenate([truth.position_m[kept, :axes], truth.velocity_mps[kept, :axes]], axis=1).T
        mean, covariance = moments(tracks.estimates, row)
        errors.append(nees(mean - state, covariance))
        if step:
            innovations.append(tracks.records.nis[row])
            assert set(tracks.records.nis_dof[row].tolist()) == {nis_dof(sensor)}
        assert len(found.records().number) == len(found.tracks) + len(found.new)
        truth.move(1.0)
    assert len(kept) > 0.99 * COUNT
    return Samples(errors, innovations, 2 * axes, nis_dof(sensor))


def nis_dof(sensor: Sensor) -> int:
    return 4 - (sensor.elev_sigma_deg is None) - (sensor.vr_sigma_mps is None)


def within(values: Floats, dof: int, nonlinear: float = 0.0) -> None:
    """Check that the mean is within its chi-squared bounds, widened by the nonlinearity."""
    found = anees(values, dof, PROBABILITY)
    assert found.low - nonlinear <= found.mean_per_dof <= found.high + nonlinear, found


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", SENSORS)
def test_the_nees_of_many_tracks_is_within_bounds(name: str, seed: int) -> None:
    """By scan: the errors of different targets are independent, those of one target at different times are not.

    A radial velocity is far from linear while the velocity across is unknown: the first scans' errors stray farther.
    """
    sensor = SENSORS[name]
    samples = samples_of(sensor, 2 if sensor.elev_sigma_deg is None else 3, seed)
    for scan in (0, 1, 3, 9, SCANS - 1):
        within(samples.nees[scan], samples.dof, 0.1 if sensor.vr_sigma_mps and scan < 9 else 0.0)


@pytest.mark.parametrize("name", SENSORS)
def test_innovations_are_white_with_nis_within_bounds(name: str) -> None:
    sensor = SENSORS[name]
    samples = samples_of(sensor, 2 if sensor.elev_sigma_deg is None else 3, 3)
    within(samples.nis[0], samples.nis_dof, 0.1 if sensor.vr_sigma_mps else 0.0)
    within(np.concatenate(samples.nis[2:]), samples.nis_dof)


@pytest.mark.parametrize("elev_deg", [0.0, 45.0, 80.0, 88.0, 89.9])
@pytest.mark.parametrize(
    ("sensor", "bias"), [(Sensor(), 0.0), (Sensor(bearing_sigma_deg=5.0, elev_sigma_deg=4.0), 0.5)]
)
def test_initial_positions_are_unbiased_and_not_overconfident(sensor: Sensor, bias: float, elev_deg: float) -> None:
    """Errors along the line of sight, to its right and upwards, divided by their stated standard deviations.

    With angles known to degrees only, the position is on the chord, nearer than the arc: by less than that deviation.
    """
    bearing, elev, count = math.radians(75.0), math.radians(elev_deg), 4_000
    along = np.array([math.sin(bearing) * math.cos(elev), math.cos(bearing) * math.cos(elev), math.sin(elev)])
    right = np.array([math.cos(bearing), -math.sin(bearing), 0.0])
    axes = np.stack([along, right, np.cross(right, along)])
    truth = np.tile(11_000.0 * along, (count, 1))
    drawn = sensor.measure(truth, np.zeros_like(truth), np.random.default_rng(6))
    initial = TrackingCycle(TrackerModel()).step(sensor.frame(0.0, drawn)).new.estimates
    place, covariance = moments(initial)
    error = axes @ (place[:3] - truth.T)
    variance = np.einsum("ki,ijn,kj->kn", axes, covariance[:3, :3], axes)
    normal = error / np.sqrt(variance)
    mean, square = normal.mean(axis=1), (normal**2).mean(axis=1)
    near_zenith = elev_deg > 85.0
    # At the zenith an elevation turns over: its axis changes sign, and the errors across it are smaller.
    assert np.all(np.abs(mean[1 : 2 if near_zenith else 3]) < 5.0 / math.sqrt(count))
    assert abs(mean[0]) < 5.0 / math.sqrt(count) + bias
    assert np.all(square < 1.3)
    assert near_zenith or bias or np.all(square > 0.9)


@pytest.mark.parametrize("axes", [2, 3])
def test_a_new_tracks_radial_velocity_is_predicted_without_bias(axes: int) -> None:
    """A target first detected straight ahead may have any velocity across: its range rate grows in either direction."""
    # Nothing else is seen, so that all but the rarest detections are their own tracks'.
    model = TrackerModel(axes=axes, modes=STRAIGHT, gate_probability=1.0 - 1e-15, birth_rate_per_scan=1e-12)
    rng, count = np.random.default_rng(7), 40
    sensor = Sensor(elev_sigma_deg=0.2 if axes == 3 else None, range_sigma_m=10.0, clutter_per_scan=0.0)
    bearing = np.linspace(0.0, 2.0 * np.pi, count, endpoint=False)
    place = 9e3 * np.column_stack([np.sin(bearing), np.cos(bearing), np.zeros(count)])
    sigma = np.array([model.horizontal_speed_sigma_mps] * 2 + [model.vertical_speed_sigma_mps * (axes == 3)])
    nis = list[float]()
    for _ in range(10):
        truth = Drift(place, sigma * rng.standard_normal((count, 3)), (0.7, 0.7, 0.5 * (axes == 3)), rng)
        cycle = TrackingCycle(model)
        for step in (0, 1):
            seen = sensor.measure(truth.position_m, truth.velocity_mps, rng)
            found = cycle.step(sensor.frame(float(step), seen))
            truth.move(1.0)
        own = np.array(assigned(found)) == np.arange(count)
        nis.extend(found.tracks.records.nis[own].tolist())
    assert len(nis) > 0.99 * 10 * count
    # Linearised alone it would be many times as large.
    assert np.mean(nis) / nis_dof(sensor) == pytest.approx(1.0, abs=0.25)
