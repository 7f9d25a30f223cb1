"""The assignment is optimal, and the gate has its probability."""

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from scipy.stats import chi2

from svc_tracker.domain import TrackerModel
from svc_tracker.domain.association.assignment import assign, dominant_pairs
from svc_tracker.domain.association.existence import assignment_gain, log_odds
from tracker_truth import NOTHING, STRAIGHT, Sensor, assigned, detections, known

Floats = npt.NDArray[np.float64]

PAIRS = st.dictionaries(st.tuples(st.integers(0, 5), st.integers(0, 5)), st.floats(-5.0, 20.0), max_size=8)
# Few gains, so that many of them are equal.
TIES = st.dictionaries(st.tuples(st.integers(0, 11), st.integers(0, 11)), st.integers(-1, 3), max_size=70)


def chosen(pairs: dict[tuple[int, int], float]) -> list[tuple[int, int]]:
    table = sorted(pairs)
    track, detection = (np.array([pair[side] for pair in table], dtype=np.intp) for side in (0, 1))
    found = assign(track, detection, np.array([pairs[pair] for pair in table], dtype=np.float64), dominant_pairs)
    return [table[index] for index in found]


def most(pairs: dict[tuple[int, int], float]) -> float:
    """Return the greatest total gain, by SciPy's dense solver; a missing pair gains nothing."""
    if not pairs:
        return 0.0
    gain = np.zeros((max(t for t, _ in pairs) + 1, max(d for _, d in pairs) + 1))
    for (track, detection), value in pairs.items():
        gain[track, detection] = max(value, 0.0)
    return float(gain[linear_sum_assignment(gain, maximize=True)].sum())


def check(pairs: dict[tuple[int, int], float]) -> None:
    found = chosen(pairs)
    assert len({track for track, _ in found}) == len({detection for _, detection in found}) == len(found)
    assert all(pairs[pair] > 0.0 for pair in found)
    assert sum(pairs[pair] for pair in found) == pytest.approx(most(pairs), rel=1e-12)


def test_no_pairs_give_no_assignment() -> None:
    assert chosen({}) == []


def test_a_pair_with_a_negative_gain_is_not_assigned_even_without_competition() -> None:
    assert chosen({(0, 0): -0.1, (1, 1): 0.1}) == [(1, 1)]


def test_a_pair_with_gain_zero_is_not_assigned() -> None:
    assert chosen({(0, 0): 0.0, (1, 1): -0.0}) == []


def test_the_assignment_maximises_the_total_gain_not_the_largest_pair() -> None:
    assert chosen({(0, 0): 10.0, (0, 1): 9.0, (1, 0): 9.0}) == [(0, 1), (1, 0)]


@settings(max_examples=200, deadline=None)
@given(pairs=PAIRS)
def test_no_other_assignment_gains_more(pairs: Any) -> None:
    best = 0.0
    for size in range(len(pairs) + 1):
        for choice in itertools.combinations(pairs, size):
            if len({t for t, _ in choice}) == len({d for _, d in choice}) == size:
                best = max(best, sum(pairs[pair] for pair in choice))
    found = chosen(pairs)
    assert len({t for t, _ in found}) == len({d for _, d in found}) == len(found)
    assert sum(pairs[pair] for pair in found) == pytest.approx(best)


@settings(max_examples=300, deadline=None)
@given(pairs=TIES)
def test_the_total_gain_is_maximal_among_equal_gains(pairs: Any) -> None:
    check({pair: float(gain) for pair, gain in pairs.items()})


@pytest.mark.parametrize("seed", range(40))
def test_the_total_gain_is_that_of_a_dense_solver(seed: int) -> None:
    """Sparse problems from a few pairs to a crowd in which most is connected, with and without equal gains."""
    rng = np.random.default_rng(seed)
    tracks, found = rng.integers(1, 120, 2)
    count = int(rng.integers(1, 6 * max(tracks, found)))
    track, detection = rng.integers(0, tracks, count), rng.integers(0, found, count)
    gain = rng.normal(3.0, 6.0, count)
    if seed % 2:
        gain = np.round(gain)
    check({(int(t), int(d)): float(g) for t, d, g in zip(track, detection, gain, strict=True)})


def test_gains_of_very_different_sizes_are_compared_exactly() -> None:
    """The deciding difference may be smaller than the gains by many orders of magnitude."""
    check({(0, 0): 1e6, (0, 1): 1e6 - 1e-3, (1, 0): 1e6 - 1e-3, (1, 1): 1e6 - 1e-2, (2, 1): 1e-6})
    check({(0, 0): 1e-9, (0, 1): 1e-9, (1, 1): 2e-9})


def test_the_order_of_the_pairs_does_not_change_the_total_gain() -> None:
    rng = np.random.default_rng(5)
    pairs = {
        (int(t), int(d)): float(g) for t, d, g in zip(*rng.integers(0, 9, (2, 40)), rng.normal(2, 3, 40), strict=True)
    }
    table = sorted(pairs)
    totals = set()
    for _ in range(20):
        order = [table[place] for place in rng.permutation(len(table))]
        track, detection = (np.array([pair[side] for pair in order], dtype=np.intp) for side in (0, 1))
        gain = np.array([pairs[pair] for pair in order])
        totals.add(round(float(gain[assign(track, detection, gain, dominant_pairs)].sum()), 9))
    assert len(totals) == 1


GATE = 0.99
FLAT = Sensor(elev_sigma_deg=None, vr_sigma_mps=None, clutter_per_scan=1e-6)


def ellipse() -> tuple[Floats, Floats, Floats]:
    """Return a state due east, its covariance, and the textbook's innovation covariance along (range, across)."""
    x = np.array([[30e3], [0.0], [100.0], [-50.0]])
    P = np.array([[900.0, 300.0, 0.0, 0.0], [300.0, 400.0, 0.0, 0.0], [0.0, 0.0, 50.0, 0.0], [0.0, 0.0, 0.0, 50.0]])
    # East is along the line of sight there, and south is to its right.
    H = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.0]])
    noise = np.diag([FLAT.range_sigma_m, np.radians(FLAT.bearing_sigma_deg) * 30e3]) ** 2
    return x, P[:, :, None], H @ P @ H.T + noise


@pytest.mark.parametrize("angle_deg", range(0, 360, 30))
@pytest.mark.parametrize("share", [0.5, 0.97, 1.03, 2.0])
def test_the_gate_is_the_ellipse_of_its_probability(angle_deg: float, share: float) -> None:
    """A detection `share` of the way to the edge of nu^T S^-1 nu = chi2, in any direction."""
    x, P, S = ellipse()
    direction = np.array([np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))])
    nu = share * np.sqrt(chi2(2).ppf(GATE)) * np.linalg.cholesky(S) @ direction
    seen = detections(30e3 + nu[0], 90.0 + np.degrees(nu[1] / 30e3), 0.0, 0.0)
    model = TrackerModel(axes=2, modes=STRAIGHT, gate_probability=GATE)
    result = known(model, FLAT, x, P).step(FLAT.frame(0.0, seen))
    assert assigned(result) == ([0] if share < 1.0 else [-1])
    assert len(result.new) == (share > 1.0)
    if share < 1.0:
        assert result.tracks.records.nis[0] == pytest.approx(nu @ np.linalg.solve(S, nu), rel=1e-3)
        assert result.tracks.records.nis_dof[0] == 2


def test_of_two_detections_in_the_gate_the_likelier_is_assigned_and_the_other_initiates_a_track() -> None:
    x, P, S = ellipse()
    sigma = np.sqrt(S[0, 0])
    seen = detections([30e3 - 1.5 * sigma, 30e3 + 0.5 * sigma], 90.0, 0.0, 0.0)
    model = TrackerModel(axes=2, modes=STRAIGHT)
    result = known(model, FLAT, x, P).step(FLAT.frame(0.0, seen))
    assert assigned(result) == [1]
    assert result.new.records.detection.tolist() == [0]


def test_an_empty_gate_assigns_no_detection() -> None:
    x, P, _ = ellipse()
    model = TrackerModel(axes=2, modes=STRAIGHT)
    assert assigned(known(model, FLAT, x, P).step(FLAT.frame(0.0, NOTHING))) == [-1]


def test_the_clutter_density_follows_from_the_clutter_per_scan() -> None:
    """A detection adds ln(Pd N / lambda) to the score: lambda, with new targets, is uniform in measurement space."""
    x, P, S = ellipse()
    model = TrackerModel(axes=2, modes=STRAIGHT)
    sensor = Sensor(elev_sigma_deg=None, vr_sigma_mps=None, max_range_m=50e3, clutter_per_scan=40.0)
    cycle = known(model, sensor, x, P)
    before = cycle.state.tracks.records.score[0]
    result = cycle.step(sensor.frame(0.0, detections(30e3, 90.0, 0.0, 0.0)))
    extraneous = 40.0 + model.birth_rate_per_scan + model.new_target_probability * 40.0
    density = extraneous / (50e3 * 2.0 * np.pi * 30e3)
    peak = 1.0 / (2.0 * np.pi * np.sqrt(np.linalg.det(S)))
    gained = result.tracks.records.score[0] - before
    assert gained == pytest.approx(np.log(0.9 * peak / density), abs=1e-3)


def gains(existence: list[float], hits: list[float]) -> Floats:
    model = TrackerModel(axes=2, modes=STRAIGHT)
    scores = np.array([log_odds(each) for each in existence])
    return assignment_gain(scores, np.array(hits), np.full(len(hits), 0.9), model)


def test_a_doubtful_track_takes_no_detection_from_a_certain_one_although_it_is_a_little_nearer() -> None:
    doubtful, certain = 0, 1
    gain = gains([0.01, 0.999], [5.0, 4.0])
    found = assign(np.array([doubtful, certain]), np.array([0, 0]), gain, dominant_pairs)
    assert found.tolist() == [certain]


def test_a_doubtful_track_takes_an_uncontested_detection_that_is_more_likely_its_own_than_not() -> None:
    gain = gains([1e-9, 1e-9], [0.5, -5.0])
    assert assign(np.array([0, 1]), np.array([0, 1]), gain, dominant_pairs).tolist() == [0]
