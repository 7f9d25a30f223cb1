"""What detections say of tracks: how far they are from what was expected, and what they make of it.

Components come first, then M modes, then n things: states are (s, M, n), packed covariances (p, M, n). Loops are over
components and modes, never over things: elementwise NumPy, which numba compiles as it is. BLK is Bar-Shalom, Li and
Kirubarajan, "Estimation with Applications to Tracking and Navigation", 2001.
"""

import numpy as np

from svc_tracker.domain.arrays import Floats, Indices
from svc_tracker.domain.layout import BEARING, LEAST_PIVOT, Belief, Expected, Measurements, Packing, Pairing

_TURN = 2.0 * np.pi
_LOG_TURN = float(np.log(2.0 * np.pi))


def corrected(
    belief: Belief, expected: Expected, measurements: Measurements, pairs: Pairing, packing: Packing
) -> tuple[Belief, Floats]:
    """Return the beliefs (q) of the pairs' tracks after their detections, and ln N of each over all modes.

    Every mode is corrected, linearised where the mixture's mean is, so that nu_j = nu - H (x_j - x); its probability is
    then as mu_j N(nu_j; S_j) (BLK section 11.6.6).
    """
    nu, _, rest = innovations(expected, measurements, pairs.track, pairs.detection)
    H = gradient(expected, measurements, pairs, packing)
    track = pairs.track
    before = Belief(belief.probability[:, track], belief.x[:, :, track], belief.P[:, :, track])
    mean = expected.mean[:, track]
    of_modes = np.empty((len(nu), *before.x.shape[1:]))
    for i in range(len(nu)):
        of_modes[i] = nu[i]
        for a in range(H.shape[1]):
            of_modes[i] -= H[i, a] * (before.x[a] - mean[a])
    x, P, log_likelihood = correct(before, H, of_modes, rest, packing)
    most = log_likelihood[0].copy()
    for m in range(1, len(log_likelihood)):
        most = np.maximum(most, log_likelihood[m])
    probability = before.probability * np.exp(log_likelihood - most)
    total = probability.sum(axis=0)
    probability /= total
    return Belief(probability, x, P), most + np.log(total)


def correct(before: Belief, H: Floats, nu: Floats, rest: Floats, packing: Packing) -> tuple[Floats, Floats, Floats]:
    """Return states and covariances (., M, q) after one measurement each, and ln N(nu; S) (M, q) of it.

    The innovations nu (k, M, q) are those of the modes, H (k, c, q) and rest (k, k, q), what is in S besides H P H^T,
    are common to them. x' = x + P H^T S^-1 nu, P' = P - P H^T S^-1 H P (BLK section 5.2.3); with S = L L^T, y = L^-1 nu
    and W = P H^T L^-T that is x + W y and P - W W^T.
    """
    x, P, (k, c, _) = before.x, before.P, H.shape
    W = cross_covariance(P, H, packing)
    L, y = np.empty((k, k, *x.shape[1:])), np.empty_like(nu)
    later_x, later_P = x.copy(), P.copy()
    log_likelihood = np.full_like(x[0], -0.5 * k * _LOG_TURN)
    for i in range(k):
        for j in range(i + 1):
            L[i, j] = W[i, 0] * H[j, 0]
            for b in range(1, c):
                L[i, j] += W[i, b] * H[j, b]
        # A measurement sharper than that would leave nothing but rounding errors in the covariance.
        least, y[i] = LEAST_PIVOT * L[i, i], nu[i]
        L[i, i] += np.maximum(rest[i, i], least)
        for j in range(i):
            L[i, j] += rest[i, j]
        for j in range(i):
            for m in range(j):
                L[i, j] -= L[i, m] * L[j, m]
            L[i, j] /= L[j, j]
            L[i, i] -= L[i, j] ** 2
            y[i] -= L[i, j] * y[j]
        for j in range(i):
            for a in range(len(x)):
                W[i, a] -= W[j, a] * L[i, j]
        pivot = np.maximum(L[i, i], least)
        L[i, i] = np.sqrt(pivot)
        y[i] /= L[i, i]
        log_likelihood -= 0.5 * (y[i] ** 2 + np.log(pivot))
        for a in range(len(x)):
            W[i, a] /= L[i, i]
            later_x[a] += W[i, a] * y[i]
        for e in range(len(P)):
            later_P[e] -= W[i, packing.row[e]] * W[i, packing.column[e]]
    return later_x, later_P, log_likelihood


def cross_covariance(P: Floats, H: Floats, packing: Packing) -> Floats:
    """Return P H^T (k, s, M, q) of packed covariances (p, M, q) and rows (k, c, q)."""
    k, c, _ = H.shape
    size = len(packing.place)
    W = np.empty((k, size, *P.shape[1:]))
    for i in range(k):
        for a in range(size):
            W[i, a] = P[packing.place[a, 0]] * H[i, 0]
            for b in range(1, c):
                W[i, a] += P[packing.place[a, b]] * H[i, b]
    return W


def inside(
    expected: Expected, measurements: Measurements, track: Indices, detection: Indices, bound: float
) -> tuple[Indices, Floats, Floats]:
    """Return which of the pairs (q,) have d = nu^T S^-1 nu <= bound, and d and ln N(nu; S) of these."""
    nu, S, _ = innovations(expected, measurements, track, detection)
    distance, log_determinant = whiten(S, nu)
    which = np.flatnonzero(distance <= bound)
    d = distance[which]
    return which, d, -0.5 * (d + log_determinant[which] + len(nu) * _LOG_TURN)


def whiten(S: Floats, nu: Floats) -> tuple[Floats, Floats]:
    """Return nu^T S^-1 nu and ln |S| (n,) of S (k, k, n), of which the lower triangle is read, and nu (k, n).

    By Cholesky: S = L L^T, L y = nu, so that the former is y^T y (Golub and Van Loan, "Matrix Computations", 4.2).
    """
    L, y = np.empty_like(S), np.empty_like(nu)
    distance, determinant = np.zeros_like(nu[0]), np.ones_like(nu[0])
    for i in range(len(nu)):
        pivot, rest = S[i, i].copy(), nu[i].copy()
        for j in range(i):
            known = S[i, j].copy()
            for m in range(j):
                known -= L[i, m] * L[j, m]
            L[i, j] = known / L[j, j]
            pivot -= L[i, j] ** 2
            rest -= L[i, j] * y[j]
        pivot = np.maximum(pivot, LEAST_PIVOT * S[i, i])
        L[i, i] = np.sqrt(pivot)
        y[i] = rest / L[i, i]
        distance += y[i] ** 2
        determinant *= pivot
    return distance, np.log(determinant)


def innovations(
    expected: Expected, measurements: Measurements, track: Indices, detection: Indices
) -> tuple[Floats, Floats, Floats]:
    """Return how the detections (q,) differ from what was expected of the tracks (q,), in the innovation's units.

    That is nu (k, q), its covariance S (k, k, q), and what of S is not the track's own uncertainty (k, k, q).
    """
    scale = expected.scale[:, track]
    nu = measurements.z[:, detection] - expected.z[:, track]
    # The shorter way round.
    nu[BEARING] -= _TURN * np.rint(nu[BEARING] / _TURN)
    nu *= scale
    S, rest = expected.S[:, :, track], expected.excess[:, :, track]
    if len(measurements.time_offset_s) > 0:
        tau = measurements.time_offset_s[detection]
        nu -= expected.drift[:, track] * tau
        S += expected.drift_with_z[:, :, track] * tau + expected.drift_with_drift[:, :, track] * tau**2
    for i in range(len(nu)):
        error = measurements.variance[i][detection] * scale[i] ** 2
        S[i, i] += error
        rest[i, i] += error
    return nu, S, rest


def gradient(expected: Expected, measurements: Measurements, pairs: Pairing, packing: Packing) -> Floats:
    """Return H (k, c, q) of the pairs: a detection before the frame's time is of where the track was then."""
    H = expected.H[:, :, pairs.track]
    if len(measurements.time_offset_s) == 0:
        return H
    tau, axes = measurements.time_offset_s[pairs.detection], packing.place.shape[0] // 2
    wider = np.zeros((len(H), 2 * axes, len(tau)))
    wider[:, : H.shape[1]] = H
    for i in range(len(H)):
        for a in range(axes):
            wider[i, axes + a] += H[i, a] * tau
    if measurements.radial_velocity:
        # With the line of sight turns that of a radial velocity, too.
        for a in range(axes):
            wider[-1, axes + a] += H[-1, a] * tau
    return wider
