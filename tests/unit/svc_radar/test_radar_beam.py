"""The beam passes each target at its time; targets out of sector, below the horizon or too slow are not detected."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar_scenes import PHYSICAL, at, moving, scan, targets
from svc_radar.domain import ScanKind, Sector, SwerlingCase
from svc_radar.domain.beam import passage_s

SURE = dataclasses.replace(
    PHYSICAL,
    swerling=SwerlingCase.CASE_0,
    snr_ref_db=120.0,
    false_alarm_probability=1e-12,
    range_sigma_m=1e-3,
    bearing_sigma_deg=1e-5,
    elev_sigma_deg=1e-5,
    vr_sigma_mps=1e-3,
)
ROTATING = dataclasses.replace(SURE, scan_kind=ScanKind.ROTATING, scan_period_s=4.0)
SWEEPING = dataclasses.replace(SURE, scan_kind=ScanKind.SECTOR, scan_period_s=2.0, coverage=Sector(330.0, 60.0))


# -- time of the beam --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bearing_deg", "offset_s"), [(0.0, -4.0), (90.0, -3.0), (180.0, -2.0), (270.0, -1.0), (359.0, -4.0 / 360.0)]
)
def test_a_rotating_beam_starts_at_north_and_turns_clockwise_once_a_scan(bearing_deg: float, offset_s: float) -> None:
    assert scan(ROTATING, targets(at(8_000.0, bearing_deg))).time_offset_s == pytest.approx([offset_s], abs=1e-3)


@pytest.mark.parametrize(("bearing_deg", "offset_s"), [(330.5, -2.0 + 1 / 60), (0.0, -1.0), (29.5, -1 / 60)])
def test_a_sweeping_beam_sweeps_its_sector_once_a_scan(bearing_deg: float, offset_s: float) -> None:
    assert scan(SWEEPING, targets(at(8_000.0, bearing_deg))).time_offset_s == pytest.approx([offset_s], abs=1e-3)


def test_a_staring_radar_detects_everything_at_the_end_of_the_scan() -> None:
    seen = scan(SURE, targets(*[at(8_000.0, 40.0 * index) for index in range(9)]))
    assert seen.time_offset_s.tolist() == [0.0] * 9


def test_a_target_is_detected_at_its_position_when_the_beam_passed_it() -> None:
    velocity_mps, own_mps = np.array([200.0, -150.0, 10.0]), np.array([0.0, 80.0, 0.0])
    end_m = np.array(at(9_000.0, 200.0, 10.0))
    seen = scan(ROTATING, targets(end_m, velocity_mps=velocity_mps), own=moving(own_mps))
    (offset_s,) = seen.time_offset_s
    relative_m = end_m + offset_s * velocity_mps - offset_s * own_mps
    assert seen.range_m == pytest.approx([np.linalg.norm(relative_m)], abs=0.1)
    assert seen.bearing_deg == pytest.approx([math.degrees(math.atan2(relative_m[0], relative_m[1])) % 360.0], abs=1e-3)
    assert offset_s == pytest.approx(4.0 * (seen.bearing_deg[0] / 360.0 - 1.0), abs=0.01), (
        "the time at which the beam passed"
    )


@given(bearing_deg=st.floats(-720.0, 720.0), kind=st.sampled_from(ScanKind))
def test_a_detection_is_never_after_the_scan_nor_before_it(bearing_deg: float, kind: ScanKind) -> None:
    model = dataclasses.replace(SWEEPING, scan_kind=kind)
    (offset_s,) = passage_s(model, np.array([bearing_deg]))
    assert -model.scan_period_s <= offset_s <= 0.0


def test_false_detections_have_the_time_of_their_bearing() -> None:
    model = dataclasses.replace(ROTATING, false_alarm_probability=1e-7, range_resolution_m=10.0)
    seen = scan(model, targets())
    assert len(seen) > 10
    assert seen.time_offset_s == pytest.approx(4.0 * (seen.bearing_deg / 360.0 - 1.0))


# -- coverage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(ScanKind))
@pytest.mark.parametrize(
    ("bearing_deg", "seen"), [(329.0, 0), (331.0, 1), (359.9, 1), (29.0, 1), (31.0, 0), (180.0, 0)]
)
def test_targets_are_detected_in_the_covered_sector_only(kind: ScanKind, bearing_deg: float, seen: int) -> None:
    model = dataclasses.replace(SWEEPING, scan_kind=kind)
    assert len(scan(model, targets(at(8_000.0, bearing_deg)))) == seen


def test_false_detections_are_in_the_sector_only_and_proportional_to_it() -> None:
    model = dataclasses.replace(SWEEPING, false_alarm_probability=1e-6)
    assert model.expected_clutter == pytest.approx(
        dataclasses.replace(model, coverage=Sector(0.0, 360.0)).expected_clutter / 6.0
    )
    seen = scan(model, targets())
    assert len(seen) == pytest.approx(model.expected_clutter, abs=5.0 * math.sqrt(model.expected_clutter))
    assert model.coverage.holds(seen.bearing_deg).all()


def test_in_the_blind_range_nothing_is_detected() -> None:
    assert len(scan(SURE, targets(at(99.0)))) == 0
    assert len(scan(SURE, targets(at(101.0)))) == 1


# -- the ground --------------------------------------------------------------------------------------------------------

LOW = dataclasses.replace(SURE, horizon_surface_m=0.0, max_range_m=500_000.0)


def over_the_earth(distance_m: float, height_m: float) -> tuple[float, float, float]:
    """Return the position in the flat local frame of a target at this ground range and height."""
    return 0.0, distance_m, height_m - distance_m**2 / (2.0 * 6_371_000.0)


@pytest.mark.parametrize("height_m", [10.0, 300.0, 10_000.0])
def test_the_radio_horizon_is_4_12_kilometres_times_the_roots_of_the_heights(height_m: float) -> None:
    reach_m = 4_121.0 * (math.sqrt(25.0) + math.sqrt(height_m))
    mast = moving((0.0, 0.0, 0.0), (0.0, 0.0, 25.0))
    assert len(scan(LOW, targets(over_the_earth(0.99 * reach_m, height_m)), own=mast)) == 1
    assert len(scan(LOW, targets(over_the_earth(1.01 * reach_m, height_m)), own=mast)) == 0


def test_in_space_there_is_no_horizon() -> None:
    assert len(scan(dataclasses.replace(LOW, horizon_surface_m=None), targets(at(300_000.0, 0.0, -20.0)))) == 1


def test_a_target_below_the_surface_counts_as_on_it() -> None:
    mast = moving((0.0, 0.0, 0.0), (0.0, 0.0, 25.0))
    assert len(scan(LOW, targets((0.0, 15_000.0, -500.0)), own=mast)) == 1
    assert len(scan(LOW, targets((0.0, 40_000.0, -500.0)), own=mast)) == 0


@pytest.mark.parametrize(("vr_mps", "seen"), [(0.0, 0), (-14.9, 0), (14.9, 0), (-15.1, 1), (15.1, 1), (80.0, 1)])
def test_a_target_too_slow_over_the_ground_is_filtered_out_with_it(vr_mps: float, seen: int) -> None:
    model = dataclasses.replace(SURE, min_radial_speed_mps=15.0)
    velocity_mps = tuple(vr_mps * part for part in at(1.0, 70.0, 20.0))
    assert len(scan(model, targets(at(8_000.0, 70.0, 20.0), velocity_mps=velocity_mps))) == seen


def test_the_doppler_filter_compensates_the_radars_own_motion() -> None:
    model = dataclasses.replace(SURE, min_radial_speed_mps=15.0)
    own = moving((60.0, 120.0, -10.0))
    assert len(scan(model, targets(at(8_000.0, 70.0)), own=own)) == 0, (
        "static on the ground, closing only by own motion"
    )
    along = targets(at(8_000.0, 70.0), velocity_mps=(60.0, 120.0, -10.0))
    assert len(scan(model, along, own=own)) == 1, "constant range, but moving over the ground"


def test_a_crossing_target_is_lost_in_the_doppler_notch() -> None:
    model = dataclasses.replace(SURE, min_radial_speed_mps=15.0)
    assert len(scan(model, targets(at(8_000.0, 0.0), velocity_mps=(250.0, 0.0, 0.0)))) == 0
