"""NEES, NIS and their mean agree with their definitions, and their bounds with the chi-squared distribution."""

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2

from evaluation.consistency import anees, band, nees, nis

TWO = np.eye(2)[:, :, None]


def drawn(seed: int, k: int, n: int) -> tuple[Any, Any]:
    """Errors (k, n) drawn from covariances (k, k, n) whose parts differ in size by powers of ten."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(n, k, k)) * np.logspace(0, 4, k)[:, None]
    covariance = np.moveaxis(root @ np.swapaxes(root, 1, 2), 0, -1)
    return (root @ rng.normal(size=(n, k, 1)))[..., 0].T, covariance


def test_in_one_dimension_nees_is_the_square_over_the_variance() -> None:
    assert nees([[3.0, -1.0]], [[[9.0, 4.0]]]).tolist() == [1.0, 0.25]


def test_nees_is_the_quadratic_form_of_the_inverse() -> None:
    error, covariance = drawn(1, 4, 50)
    expected = [error[:, n] @ np.linalg.inv(covariance[:, :, n]) @ error[:, n] for n in range(50)]
    assert nees(error, covariance) == pytest.approx(expected, rel=1e-6)
    assert nis(error, covariance).tolist() == nees(error, covariance).tolist()


def test_no_samples_give_no_values() -> None:
    assert nees(np.zeros((2, 0)), np.zeros((2, 2, 0))).shape == (0,)


@pytest.mark.parametrize("dof", [1, 2, 6])
def test_consistent_errors_are_within_the_bounds_and_larger_ones_above(dof: int) -> None:
    error, covariance = drawn(3, dof, 2_000)
    found = anees(nees(error, covariance), dof)
    assert found.samples == 2_000
    assert found.low < 1.0 < found.high
    assert found.consistent
    larger = anees(nees(1.2 * error, covariance), dof)
    assert larger.mean_per_dof == pytest.approx(1.44 * found.mean_per_dof)
    assert not larger.consistent
    assert not anees(nees(0.8 * error, covariance), dof).consistent


def test_the_bounds_for_fifty_runs_and_two_degrees_are_those_of_the_textbook() -> None:
    # Of 50 runs and 2 degrees, the mean lies in [1.5, 2.6] (Bar-Shalom, Li and Kirubarajan 2001, section 5.4.2).
    low, high = band(2, 50)
    assert (2 * low, 2 * high) == pytest.approx((1.484, 2.591), abs=1e-3)


@pytest.mark.parametrize(("dof", "samples", "probability"), [(1, 1, 0.95), (6, 1, 0.99), (3, 10_000_000, 0.5)])
def test_the_bounds_leave_equal_tails(dof: int, samples: int, probability: float) -> None:
    low, high = band(dof, samples, probability)
    tail = (1.0 - probability) / 2.0
    total = chi2(dof * samples)
    assert total.cdf(low * dof * samples) == pytest.approx(tail, rel=1e-6)
    assert total.sf(high * dof * samples) == pytest.approx(tail, rel=1e-6)


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_the_bounds_hold_with_their_probability(share: float) -> None:
    rng = np.random.default_rng(5)
    held = [anees(chi2.rvs(4, size=30, random_state=rng), 4, share).consistent for _ in range(2_000)]
    assert np.mean(held) == pytest.approx(share, abs=4.0 * math.sqrt(share * (1.0 - share) / 2_000))


@pytest.mark.parametrize(
    ("name", "error", "covariance"),
    [
        ("error", [1.0, 2.0], TWO),
        ("error", np.zeros((0, 1)), np.zeros((0, 0, 1))),
        ("error", [[math.nan], [0.0]], TWO),
        ("error", [["a"], ["b"]], TWO),
        ("error", [[1e101], [0.0]], TWO),
        ("error", [[1e100], [0.0]], 1e-200 * TWO),
        ("covariance", [[1.0], [2.0]], np.eye(2)),
        ("covariance", [[1.0], [2.0]], np.eye(3)[:, :, None]),
        ("covariance", [[1.0], [2.0]], np.full((2, 2, 1), math.inf)),
        ("covariance", [[1.0], [2.0]], -TWO),
        ("covariance", [[1.0], [2.0]], np.zeros((2, 2, 1))),
        ("covariance", [[1.0], [2.0]], np.ones((2, 2, 1))),
        ("covariance", [[1.0], [2.0]], np.array([[1.0, 2.0], [2.0, 1.0]])[:, :, None]),
        ("covariance", [[1.0], [2.0]], np.array([[1.0, 0.5], [0.0, 1.0]])[:, :, None]),
    ],
)
def test_invalid_errors_or_covariances_are_refused_by_name(name: str, error: Any, covariance: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name} "):
        nees(error, covariance)
    with pytest.raises(ValueError, match=rf"^{name.replace('error', 'innovation')} "):
        nis(error, covariance)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("values", ([], 2)),
        ("values", ([[1.0]], 2)),
        ("values", ([-1.0], 2)),
        ("values", ([math.inf], 2)),
        ("dof", ([1.0], 0)),
        ("dof", ([1.0], 1.5)),
        ("dof", ([1.0], True)),
        ("probability", ([1.0], 2, 1.0)),
        ("probability", ([1.0], 2, math.nan)),
    ],
)
def test_invalid_nees_values_are_refused_by_name(name: str, arguments: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name} "):
        anees(*arguments)


def test_bounds_of_no_samples_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^samples "):
        band(2, 0)
