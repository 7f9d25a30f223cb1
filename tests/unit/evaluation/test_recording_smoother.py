import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.recordings.smoother import Series, Smoothed, smooth

Floats = npt.NDArray[np.float64]

Q, POSITION_SIGMA_M, VELOCITY_SIGMA_MPS, FIRST_SIGMA_MPS2 = 1.0, 60.0, 3.0, 2.0


def run(position_m: Floats, velocity_mps: Floats, steps: list[int] | None = None) -> Smoothed:
    n, b = position_m.shape
    lengths = np.array(steps or [n] * b, dtype=np.int64)
    return smooth(Series(position_m, velocity_mps, lengths, np.full(b, Q), np.full(b, POSITION_SIGMA_M)))


def most_likely(position_m: Floats, velocity_mps: Floats) -> Floats:
    """Return the states (n, 3) of greatest posterior density: one dense least-squares solution of the whole model."""
    n = len(position_m)
    F = np.array([[1.0, 1.0, 0.5], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0]])  # noqa: N806
    noise = Q * np.array([[1 / 20, 1 / 8, 1 / 6], [1 / 8, 1 / 3, 1 / 2], [1 / 6, 1 / 2, 1.0]])
    whiten = np.linalg.inv(np.linalg.cholesky(noise))
    rows: list[Floats] = []
    values: list[float] = []

    def equation(parts: dict[int, Floats], value: float, sigma: float) -> None:
        row = np.zeros(3 * n)
        for k, part in parts.items():
            row[3 * k : 3 * k + 3] = part
        rows.append(row / sigma)
        values.append(value / sigma)

    axes = np.eye(3)
    equation({0: axes[0]}, float(position_m[0]), POSITION_SIGMA_M)
    equation({0: axes[1]}, float(velocity_mps[0]), VELOCITY_SIGMA_MPS)
    equation({0: axes[2]}, 0.0, FIRST_SIGMA_MPS2)
    for k in range(n):
        if np.isfinite(position_m[k]):
            equation({k: axes[0]}, float(position_m[k]), POSITION_SIGMA_M)
        if np.isfinite(velocity_mps[k]):
            equation({k: axes[1]}, float(velocity_mps[k]), VELOCITY_SIGMA_MPS)
        if k:
            for part, previous in zip(whiten, whiten @ F, strict=True):
                equation({k: part, k - 1: -previous}, 0.0, 1.0)
    solution: Floats = np.linalg.lstsq(np.array(rows), np.array(values))[0]
    return solution.reshape(n, 3)


@pytest.mark.parametrize("seed", range(3))
def test_the_smoothed_states_are_the_most_likely_ones_of_the_whole_model(seed: int) -> None:
    rng = np.random.default_rng(seed)
    t_s = np.arange(40.0)
    position_m = 500.0 + 80.0 * t_s + 0.5 * t_s**2 + rng.normal(0.0, 40.0, 40)
    velocity_mps = 80.0 + t_s + rng.normal(0.0, 3.0, 40)
    position_m[1:][rng.random(39) < 0.4] = np.nan
    velocity_mps[1:][rng.random(39) < 0.3] = np.nan
    smoothed = run(position_m[:, None], velocity_mps[:, None])
    expected = most_likely(position_m, velocity_mps)
    assert smoothed.gated.tolist() == [0]
    np.testing.assert_allclose(smoothed.position_m[:, 0], expected[:, 0], atol=1e-4)
    np.testing.assert_allclose(smoothed.velocity_mps[:, 0], expected[:, 1], atol=1e-4)


def test_series_of_different_lengths_do_not_touch_each_other() -> None:
    rng = np.random.default_rng(7)
    position_m: Floats = np.cumsum(rng.normal(100.0, 5.0, (30, 2)), axis=0)
    velocity_mps = rng.normal(100.0, 3.0, (30, 2))
    alone = run(position_m[:20, 1:], velocity_mps[:20, 1:])
    position_m[20:, 1] = velocity_mps[20:, 1] = np.nan
    together = run(position_m, velocity_mps, [30, 20])
    np.testing.assert_allclose(together.position_m[:20, 1], alone.position_m[:, 0], atol=1e-6)
    np.testing.assert_allclose(together.velocity_mps[:20, 1], alone.velocity_mps[:, 0], atol=1e-6)


def test_a_short_series_beside_a_very_long_one_is_not_disturbed_by_its_padding() -> None:
    position_m = np.full((5000, 2), np.nan)
    velocity_mps = np.full((5000, 2), np.nan)
    position_m[:60, 0] = 100.0 * np.arange(60.0)
    position_m[:, 1] = 100.0 * np.arange(5000.0)
    smoothed = run(position_m, velocity_mps, [60, 5000])
    np.testing.assert_allclose(smoothed.position_m[:60, 0], position_m[:60, 0], atol=0.5)


@settings(deadline=None, max_examples=25)
@given(st.floats(-1e6, 1e6), st.floats(-300.0, 300.0), st.integers(2, 80))
def test_exact_measurements_of_a_constant_velocity_come_back_as_they_are(start_m: float, v: float, n: int) -> None:
    position_m: Floats = np.asarray(start_m + v * np.arange(n), dtype=np.float64)[:, None]
    smoothed = run(position_m, np.full((n, 1), v))
    np.testing.assert_allclose(smoothed.position_m, position_m, atol=1e-5)
    np.testing.assert_allclose(smoothed.velocity_mps, v, atol=1e-6)


def test_an_outlier_position_is_rejected_and_counted() -> None:
    position_m = (100.0 * np.arange(60.0))[:, None]
    position_m[30] += 5000.0
    smoothed = run(position_m, np.full((60, 1), 100.0))
    assert smoothed.gated.tolist() == [1]
    np.testing.assert_allclose(smoothed.position_m[:, 0], 100.0 * np.arange(60.0), atol=1e-4)


def test_missing_velocities_are_estimated_from_the_positions() -> None:
    rng = np.random.default_rng(3)
    truth_m = 200.0 * np.arange(120.0)[:, None]
    measured_m: Floats = truth_m + rng.normal(0.0, 20.0, (120, 1))
    smoothed = run(measured_m, np.full((120, 1), np.nan))
    assert np.abs(smoothed.velocity_mps[20:100] - 200.0).max() < 10.0
    assert np.abs(smoothed.position_m - truth_m).max() < POSITION_SIGMA_M


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_smoothing_reduces_the_error(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth_m = 150.0 * np.arange(200.0)[:, None]
    measured_m = truth_m + rng.normal(0.0, POSITION_SIGMA_M, (200, 1))
    smoothed = run(measured_m, 150.0 + rng.normal(0.0, VELOCITY_SIGMA_MPS, (200, 1)))
    rms_m = float(np.sqrt(np.mean((smoothed.position_m - truth_m) ** 2)))
    assert rms_m < 0.5 * POSITION_SIGMA_M
