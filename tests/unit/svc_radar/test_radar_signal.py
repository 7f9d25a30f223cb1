"""Echoes follow the radar equation and fluctuate as Swerling has it, and detection has the closed form's probability.

Seeds are fixed. Bounds are five standard deviations of the statistic under the model.
"""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from radar_scenes import ORIGIN, PHYSICAL, assert_distributed, at, scan, targets
from svc_radar.domain import Pattern, SwerlingCase
from svc_radar.domain.scene import polar
from svc_radar.domain.signal import (
    detection_probability,
    draw_echoes,
    marcum_q,
    mean_snr_db,
    ratio,
    received_power,
    reference_probability,
)

DRAWS = 40_000
SIGMAS = 5.0
CASES = (SwerlingCase.CASE_0, SwerlingCase.CASE_1, SwerlingCase.CASE_3)


def law(swerling: SwerlingCase, snr: float) -> "stats.rv_frozen":
    """Return the distribution of the received power from the textbook, independent of the radar's code."""
    if swerling is SwerlingCase.CASE_0:
        return stats.ncx2(df=2, nc=2.0 * snr, scale=0.5)
    assert swerling is SwerlingCase.CASE_1
    return stats.expon(scale=1.0 + snr)


# -- the closed forms ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("snr_db", [-20.0, 0.0, 5.0, 10.0, 13.0, 16.0, 20.0])
@pytest.mark.parametrize("exponent", [2, 4, 6, 8, 10, 12])
def test_a_steady_echo_is_detected_with_marcums_q(snr_db: float, exponent: int) -> None:
    snr, level = ratio(snr_db), exponent * math.log(10.0)
    expected = float(law(SwerlingCase.CASE_0, snr).sf(level))
    assert detection_probability(SwerlingCase.CASE_0, snr, level) == pytest.approx(expected, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("snr", [0.0, 0.1, 1.0, 10.0, 200.0, 1e6])
@pytest.mark.parametrize("pfa", [1e-12, 1e-6, 1e-1])
def test_an_exponential_echo_is_detected_with_the_false_alarm_probability_to_the_power_of_1_over_1_plus_snr(
    snr: float, pfa: float
) -> None:
    assert detection_probability(SwerlingCase.CASE_1, snr, -math.log(pfa)) == pytest.approx(pfa ** (1.0 / (1.0 + snr)))


@pytest.mark.parametrize("snr", [0.1, 1.0, 10.0, 200.0])
@pytest.mark.parametrize("level", [2.4, 13.8, 27.6])
def test_case_3_is_the_steady_echos_probability_averaged_over_its_power(snr: float, level: float) -> None:
    power = stats.gamma(2.0, scale=snr / 2.0)  # the mean of two exponential variates of mean S
    averaged, _ = integrate.quad(lambda s: power.pdf(s) * marcum_q(s, level), 0.0, 30.0 * snr, limit=500, epsabs=0.0)
    assert detection_probability(SwerlingCase.CASE_3, snr, level) == pytest.approx(averaged, rel=1e-5)


@pytest.mark.parametrize("swerling", CASES)
@pytest.mark.parametrize("pfa", [1e-12, 1e-6, 0.1])
def test_without_an_echo_detections_are_false_alarms(swerling: SwerlingCase, pfa: float) -> None:
    assert detection_probability(swerling, 0.0, -math.log(pfa)) == pytest.approx(pfa, rel=1e-9)


@given(snr_db=st.floats(-300.0, 300.0), exponent=st.floats(1.0, 12.0), swerling=st.sampled_from(CASES))
def test_a_probability_is_one_and_grows_with_the_echo(snr_db: float, exponent: float, swerling: SwerlingCase) -> None:
    level = exponent * math.log(10.0)
    weaker, stronger = (detection_probability(swerling, ratio(db), level) for db in (snr_db, snr_db + 1.0))
    assert 0.0 <= weaker <= 1.0
    assert stronger >= weaker - 1e-12


def test_the_textbooks_example_comes_out() -> None:
    # Skolnik's curves: for Pd 0.9 and Pfa 1e-6 a steady echo needs 13.2 dB, case 1 needs 21.1 dB.
    level = 6.0 * math.log(10.0)
    assert detection_probability(SwerlingCase.CASE_0, ratio(13.2), level) == pytest.approx(0.9, abs=0.01)
    assert detection_probability(SwerlingCase.CASE_1, ratio(21.1), level) == pytest.approx(0.9, abs=0.01)


# -- the draws -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("snr", [0.0, 1.0, 20.0])
@pytest.mark.parametrize("swerling", [SwerlingCase.CASE_0, SwerlingCase.CASE_1])
def test_received_power_has_the_distribution_of_its_swerling_case(swerling: SwerlingCase, snr: float) -> None:
    draws = draw_echoes(np.random.default_rng(5), DRAWS)
    power = received_power(swerling, np.full(DRAWS, snr), draws)
    assert_distributed(law(swerling, snr).cdf(power))


@pytest.mark.parametrize("snr", [1.0, 20.0])
def test_received_power_of_case_3_has_the_distribution_of_its_closed_form(snr: float) -> None:
    power = received_power(SwerlingCase.CASE_3, np.full(DRAWS, snr), draw_echoes(np.random.default_rng(6), DRAWS))
    assert_distributed(np.array([detection_probability(SwerlingCase.CASE_3, snr, value) for value in power.tolist()]))


@pytest.mark.parametrize("swerling", CASES)
@pytest.mark.parametrize("rcs_dbsm", [6.0, 10.0, 16.0])
def test_targets_are_detected_with_the_probability_of_the_closed_form(swerling: SwerlingCase, rcs_dbsm: float) -> None:
    model = dataclasses.replace(
        PHYSICAL, swerling=swerling, range_resolution_m=1e-6, min_range_m=9_999.0, max_range_m=10_002.0
    )
    # One metre in total, each target in its own cell.
    ranges_m = np.linspace(9_999.5, 10_000.5, DRAWS)
    crowd = targets(*[at(range_m, 30.0, 5.0) for range_m in ranges_m.tolist()], rcs_dbsm=rcs_dbsm)
    seen = scan(dataclasses.replace(model, false_alarm_probability=1e-12), crowd, step=int(rcs_dbsm))
    expected = detection_probability(swerling, ratio(13.0 + rcs_dbsm - 10.0), 12.0 * math.log(10.0))
    found = len({target for of in seen.of for target in of})
    assert abs(found / DRAWS - expected) < SIGMAS * math.sqrt(expected * (1.0 - expected) / DRAWS)


def test_the_reference_target_in_the_frame_agrees_with_the_closed_form() -> None:
    assert reference_probability(PHYSICAL) == pytest.approx(1e-10 ** (1.0 / (1.0 + 10.0**1.3)))
    constant = dataclasses.replace(
        PHYSICAL, false_alarm_probability=0.0, detection_probability=0.7, clutter_per_scan=1.0
    )
    assert reference_probability(constant) == 0.7


# -- the radar equation --------------------------------------------------------------------------------------------


def snr_db(model: object, *positions: object, rcs_dbsm: float = 10.0) -> list[float]:
    seen = targets(*positions, rcs_dbsm=rcs_dbsm)
    return mean_snr_db(model, seen.rcs_dbsm, polar(ORIGIN, seen)).tolist()  # type: ignore[arg-type, no-any-return]


def test_power_falls_with_the_fourth_power_of_the_range_and_rises_with_the_cross_section() -> None:
    assert snr_db(PHYSICAL, at(10_000.0), at(20_000.0), at(5_000.0)) == pytest.approx([13.0, 0.9588, 25.0412], abs=1e-4)
    assert snr_db(PHYSICAL, at(10_000.0), rcs_dbsm=0.0) == pytest.approx([3.0])


def test_the_two_way_beam_loss_at_half_the_beamwidth_is_six_decibels() -> None:
    model = dataclasses.replace(
        PHYSICAL, pattern=Pattern(elev_deg=5.0, elev_width_deg=20.0, bearing_deg=350.0, bearing_width_deg=40.0)
    )
    found = snr_db(model, at(1e4, 350.0, 5.0), at(1e4, 350.0, 15.0), at(1e4, 10.0, 5.0), at(1e4, 330.0, -5.0))
    assert found == pytest.approx([13.0, 7.0, 7.0, 1.0])


def test_the_reported_cross_section_compensates_the_beam_loss() -> None:
    strong = dataclasses.replace(PHYSICAL, swerling=SwerlingCase.CASE_0, snr_ref_db=60.0)
    model = dataclasses.replace(strong, pattern=Pattern(elev_deg=0.0, elev_width_deg=20.0))
    seen = scan(model, targets(at(10_000.0, 0.0, 8.0)))
    assert seen.snr_db == pytest.approx([60.0 - 24.0 * 0.4**2], abs=0.2)
    assert seen.rcs_dbsm == pytest.approx([10.0], abs=0.2)


def test_the_power_of_a_fluctuating_echo_reveals_little_of_the_change_of_range() -> None:
    model = dataclasses.replace(PHYSICAL, snr_ref_db=30.0)
    seen = [scan(model, targets(at(10_000.0)), step=step).snr_db.tolist() for step in range(200)]
    found = np.concatenate(seen)
    assert np.std(found) > 3.0, "in decibels: a factor of two and more from scan to scan"
