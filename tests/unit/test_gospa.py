"""GOSPA and OSPA agree with their definitions, by hand and by trying every assignment."""

import math
from itertools import combinations, permutations
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svc_tracker.domain import gospa, ospa

Points = npt.NDArray[np.float64]


def points(*rows: Any) -> Points:
    return np.array(rows, dtype=np.float64).reshape(-1, 2)


def test_nothing_against_nothing_is_no_error() -> None:
    assert gospa(points(), points(), c=10.0).total == 0.0
    assert ospa(points(), points(), c=10.0) == 0.0


def test_the_parts_are_sums_of_powers_and_add_up_to_the_total() -> None:
    found = gospa(points((0, 0), (100, 0), (200, 0)), points((3, 4), (100, 1)), c=10.0, p=2.0)
    assert found.localisation == pytest.approx(25.0 + 1.0)
    assert found.missed == pytest.approx(50.0)
    assert found.false == 0.0
    assert (found.assigned, found.missed_count, found.false_count) == (2, 1, 0)
    assert found.total == pytest.approx(math.sqrt(76.0))


def test_an_estimate_as_far_as_the_cut_off_is_one_missed_and_one_false() -> None:
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
        for things in combinations(truth, size):
            for taken in permutations(estimates, size):
                near = sum(math.dist(a, b) ** p for a, b in zip(things, taken, strict=True))
                least = min(least, near + c**p / 2.0 * (len(truth) + len(estimates) - 2 * size))
    found = gospa(points(*truth), points(*estimates), c, p)
    assert found.total == pytest.approx(least ** (1.0 / p), abs=1e-6)
    assert found.total**p == pytest.approx(found.localisation + found.missed + found.false)


@settings(max_examples=100, deadline=None)
@given(first=POINTS, second=POINTS, third=POINTS)
def test_both_are_metrics_symmetric_and_with_the_triangle_inequality(first: Any, second: Any, third: Any) -> None:
    a, b, c = points(*first), points(*second), points(*third)
    for metric in (_gospa, _ospa):
        assert metric(a, b) == pytest.approx(metric(b, a))
        assert metric(a, c) <= metric(a, b) + metric(b, c) + 1e-9
        assert metric(a, a) == pytest.approx(0.0, abs=1e-9)


def _gospa(first: Points, second: Points) -> float:
    return gospa(first, second, 10.0).total


def _ospa(first: Points, second: Points) -> float:
    return ospa(first, second, 10.0)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("c", (points((0, 0)), points(), 0.0)),
        ("c", (points((0, 0)), points(), math.nan)),
        ("c", (points((0, 0)), points(), math.inf)),
        ("p", (points((0, 0)), points(), 1.0, 0.5)),
        ("p", (points((0, 0)), points(), 1.0, math.inf)),
        ("truth", (points((math.nan, 0)), points(), 1.0)),
        ("truth", (np.zeros(2), points(), 1.0)),
        ("estimates", (points(), points((math.inf, 0)), 1.0)),
        ("estimates", (points(), np.zeros((1, 3)), 1.0)),
    ],
)
def test_what_has_no_distance_is_refused_by_its_name(name: str, arguments: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name} "):
        gospa(*arguments)
    with pytest.raises(ValueError, match=rf"^{name} "):
        ospa(*arguments)
