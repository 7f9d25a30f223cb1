"""A nearly-constant-acceleration Kalman filter and a backward pass, over many independent series at once."""
# ruff: noqa: N803, N806 - the formulas' symbols

from dataclasses import dataclass

import numpy as np

from evaluation.recordings.reading.values import Floats

GATE_SIGMAS = 5.0
VELOCITY_SIGMA_MPS = 3.0
FIRST_ACCELERATION_SIGMA_MPS2 = 2.0
UNKNOWN_VELOCITY_SIGMA_MPS = 300.0
STEP_S = 1.0


@dataclass(frozen=True, slots=True)
class Series:
    """Measurements of b coordinates at n steps of a second, NaN where there is none; the first position is present.

    `position_m` and `velocity_mps` are (n, b). `steps` (b,) is the number of steps of each coordinate, the rest of the
    n being padding; `spectral_density_m2ps5` and `position_sigma_m` (b,) are its noises.
    """

    position_m: Floats
    velocity_mps: Floats
    steps: np.ndarray[tuple[int], np.dtype[np.int64]]
    spectral_density_m2ps5: Floats
    position_sigma_m: Floats


@dataclass(frozen=True, slots=True)
class Smoothed:
    """Position and velocity (n, b), meaningless in the padding, and the number of positions the gate refused (b,)."""

    position_m: Floats
    velocity_mps: Floats
    gated: np.ndarray[tuple[int], np.dtype[np.int64]]


def smooth(series: Series) -> Smoothed:
    """Return the fixed-interval smoothed state of each coordinate.

    The state is (position, velocity, acceleration), driven by white jerk (Bar-Shalom, Li and Kirubarajan, Estimation
    with Applications to Tracking and Navigation, 2001, sec. 6.2.3). Backwards (ibid., sec. 8.6.2; Rauch, Tung and
    Striebel, "Maximum likelihood estimates of linear dynamic systems", AIAA Journal 3(8), 1965), with k|k the filtered
    and k+1|k the predicted moments:

        G = P(k|k) F' P(k+1|k)^-1,  x(k|n) = x(k|k) + G (x(k+1|n) - x(k+1|k))
    """
    F, Q = _model(series.spectral_density_m2ps5)
    filtered, predicted, P, P_predicted, gated = _filter(series, F, Q)
    # G' solves P(k+1|k) G' = F P(k|k), for both covariances are symmetric.
    G_T = np.linalg.solve(P_predicted[1:], F @ P[:-1])
    last = series.steps - 1
    smoothed = filtered.copy()
    for k in range(len(filtered) - 2, -1, -1):
        correction = np.einsum("bji,bj->bi", G_T[k], smoothed[k + 1] - predicted[k + 1])
        smoothed[k] += np.where((k < last)[:, None], correction, 0.0)
    return Smoothed(smoothed[..., 0], smoothed[..., 1], gated)


def _model(q: Floats) -> tuple[Floats, Floats]:
    """Return F (3, 3) and Q (b, 3, 3) of a step T, for spectral densities q (b,).

    F = [1 T T^2/2; 0 1 T; 0 0 1],  Q = q [T^5/20 T^4/8 T^3/6; T^4/8 T^3/3 T^2/2; T^3/6 T^2/2 T]
    """
    T = STEP_S
    F = np.array([[1.0, T, T**2 / 2.0], [0.0, 1.0, T], [0.0, 0.0, 1.0]])
    unit = np.array(
        [[T**5 / 20.0, T**4 / 8.0, T**3 / 6.0], [T**4 / 8.0, T**3 / 3.0, T**2 / 2.0], [T**3 / 6.0, T**2 / 2.0, T]]
    )
    return F, q[:, None, None] * unit


def _filter(
    series: Series,
    F: Floats,
    Q: Floats,
) -> tuple[Floats, Floats, Floats, Floats, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Run the filter; return filtered and predicted means (n, b, 3), their covariances (n, b, 3, 3), and refusals (b,).

    The first row is both the prior and a measurement: it counts twice. Only positions pass a gate: a wrong one is off
    by kilometres, whereas a velocity that disagrees is the first sign of a turn.
    """
    n, b = series.position_m.shape
    x, P = _prior(series)
    means, covariances = np.empty((n, b, 3)), np.empty((n, b, 3, 3))
    predicted_means, predicted_covariances = np.empty((n, b, 3)), np.empty((n, b, 3, 3))
    gated = np.zeros(b, dtype=np.int64)
    position_variance = series.position_sigma_m**2
    velocity_variance = np.full(b, VELOCITY_SIGMA_MPS**2)
    for k in range(n):
        if k > 0:
            # In the padding the state is constant: covariances that kept growing would become singular.
            runs = (k < series.steps)[:, None]
            x, P = np.where(runs, x @ F.T, x), np.where(runs[:, None], F @ P @ F.T + Q, P)
        predicted_means[k], predicted_covariances[k] = x, P
        measured = np.isfinite(series.position_m[k])
        innovation = series.position_m[k] - x[:, 0]
        passed = measured & (innovation**2 <= GATE_SIGMAS**2 * (P[:, 0, 0] + position_variance))
        gated += measured & ~passed
        x, P = _update(x, P, 0, np.where(passed, innovation, np.nan), position_variance)
        x, P = _update(x, P, 1, series.velocity_mps[k] - x[:, 1], velocity_variance)
        means[k], covariances[k] = x, P
    return means, predicted_means, covariances, predicted_covariances, gated


def _prior(series: Series) -> tuple[Floats, Floats]:
    """Return mean (b, 3) and covariance (b, 3, 3) of the state before the first measurement."""
    b = series.position_m.shape[1]
    velocity = series.velocity_mps[0]
    x, P = np.zeros((b, 3)), np.zeros((b, 3, 3))
    x[:, 0], x[:, 1] = series.position_m[0], np.nan_to_num(velocity)
    P[:, 0, 0] = series.position_sigma_m**2
    P[:, 1, 1] = np.where(np.isnan(velocity), UNKNOWN_VELOCITY_SIGMA_MPS, VELOCITY_SIGMA_MPS) ** 2
    P[:, 2, 2] = FIRST_ACCELERATION_SIGMA_MPS2**2
    return x, P


def _update(x: Floats, P: Floats, i: int, innovation: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Update with a measurement of the state's component i, where the innovation (b,) is not NaN.

    With H the unit row i (Bar-Shalom et al., sec. 5.2.3):  S = H P H' + R,  K = P H' / S,  x + K y,  P - K S K'
    """
    S = P[:, i, i] + variance
    taken = np.isfinite(innovation)
    K = np.where(taken[:, None], P[:, :, i] / S[:, None], 0.0)
    x = x + K * np.where(taken, innovation, 0.0)[:, None]
    return x, P - S[:, None, None] * K[:, :, None] * K[:, None, :]
