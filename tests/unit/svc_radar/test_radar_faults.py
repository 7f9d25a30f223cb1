"""Radar faults: jammed and dead sectors, steps of bias, lost scans."""

import dataclasses
import math

import numpy as np
import pytest

from radar_scenes import PHYSICAL, at, scan, targets
from svc_radar.domain import Blind, BlindReason, Faults, Jamming, Sector, SwerlingCase
from svc_radar.domain.faults import noise_db

STEADY = dataclasses.replace(
    PHYSICAL, swerling=SwerlingCase.CASE_0, false_alarm_probability=1e-12, snr_ref_db=40.0, range_sigma_m=1e-3
)
EAST = Sector(45.0, 90.0)
NORTH = Sector(330.0, 60.0)


def test_in_a_jammed_sector_the_echo_is_weaker_by_the_jamming() -> None:
    both = targets(at(5_000.0, 90.0), at(5_000.0, 270.0), rcs_dbsm=40.0)
    free, jammed = scan(STEADY, both), scan(STEADY, both, wrong=Faults(jammed=(Jamming(EAST, 25.0),)))
    assert free.snr_db[0] - jammed.snr_db[0] == pytest.approx(25.0, abs=0.1)
    assert jammed.snr_db[1] == free.snr_db[1]
    assert jammed.range_sigma_m[0] > 10.0 * free.range_sigma_m[0]


def test_a_jammer_hides_weak_targets_and_strong_ones_burn_through() -> None:
    crowd = targets(at(10_000.0, 90.0), at(8_000.0, 80.0), rcs_dbsm=[10.0, 60.0])
    seen = scan(STEADY, crowd, wrong=Faults(jammed=(Jamming(EAST, 40.0),)))
    assert seen.of == ((1,),)


def test_jammers_add_up_in_power() -> None:
    faults = Faults(jammed=(Jamming(EAST, 20.0), Jamming(Sector(80.0, 20.0), 20.0)))
    expected = [10.0 * math.log10(1.0 + 99.0), 10.0 * math.log10(1.0 + 2.0 * 99.0), 0.0]
    assert noise_db(faults, np.array([50.0, 90.0, 300.0])) == pytest.approx(expected)


def test_a_sector_in_which_the_reference_target_is_hardly_detectable_is_reported_blind() -> None:
    hides, weakens = Jamming(EAST, 40.0), Jamming(NORTH, 10.0)
    assert scan(STEADY, targets(), wrong=Faults(jammed=(hides, weakens))).blind == (Blind(EAST, BlindReason.JAMMED),)


def test_a_radar_with_a_constant_probability_detects_nothing_in_a_jammed_sector_and_reports_it() -> None:
    constant = dataclasses.replace(
        STEADY, false_alarm_probability=0.0, detection_probability=1.0, clutter_per_scan=500.0, range_resolution_m=0.0
    )
    seen = scan(constant, targets(at(8_000.0, 90.0), at(8_000.0, 200.0)), wrong=Faults(jammed=(Jamming(EAST, 3.0),)))
    assert seen.blind == (Blind(EAST, BlindReason.JAMMED),)
    assert not EAST.holds(seen.bearing_deg).any()
    assert (1,) in seen.of


def test_a_dead_sector_gives_neither_true_nor_false_detections_and_is_reported() -> None:
    noisy = dataclasses.replace(STEADY, false_alarm_probability=1e-7)
    crowd = targets(*[at(8_000.0, 10.0 * index + 5.0, 5.0) for index in range(36)], rcs_dbsm=40.0)
    free, dead = scan(noisy, crowd), scan(noisy, crowd, wrong=Faults(dead=(NORTH,)))
    kept = ~NORTH.holds(free.bearing_deg)
    assert dead.blind == (Blind(NORTH, BlindReason.DEAD),)
    assert dead.bearing_deg.tolist() == free.bearing_deg[kept].tolist(), "other detections are unchanged"
    assert len(dead) < len(free)


def test_a_step_of_bias_is_added_to_the_radars_own() -> None:
    target = targets(at(8_000.0, 90.0), rcs_dbsm=60.0)
    plain, off = scan(STEADY, target), scan(STEADY, target, wrong=Faults(range_bias_m=-300.0, bearing_bias_deg=4.0))
    assert off.range_m - plain.range_m == pytest.approx([-300.0])
    assert off.bearing_deg - plain.bearing_deg == pytest.approx([4.0])


def test_a_lost_scan_is_empty_and_marked_failed() -> None:
    seen = scan(PHYSICAL, targets(at(1_000.0)), wrong=Faults(dead=(NORTH,), dropout_probability=1.0))
    assert (len(seen), seen.failed, seen.truncated) == (0, True, False)
    assert seen.blind == (Blind(NORTH, BlindReason.DEAD),)
    assert not scan(PHYSICAL, targets(at(1_000.0))).failed


def test_scans_are_lost_with_the_configured_probability() -> None:
    lost = [scan(PHYSICAL, targets(), step, wrong=Faults(dropout_probability=0.3)).failed for step in range(2_000)]
    assert abs(np.mean(lost) - 0.3) < 5.0 * math.sqrt(0.3 * 0.7 / 2_000)


def test_a_scan_that_is_not_lost_is_unaffected() -> None:
    crowd = targets(*[at(8_000.0, 10.0 * index, 5.0) for index in range(36)])
    for step in range(5):
        risky = scan(PHYSICAL, crowd, step, wrong=Faults(dropout_probability=0.5))
        assert risky.failed or risky.range_m.tobytes() == scan(PHYSICAL, crowd, step).range_m.tobytes()


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, 1e6])
def test_an_invalid_fault_is_refused_by_its_field(value: float) -> None:
    with pytest.raises(ValueError, match=r"^jamming_db must "):
        Jamming(EAST, value)
    with pytest.raises(ValueError, match=r"^dropout_probability must "):
        Faults(dropout_probability=value)
    with pytest.raises(ValueError, match=r"^width_deg must "):
        Sector(0.0, value)


@pytest.mark.parametrize("name", ["range_bias_m", "bearing_bias_deg"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_bias_that_is_not_finite_is_refused_by_its_field(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"^{name} must "):
        Faults(**{name: value})
