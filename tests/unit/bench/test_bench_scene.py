"""Benchmark scenes match their settings: densities, detections, noise, turns and pairs, by their closed forms."""

from itertools import pairwise

import numpy as np
import pytest

from bench.tracker.scenes.air_traffic import CV, HARD, MANOEUVRING, RANGE_SIGMA_M, VARIANTS, Scene
from bench.tracker.scenes.population import MEAN_LIFETIME_S, PAIR_SPACING_M, SPEED_MPS, TURN_RATE_DEGPS, births_per_s
from bench.tracker.scenes.scan import SceneScan

SEED = 5
SCANS = 40
# How many standard deviations a mean may lie from its expectation: the seed being fixed, it always lies there.
NEAR = 4.0


def scans_of(variant: str = "cv", targets: int = 1_000, count: int = SCANS) -> tuple[Scene, list[SceneScan]]:
    scene = Scene(VARIANTS[variant], targets, SEED)
    return scene, scene.scans(count)


def test_equal_scenes_have_equal_scans_and_another_seed_gives_different_ones() -> None:
    first, again = Scene(HARD, 50, 7).scans(5)[-1], Scene(HARD, 50, 7).scans(5)[-1]
    other = Scene(HARD, 50, 8).scans(5)[-1]
    np.testing.assert_array_equal(first.range_m, again.range_m)
    np.testing.assert_array_equal(first.position_m, again.position_m)
    assert not np.array_equal(first.position_m[:5], other.position_m[:5])


def test_a_longer_scene_starts_with_the_scans_of_a_shorter_one() -> None:
    scene = Scene(CV, 50, SEED)
    for short, long in zip(scene.scans(3), scene.scans(6), strict=False):
        np.testing.assert_array_equal(short.bearing_deg, long.bearing_deg)


def test_the_area_grows_with_the_targets_so_that_five_square_kilometres_hold_one() -> None:
    for targets in (100, 10_000):
        scene = Scene(CV, targets, SEED)
        assert scene.area_km2 == pytest.approx(5.0 * targets)
        assert np.pi * (scene.radius_m / 1e3) ** 2 == pytest.approx(scene.area_km2)


def test_births_keep_the_mean_number_of_targets() -> None:
    scene, scans = scans_of(count=60)
    counts = [len(scan.ids) for scan in scans]
    assert counts[0] == pytest.approx(scene.targets, abs=NEAR * np.sqrt(scene.targets / 20.0))
    assert np.mean(counts) == pytest.approx(scene.targets, abs=NEAR * np.sqrt(scene.targets / 3.0))


def test_the_birth_rate_follows_littles_law() -> None:
    """Of 1,000 targets in 60 s, the number of new ones agrees with the birth rate."""
    scene, scans = scans_of(count=60)
    ever = {int(number) for scan in scans for number in scan.ids}
    born = len(ever - set(scans[0].ids.tolist()))
    expected = births_per_s(scene.disc) * (len(scans) - 1)
    assert born == pytest.approx(expected, abs=NEAR * np.sqrt(1.4 * expected) + 0.02 * expected)


def test_in_a_disc_too_large_to_leave_targets_stay_for_their_mean_lifetime() -> None:
    targets = 10**9
    assert births_per_s(Scene(CV, targets, SEED).disc) == pytest.approx(targets / MEAN_LIFETIME_S, rel=0.01)


def test_no_target_is_outside_the_disc_and_no_id_is_reused() -> None:
    scene, scans = scans_of(targets=200)
    gone: set[int] = set()
    before: set[int] = set()
    for scan in scans:
        assert (np.hypot(*scan.position_m.T) < scene.radius_m).all()
        now = set(scan.ids.tolist())
        assert len(now) == len(scan.ids)
        gone |= before - now
        assert not now & gone
        before = now


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_targets_are_detected_with_the_probability_of_the_variant(name: str) -> None:
    scene, scans = scans_of(name, targets=400)
    chances = sum(len(scan.ids) for scan in scans)
    hits = sum(int((scan.source >= 0).sum()) for scan in scans)
    p = scene.variant.detection_probability
    assert hits / chances == pytest.approx(p, abs=NEAR * np.sqrt(p * (1.0 - p) / chances))


def test_a_target_has_at_most_one_detection_in_a_scan() -> None:
    _, scans = scans_of("hard", targets=200, count=5)
    for scan in scans:
        known = scan.source[scan.source >= 0]
        assert len(np.unique(known)) == len(known)


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_the_number_of_false_detections_is_proportional_to_the_area(name: str) -> None:
    scene, scans = scans_of(name, targets=400)
    counts = np.array([(scan.source < 0).sum() for scan in scans])
    assert scene.clutter_per_scan == pytest.approx(scene.variant.clutter_per_km2 * 2_000.0)
    assert counts.mean() == pytest.approx(scene.clutter_per_scan, abs=NEAR * np.sqrt(scene.clutter_per_scan / SCANS))
    # A Poisson number's variance is its mean; the variance of n such variances is about 2 / n of its square.
    assert counts.var(ddof=1) == pytest.approx(scene.clutter_per_scan, rel=NEAR * np.sqrt(2.0 / (SCANS - 1)))


def test_false_detections_are_uniform_in_range_and_bearing() -> None:
    scene, scans = scans_of()
    false = [scan.source < 0 for scan in scans]
    for values, width in (
        (np.concatenate([scan.range_m[f] for scan, f in zip(scans, false, strict=True)]), scene.radius_m),
        (np.concatenate([scan.bearing_deg[f] for scan, f in zip(scans, false, strict=True)]), 360.0),
    ):
        counts, _ = np.histogram(values, bins=10, range=(0.0, width))
        expected = len(values) / 10.0
        # Chi-squared of 9 degrees is above 27.9 once in a thousand.
        assert ((counts - expected) ** 2 / expected).sum() < 27.9


@pytest.mark.parametrize("name", ["cv", "hard"])
def test_measurements_are_off_by_the_stated_sigmas_without_a_bias(name: str) -> None:
    scene, scans = scans_of(name)
    range_error, bearing_error = [], []
    for scan in scans:
        known = scan.source >= 0
        east, north = scan.position_m[scan.source[known]].T
        range_error.append(scan.range_m[known] - np.hypot(east, north))
        bearing_error.append(scan.bearing_deg[known] - np.degrees(np.arctan2(east, north)))
    turn = (np.concatenate(bearing_error) + 180.0) % 360.0 - 180.0
    for errors, sigma in ((np.concatenate(range_error), RANGE_SIGMA_M), (turn, scene.variant.bearing_sigma_deg)):
        assert errors.mean() == pytest.approx(0.0, abs=NEAR * sigma / np.sqrt(len(errors)))
        assert errors.std() == pytest.approx(sigma, rel=NEAR / np.sqrt(2.0 * len(errors)))


def test_without_manoeuvres_velocities_change_by_the_acceleration_noise_alone() -> None:
    """White acceleration of density q changes each component of a velocity by a variance of q T in T."""
    _, scans = scans_of(count=10)
    changes = np.concatenate([_changes(before, after)[0] for before, after in pairwise(scans)])
    assert changes.var() == pytest.approx(0.5, rel=0.1)
    assert not any(scan.turning.any() for scan in scans)


def test_turning_targets_turn_at_two_to_six_degrees_a_second_and_others_do_not() -> None:
    _, scans = scans_of("manoeuvring", count=30)
    rates: dict[bool, list[float]] = {True: [], False: []}
    for before, after in pairwise(scans):
        _, turn_deg, turning, speed = _changes(before, after)
        # A target that is fast enough does not seem to turn by its acceleration noise.
        fast = speed > 150.0
        for which in (True, False):
            rates[which].extend(np.abs(turn_deg[fast & (turning == which)]).tolist())
    low, high = TURN_RATE_DEGPS
    noise_deg = float(np.degrees(np.sqrt(0.5) / 150.0))
    assert np.mean(rates[True]) == pytest.approx((low + high) / 2.0, abs=0.3)
    assert low - NEAR * noise_deg < min(rates[True])
    assert max(rates[True]) < high + NEAR * noise_deg
    assert max(rates[False]) < 5.0 * noise_deg


def test_two_targets_in_five_manoeuvre() -> None:
    _, scans = scans_of("manoeuvring", targets=2_000, count=45)
    turned: set[int] = set()
    for scan in scans:
        turned |= set(scan.ids[scan.turning].tolist())
    throughout = set(scans[0].ids.tolist()) & set(scans[-1].ids.tolist())
    share = len(turned & throughout) / len(throughout)
    assert share == pytest.approx(MANOEUVRING.manoeuvring_share, abs=NEAR * np.sqrt(0.24 * 1.2 / len(throughout)))


def test_a_fifth_of_the_targets_fly_in_pairs_150_to_400_m_apart() -> None:
    """New targets are examined: few have lost a partner yet. Both targets of a pair have the same velocity."""
    _, scans = scans_of(targets=4_000, count=15)
    old = scans[0].ids.max()
    last = scans[-1]
    young = last.ids > old
    velocity, position = last.velocity_mps[young], last.position_m[young]
    _, group, sizes = np.unique(velocity, axis=0, return_inverse=True, return_counts=True)
    paired = sizes[group.ravel()] == 2
    assert sizes.max() == 2
    # Some partners ended already, or were born outside the disc.
    assert paired.mean() == pytest.approx(0.2, abs=NEAR * np.sqrt(0.16 * 2.0 / young.sum()) + 0.01)
    order = np.lexsort((velocity[paired][:, 1], velocity[paired][:, 0]))
    first, second = position[paired][order][::2], position[paired][order][1::2]
    spacing_m = np.hypot(*(first - second).T)
    assert spacing_m.min() >= PAIR_SPACING_M[0] - 1e-6
    assert spacing_m.max() <= PAIR_SPACING_M[1] + 1e-6


def test_speeds_at_birth_are_between_the_limits() -> None:
    _, scans = scans_of(count=3)
    new = ~np.isin(scans[2].ids, scans[1].ids)
    speed = np.hypot(*scans[2].velocity_mps[new].T)
    assert len(speed)
    assert SPEED_MPS[0] <= speed.min()
    assert speed.max() <= SPEED_MPS[1]


def _changes(before: SceneScan, after: SceneScan) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return of targets in both: change of velocity (n, 2), turn in degrees (n,), whether turning, speed before."""
    _, then, now = np.intersect1d(before.ids, after.ids, return_indices=True)
    old, new = before.velocity_mps[then], after.velocity_mps[now]
    turn = np.degrees(np.arctan2(old[:, 0] * new[:, 1] - old[:, 1] * new[:, 0], (old * new).sum(axis=1)))
    return new - old, turn, after.turning[now], np.hypot(*old.T)
