"""Over many draws the radar's errors, detections and false detections have the distributions that its model states.

Seeds are fixed. Bounds are five standard deviations of the statistic under the model, unless said otherwise: a correct
radar fails one in some two million seeds.
"""

import dataclasses
import math

import numpy as np
import numpy.typing as npt
import pytest

from radar_scenes import PERFECT, assert_distributed, at, copies, scan
from svc_radar.domain import RangeBand, Targets

DRAWS = 20_000
SCANS = 2_000
SIGMAS = 5.0

MODEL = dataclasses.replace(
    PERFECT,
    range_band=RangeBand.SR,
    min_elev_deg=-30.0,
    range_sigma_m=25.0,
    bearing_sigma_deg=0.4,
    elev_sigma_deg=0.6,
    vr_sigma_mps=1.5,
    transponder_reply_probability=0.6,
    max_detections=100_000,
)


def closing(count: int, range_m: float, bearing_deg: float, elev_deg: float, mode: int = 0) -> Targets:
    """Return targets at one position that approach at 40 m/s."""
    return copies(count, range_m, bearing_deg, elev_deg, velocity_mps=at(-40.0, bearing_deg, elev_deg), mode=mode)


def assert_gaussian(error: npt.NDArray[np.float64], sigma: float) -> None:
    """Mean 0 +- sigma / sqrt(n), deviation sigma +- sigma / sqrt(2 n), kurtosis 3 +- sqrt(24 / n)."""
    count = len(error)
    assert abs(np.mean(error)) < SIGMAS * sigma / math.sqrt(count)
    assert abs(np.std(error) - sigma) < SIGMAS * sigma / math.sqrt(2 * count)
    assert abs(np.mean((error / sigma) ** 4) - 3.0) < SIGMAS * math.sqrt(96 / count)


def assert_uniform(values: npt.NDArray[np.float64], low: float, high: float) -> None:
    assert_distributed((values - low) / (high - low))


def test_errors_are_gaussian_without_bias_and_of_the_stated_deviations() -> None:
    seen = scan(MODEL, closing(DRAWS, 8_000.0, 123.0, 20.0))
    assert_gaussian(seen.range_m - 8_000.0, 25.0)
    assert_gaussian(seen.bearing_deg - 123.0, 0.4)
    assert_gaussian(seen.elev_deg - 20.0, 0.6)
    assert_gaussian(seen.vr_mps + 40.0, 1.5)


def test_errors_of_one_detection_are_independent_of_each_other() -> None:
    seen = scan(MODEL, closing(DRAWS, 8_000.0, 123.0, 20.0))
    correlation = np.corrcoef([seen.range_m, seen.bearing_deg, seen.elev_deg, seen.vr_mps])
    assert np.max(np.abs(correlation - np.eye(4))) < SIGMAS / math.sqrt(DRAWS)


def test_errors_of_successive_scans_are_independent() -> None:
    errors = np.array(
        [scan(MODEL, closing(1, 8_000.0, 123.0, 20.0), step).range_m[0] - 8_000.0 for step in range(SCANS)]
    )
    assert_gaussian(errors, 25.0)
    assert abs(np.corrcoef(errors[1:], errors[:-1])[0, 1]) < SIGMAS / math.sqrt(SCANS)


@pytest.mark.parametrize("bearing_deg", [0.0, 359.9, 0.1])
def test_bearings_around_north_wrap_without_bias(bearing_deg: float) -> None:
    seen = scan(MODEL, closing(DRAWS, 8_000.0, bearing_deg, 20.0))
    assert np.all((seen.bearing_deg >= 0.0) & (seen.bearing_deg < 360.0))
    assert np.any(seen.bearing_deg > 359.0)
    assert np.any(seen.bearing_deg < 1.0)
    assert_gaussian(np.mod(seen.bearing_deg - bearing_deg + 180.0, 360.0) - 180.0, 0.4)


@pytest.mark.parametrize(("elev_deg", "sign"), [(89.9, 1.0), (-89.9, -1.0)])
def test_an_elevation_beyond_the_pole_comes_down_on_the_other_side(elev_deg: float, sign: float) -> None:
    model = dataclasses.replace(MODEL, min_elev_deg=-90.0)
    seen = scan(model, closing(DRAWS, 8_000.0, 90.0, elev_deg))
    other_side = seen.bearing_deg > 180.0
    assert np.all(np.abs(seen.elev_deg) <= 90.0)
    # P(error > 0.1 deg) for a deviation of 0.6 deg.
    expected = 0.5 * math.erfc(0.1 / 0.6 / math.sqrt(2))
    assert abs(np.mean(other_side) - expected) < SIGMAS * math.sqrt(expected * (1 - expected) / DRAWS)
    unfolded_deg = np.where(other_side, sign * 180.0 - seen.elev_deg, seen.elev_deg)
    assert_gaussian(unfolded_deg - elev_deg, 0.6)
    assert_gaussian(np.where(other_side, seen.bearing_deg - 180.0, seen.bearing_deg) - 90.0, 0.4)


def test_a_range_error_larger_than_the_range_leaves_the_range_positive() -> None:
    model = dataclasses.replace(MODEL, min_range_m=0.0, range_sigma_m=1_000.0)
    seen = scan(model, closing(DRAWS, 1.0, 123.0, 20.0))
    assert len(seen) == DRAWS
    assert np.all(seen.range_m > 0.0)


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_targets_in_view_are_detected_with_the_configured_probability(probability: float) -> None:
    seen = scan(dataclasses.replace(MODEL, detection_probability=probability), closing(DRAWS, 8_000.0, 123.0, 20.0))
    assert abs(len(seen) / DRAWS - probability) < SIGMAS * math.sqrt(probability * (1 - probability) / DRAWS)


def test_detections_of_successive_scans_are_independent() -> None:
    model = dataclasses.replace(MODEL, detection_probability=0.5)
    detected = np.array([float(len(scan(model, closing(1, 8_000.0, 123.0, 20.0), step))) for step in range(SCANS)])
    assert abs(np.corrcoef(detected[1:], detected[:-1])[0, 1]) < SIGMAS / math.sqrt(SCANS)


def test_replies_are_received_with_the_configured_probability_independent_of_detection() -> None:
    model = dataclasses.replace(MODEL, detection_probability=0.5)
    seen = scan(model, closing(DRAWS, 8_000.0, 123.0, 20.0, mode=1))
    assert abs(np.mean(seen.transponder_on) - 0.6) < SIGMAS * math.sqrt(0.6 * 0.4 / len(seen))


def test_the_number_of_false_detections_is_poisson_of_the_stated_rate() -> None:
    rate = 5.0
    model = dataclasses.replace(MODEL, clutter_per_scan=rate)
    counts = np.array([len(scan(model, closing(0, 1.0, 0.0, 0.0), step)) for step in range(SCANS)])
    assert abs(np.mean(counts) - rate) < SIGMAS * math.sqrt(rate / SCANS)
    # The index of dispersion is chi-square distributed: mean n - 1, variance 2 (n - 1).
    dispersion = np.sum((counts - np.mean(counts)) ** 2) / np.mean(counts)
    assert abs(dispersion - (SCANS - 1)) < SIGMAS * math.sqrt(2 * (SCANS - 1))
    assert abs(np.mean(counts == 0) - math.exp(-rate)) < SIGMAS * math.sqrt(math.exp(-rate) / SCANS)


def test_false_detections_are_uniform_in_the_measurement_space() -> None:
    seen = scan(dataclasses.replace(MODEL, clutter_per_scan=float(DRAWS)), closing(0, 1.0, 0.0, 0.0))
    assert_uniform(seen.range_m, 100.0, 50_000.0)
    assert_uniform(seen.bearing_deg, 0.0, 360.0)
    assert_uniform(seen.elev_deg, -30.0, 90.0)
    assert_uniform(seen.vr_mps, -300.0, 300.0)
    correlation = np.corrcoef([seen.range_m, seen.bearing_deg, seen.elev_deg, seen.vr_mps])
    assert np.max(np.abs(correlation - np.eye(4))) < SIGMAS / math.sqrt(len(seen))


def test_the_power_of_false_detections_over_the_threshold_is_exponential() -> None:
    seen = scan(dataclasses.replace(MODEL, clutter_per_scan=float(DRAWS)), closing(0, 1.0, 0.0, 0.0))
    # The threshold of a false alarm probability of one in a million, in units of the mean noise.
    excess = 10.0 ** (seen.snr_db / 10.0) + 1.0 - 6.0 * math.log(10.0)
    assert np.min(excess) > -1e-9
    assert_uniform(np.exp(-np.maximum(excess, 0.0)), 0.0, 1.0)
    # One equation gives the cross section of targets and clutter, so the field does not reveal which one it is.
    assert seen.rcs_dbsm == pytest.approx(seen.snr_db - 20.0 + 10.0 + 40.0 * np.log10(seen.range_m / 10_000.0))


def test_clutter_does_not_change_the_true_detections() -> None:
    clean = scan(MODEL, closing(10, 8_000.0, 123.0, 20.0))
    cluttered = scan(dataclasses.replace(MODEL, clutter_per_scan=20.0), closing(10, 8_000.0, 123.0, 20.0))
    assert len(cluttered) > len(clean)
    assert set(clean.range_m.tolist()) <= set(cluttered.range_m.tolist())
