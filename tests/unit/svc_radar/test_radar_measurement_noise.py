"""Errors follow the echo's strength down to a floor, biases are added, and the sensor's position and north have errors.

Seeds are fixed. Bounds are five standard deviations of the statistic under the model.
"""

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats

from radar_scenes import ORIGIN, PHYSICAL, assert_distributed, at, moving, scan, targets
from svc_radar.domain import Bias, RadarModel, ScanKind
from svc_radar.domain.measurement_noise import reference_sigmas, sigmas
from svc_radar.domain.scene import polar

DRAWS = 4_000
SIGMAS = 5.0
# Strong enough to be detected always, and too weak for the floors of the errors.
MEDIUM = dataclasses.replace(
    PHYSICAL,
    false_alarm_probability=1e-12,
    snr_ref_db=30.0,
    range_sigma_m=1e-3,
    bearing_sigma_deg=1e-6,
    elev_sigma_deg=1e-6,
    vr_sigma_mps=1e-6,
)
SPREAD = targets(*[at(5_000.0 + index, 123.0, 5.0) for index in range(DRAWS)], velocity_mps=(1.0, 2.0, 0.5))
SPARSE = dataclasses.replace(MEDIUM, range_resolution_m=0.9)


def test_a_sigma_is_the_resolution_over_the_root_of_twice_the_ratio_down_to_its_floor() -> None:
    found = sigmas(PHYSICAL, np.array([8.0, 50.0, 1e12]))
    assert found.range_m == pytest.approx([25.0, 10.0, 1.0])
    assert found.bearing_deg == pytest.approx([2.0 / 1.6 / 4.0, 2.0 / 1.6 / 10.0, 0.01])
    assert found.elev_deg == pytest.approx([3.0 / 1.6 / 4.0, 3.0 / 1.6 / 10.0, 0.01])
    assert found.vr_mps == pytest.approx([2.5, 1.0, 0.1])


def test_the_sensor_model_has_the_sigmas_of_the_reference_target() -> None:
    better = math.sqrt(2.0 * 10.0**1.3)
    expected = (100.0 / better, 2.0 / 1.6 / better, 3.0 / 1.6 / better, 10.0 / better)
    assert reference_sigmas(PHYSICAL) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["range_m", "bearing_deg", "elev_deg", "vr_mps"])
def test_every_detections_error_has_its_reported_sigma(name: str) -> None:
    seen = scan(SPARSE, SPREAD)
    truth = polar(ORIGIN, SPREAD)
    own = np.array([of[0] for of in seen.of if of])
    true = np.array([bool(of) for of in seen.of])
    sigma = getattr(seen, name.replace("_m", "_sigma_m").replace("_deg", "_sigma_deg"))[true]
    error = getattr(seen, name)[true] - getattr(truth, name)[own]
    assert len(error) > 0.9 * DRAWS
    assert np.max(sigma) > 1.5 * np.min(sigma), "the sigmas are each detection's own"
    assert_distributed(stats.norm.cdf(error / sigma))
    assert abs(np.mean((error / sigma) ** 2) - 1.0) < SIGMAS * math.sqrt(2.0 / len(error))


def test_a_radar_whose_errors_do_not_follow_the_echo_leaves_the_sigmas_to_its_model() -> None:
    constant = dataclasses.replace(
        PHYSICAL, false_alarm_probability=0.0, detection_probability=1.0, range_resolution_m=0.0
    )
    seen = scan(constant, targets(at(8_000.0), at(9_000.0)))
    assert [seen.range_sigma_m.tolist(), seen.vr_sigma_mps.tolist()] == [[0.0, 0.0]] * 2


# -- quantities that are not measured ----------------------------------------------------------------------------------


def test_a_radar_without_elevation_reports_none_and_still_measures_slant_ranges() -> None:
    model = dataclasses.replace(MEDIUM, no_elevation=True, elev_resolution_deg=0.0)
    seen = scan(model, targets(at(8_000.0, 45.0, 40.0)))
    assert seen.elev_deg.tolist() == seen.elev_sigma_deg.tolist() == [0.0]
    assert seen.range_m == pytest.approx([8_000.0], abs=60.0)
    assert reference_sigmas(model)[2] == 0.0


def test_a_radar_without_radial_velocity_reports_none() -> None:
    model = dataclasses.replace(MEDIUM, no_radial_velocity=True, vr_resolution_mps=0.0)
    seen = scan(model, targets(at(8_000.0), velocity_mps=(0.0, 90.0, 0.0)))
    assert seen.vr_mps.tolist() == seen.vr_sigma_mps.tolist() == [0.0]
    assert reference_sigmas(model)[3] == 0.0


# -- constant errors ---------------------------------------------------------------------------------------------------


def test_a_bias_is_added_to_every_range_and_bearing_and_is_not_reported() -> None:
    biased = dataclasses.replace(SPARSE, bias=Bias(range_m=120.0, bearing_deg=-1.5))
    plain, off = scan(SPARSE, SPREAD), scan(biased, SPREAD)
    by_target = {of: index for index, of in enumerate(plain.of) if of}
    pairs = [(by_target[of], index) for index, of in enumerate(off.of) if of]
    first, second = np.array(pairs).T
    assert off.range_m[second] - plain.range_m[first] == pytest.approx(np.full(len(pairs), 120.0))
    assert off.bearing_deg[second] - plain.bearing_deg[first] == pytest.approx(np.full(len(pairs), -1.5))
    assert off.range_sigma_m[second].tolist() == plain.range_sigma_m[first].tolist()


def test_a_bias_across_north_wraps() -> None:
    model = dataclasses.replace(MEDIUM, bias=Bias(bearing_deg=5.0))
    (bearing_deg,) = scan(model, targets(at(8_000.0, 358.0))).bearing_deg
    assert bearing_deg == pytest.approx(3.0, abs=0.5)


def test_a_fast_clock_reports_a_target_at_its_earlier_position() -> None:
    model = dataclasses.replace(MEDIUM, snr_ref_db=120.0, bias=Bias(time_s=2.0))
    seen = scan(model, targets(at(8_000.0), velocity_mps=(0.0, 100.0, 0.0)), own=moving((0.0, -50.0, 0.0)))
    assert seen.range_m == pytest.approx([8_000.0 - 2.0 * 150.0], abs=0.1)
    assert seen.time_offset_s.tolist() == [0.0]


# -- the sensor's own position and north -------------------------------------------------------------------------------


def frames_of(model: RadarModel, count: int = 1_000) -> list[tuple[float, float]]:
    """Return, of each of many scans, the reported sensor height and the bearing of a target due east."""
    seen = [scan(model, targets(at(8_000.0, 90.0), rcs_dbsm=90.0), step) for step in range(count)]
    return [(float(each.sensor_position_m[2]), float(each.bearing_deg[0])) for each in seen if len(each) == 1]


def test_the_reported_position_is_off_by_the_reported_sigma() -> None:
    heights = np.array([height for height, _ in frames_of(dataclasses.replace(MEDIUM, pose_sigma_m=30.0))])
    assert_distributed(stats.norm.cdf(heights / 30.0))


def test_an_error_in_north_is_common_to_all_bearings_of_a_scan() -> None:
    model = dataclasses.replace(MEDIUM, snr_ref_db=120.0, north_sigma_deg=2.0)
    bearings = np.array([bearing for _, bearing in frames_of(model)])
    assert_distributed(stats.norm.cdf((bearings - 90.0) / 2.0))
    both = scan(model, targets(at(8_000.0, 90.0), at(9_000.0, 270.0)))
    assert both.bearing_deg[1] - both.bearing_deg[0] == pytest.approx(180.0, abs=0.05)


@pytest.mark.parametrize("kind", list(ScanKind))
def test_an_exact_sensor_reports_its_true_position(kind: ScanKind) -> None:
    model = dataclasses.replace(MEDIUM, scan_kind=kind)
    own = moving((1.0, 2.0, 3.0), (5.0, 6.0, 7.0))
    assert scan(model, targets(), own=own).sensor_position_m.tolist() == [5.0, 6.0, 7.0]
