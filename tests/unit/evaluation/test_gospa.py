"""GOSPA and OSPA agree with their definitions, by hand and by trying every assignment."""

import math
import tracemalloc
from itertools import combinations, permutations
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from evaluation.gospa import gospa, ospa

Points = npt.NDArray[np.float64]


def points(*rows: Any) -> Points:
    return np.array(rows, dtype=np.float64).reshape(-1, 2)


def test_two_empty_sets_have_distance_zero() -> None:
    assert gospa(points(), points(), c=10.0).total == 0.0
    assert ospa(points(), points(), c=10.0) == 0.0


def test_the_parts_are_sums_of_powers_and_add_up_to_the_total() -> None:
    found = gospa(points((0, 0), (100, 0), (200, 0)), points((3, 4), (100, 1)), c=10.0, p=2.0)
    assert found.localisation == pytest.approx(25.0 + 1.0)
    assert found.missed == pytest.approx(50.0)
    assert found.false == 0.0
    assert (found.assigned, found.missed_count, found.false_count) == (2, 1, 0)
    assert found.total == pytest.approx(math.sqrt(76.0))


def test_an_estimate_at_the_cut_off_is_one_missed_and_one_false() -> None:
    found = gospa(points((0, 0)), points((10, 0)), c=10.0)
    assert (found.assigned, found.missed_count, found.false_count) == (0, 1, 1)
    assert found.total == pytest.approx(10.0)


def test_ospa_counts_a_missing_estimate_as_the_cut_off() -> None:
    assert ospa(points((0, 0), (100, 0)), points((0, 3)), c=10.0) == pytest.approx(math.sqrt((9.0 + 100.0) / 2.0))


POINTS = st.lists(st.tuples(st.floats(-20, 20), st.floats(-20, 20)), max_size=4)


@settings(max_examples=100, deadline=None)
@given(truth=POINTS, estimates=POINTS, c=st.floats(0.5, 30.0), p=st.sampled_from([1.0, 2.0, 3.0]))
def test_the_total_is_the_least_over_all_partial_assignments(truth: Any, estimates: Any, c: float, p: float) -> None:
    least = math.inf
    for size in range(min(len(truth), len(estimates)) + 1):
        for targets in combinations(truth, size):
            for taken in permutations(estimates, size):
                near = sum(math.dist(a, b) ** p for a, b in zip(targets, taken, strict=True))
                least = min(least, near + c**p / 2.0 * (len(truth) + len(estimates) - 2 * size))
    found = gospa(points(*truth), points(*estimates), c, p)
    assert found.total == pytest.approx(least ** (1.0 / p), abs=1e-6)
    assert found.total**p == pytest.approx(found.localisation + found.missed + found.false)


@settings(max_examples=100, deadline=None)
@given(first=POINTS, second=POINTS, third=POINTS)
def test_gospa_and_ospa_are_symmetric_and_satisfy_the_triangle_inequality(first: Any, second: Any, third: Any) -> None:
    a, b, c = points(*first), points(*second), points(*third)
    for metric in (_gospa, _ospa):
        assert metric(a, b) == pytest.approx(metric(b, a))
        assert metric(a, c) <= metric(a, b) + metric(b, c) + 1e-9
        assert metric(a, a) == pytest.approx(0.0, abs=1e-9)


def _gospa(first: Points, second: Points) -> float:
    return gospa(first, second, 10.0).total


def _ospa(first: Points, second: Points) -> float:
    return ospa(first, second, 10.0)


@settings(max_examples=100, deadline=None)
@given(truth=POINTS, estimates=POINTS, order=st.randoms(use_true_random=False))
def test_the_order_of_points_does_not_matter(truth: Any, estimates: Any, order: Any) -> None:
    others = order.sample(truth, len(truth)), order.sample(estimates, len(estimates))
    first, second = gospa(points(*truth), points(*estimates), 10.0), gospa(*(points(*one) for one in others), 10.0)
    assert second.total == pytest.approx(first.total)
    assert (second.assigned, second.missed_count, second.false_count) == (
        first.assigned,
        first.missed_count,
        first.false_count,
    )
    assert _ospa(*(points(*one) for one in others)) == pytest.approx(_ospa(points(*truth), points(*estimates)))


def test_pairs_are_rows_of_the_truth_and_of_its_estimates_in_the_order_of_the_truth() -> None:
    found = gospa(points((0, 0), (100, 0), (200, 0)), points((201, 0), (0, 1), (50, 0)), c=10.0)
    assert found.pairs.tolist() == [[0, 1], [2, 0]]
    assert gospa(points(), points((0, 0)), c=10.0).pairs.shape == (0, 2)


@pytest.mark.parametrize("spread_m", [1.0, 200.0, 700.0, 2_000.0, 20_000.0])
@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_assignment_by_clusters_is_optimal(spread_m: float, p: float) -> None:
    rng = np.random.default_rng(7)
    c = 100.0
    for count in (20, 60, 150):
        truth = rng.uniform(-spread_m, spread_m, (count, 2))
        false = rng.uniform(-spread_m, spread_m, (count // 8, 2))
        estimates = np.concatenate([truth[rng.random(count) < 0.9], false])
        estimates += rng.normal(0.0, 20.0, estimates.shape)
        powers = np.minimum(cdist(truth, estimates), c) ** p
        least = powers[linear_sum_assignment(powers)].sum()
        unpaired = abs(len(truth) - len(estimates)) * c**p
        assert gospa(truth, estimates, c, p).total ** p == pytest.approx(least + unpaired / 2.0)
        most = max(len(truth), len(estimates))
        assert ospa(truth, estimates, c, p) ** p == pytest.approx((least + unpaired) / most)


def test_ten_thousand_points_need_no_full_distance_matrix() -> None:
    rng = np.random.default_rng(11)
    truth = rng.uniform(0.0, 220e3, (10_000, 2))
    offset = rng.normal(0.0, 20.0, truth.shape)
    order = rng.permutation(len(truth))
    tracemalloc.start()
    try:
        found = gospa(truth, (truth + offset)[order], 300.0)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 0.1 * 8 * len(truth) ** 2
    assert found.missed_count == found.false_count
    assert found.assigned >= 9_990
    assert found.total <= np.sqrt(np.sum(offset**2))


def test_coincident_points_are_each_assigned_once() -> None:
    found = gospa(np.zeros((30, 2)), np.zeros((20, 2)), 10.0)
    assert (found.localisation, found.assigned, found.missed_count, found.false_count) == (0.0, 20, 10, 0)
    assert len(np.unique(found.pairs[:, 0])) == len(np.unique(found.pairs[:, 1])) == 20


def test_very_large_distances_count_as_missed_and_false() -> None:
    found = gospa(points((0, 0), (1e100, 1e100)), points((1e9, 0), (-1e100, 1e100)), 10.0)
    assert (found.assigned, found.missed_count, found.false_count) == (0, 2, 2)
    assert found.total == pytest.approx(math.sqrt(200.0))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("c", (points((0, 0)), points(), 0.0)),
        ("c", (points((0, 0)), points(), math.nan)),
        ("c", (points((0, 0)), points(), math.inf)),
        ("c", (points((0, 0)), points(), -1.0)),
        ("c", (points((0, 0)), points(), 1e300)),
        ("c", (points((0, 0)), points(), 1e-300)),
        ("p", (points((0, 0)), points(), 1.0, math.nan)),
        ("p", (points((0, 0)), points(), 1.0, 0.5)),
        ("p", (points((0, 0)), points(), 1.0, math.inf)),
        ("truth", (points((math.nan, 0)), points(), 1.0)),
        ("truth", (np.zeros(2), points(), 1.0)),
        ("truth", ([], points(), 1.0)),
        ("truth", (points((1e101, 0)), points(), 1.0)),
        ("truth", (np.zeros((1, 0)), np.zeros((1, 0)), 1.0)),
        ("truth", ([["a", "b"]], points(), 1.0)),
        ("truth", ([[1.0, 2.0], [3.0]], points(), 1.0)),
        ("estimates", (points(), points((math.inf, 0)), 1.0)),
        ("estimates", (points(), np.zeros((1, 3)), 1.0)),
    ],
)
def test_invalid_points_and_parameters_are_refused_by_name(name: str, arguments: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name} "):
        gospa(*arguments)
    with pytest.raises(ValueError, match=rf"^{name} "):
        ospa(*arguments)
