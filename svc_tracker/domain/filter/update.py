"""What detections say of tracks: how far they are from what was expected, and what they make of it.

Components come first, then M modes, then n things: states are (s, M, n), packed covariances (p, M, n). What is done to
`each` thing is elementwise NumPy, and one loop where numba compiles it as it is. BLK is Bar-Shalom, Li and
Kirubarajan, "Estimation with Applications to Tracking and Navigation", 2001.
"""

import numpy as np

from svc_tracker.domain.state.selection import chosen, columns, replace
from svc_tracker.domain.state.types import (
    BEARING,
    LEAST_PIVOT,
    Belief,
    Expected,
    Floats,
    Indices,
    Measurements,
    Packing,
    Pairing,
    each,
)

_TURN = 2.0 * np.pi
_LOG_TURN = float(np.log(2.0 * np.pi))


def correct_all(
    belief: Belief, expected: Expected, measurements: Measurements, pairs: Pairing, packing: Packing
) -> Floats:
    """Correct the beliefs of the pairs' tracks by their detections, in place, and return ln N (q,) over all modes.

    Every mode is corrected, linearised where the mixture's mean is, so that nu_j = nu - H (x_j - x); its probability is
    then as mu_j N(nu_j; S_j) (BLK section 11.6.6).
    """
    rest = with_errors(expected.excess, expected, measurements, pairs)
    H = gradient(expected, measurements, pairs, packing)
    before = chosen(belief, pairs.track)
    nu = innovation(expected, measurements, pairs)
    x, P, likelihood = correct(before, H, of_modes(nu, H, before, expected, pairs.track), rest, packing)
    probability, log_likelihood = weighed(before.probability, likelihood)
    replace(belief, pairs.track, Belief(probability, x, P))
    return log_likelihood


def of_modes(nu: Floats, H: Floats, before: Belief, expected: Expected, track: Indices) -> Floats:
    """Return the innovations (k, M, q) of the modes, of those of the mixtures (k, q)."""
    (k, c, count), modes = H.shape, len(before.probability)
    each_mode = np.empty((k, modes, count))
    for i in range(k):
        for m in each(modes):
            for q in each(count):
                each_mode[i, m, q] = nu[i, q]
        for a in range(c):
            for m in each(modes):
                for q in each(count):
                    each_mode[i, m, q] -= H[i, a, q] * (before.x[a, m, q] - expected.mean[a, track[q]])
    return each_mode


def weighed(probability: Floats, log_likelihood: Floats) -> tuple[Floats, Floats]:
    """Return the modes' probabilities (M, q) after their likelihoods, and ln of the mixture's (q,)."""
    modes, count = probability.shape
    after, most, total = np.empty((modes, count)), log_likelihood[0].copy(), np.zeros(count)
    for m in range(1, modes):
        for q in each(count):
            most[q] = np.maximum(most[q], log_likelihood[m, q])
    for m in range(modes):
        for q in each(count):
            after[m, q] = probability[m, q] * np.exp(log_likelihood[m, q] - most[q])
            total[q] += after[m, q]
    for m in each(modes):
        for q in each(count):
            after[m, q] /= total[q]
    for q in each(count):
        most[q] += np.log(total[q])
    return after, most


def correct(before: Belief, H: Floats, nu: Floats, rest: Floats, packing: Packing) -> tuple[Floats, Floats, Floats]:
    """Return states and covariances (., M, q) after one measurement each, in place, and ln N(nu; S) (M, q) of it.

    The innovations nu (k, M, q) are those of the modes, H (k, c, q) and rest (k, k, q), what is in S besides H P H^T,
    are common to them. x' = x + P H^T S^-1 nu, P' = P - P H^T S^-1 H P (BLK section 5.2.3); with S = L L^T, y = L^-1 nu
    and W = P H^T L^-T that is x + W y and P - W W^T.
    """
    (size, modes, count), k = before.x.shape, len(nu)
    together = modes * count
    W = cross_covariance(before.P, H, packing)
    S = innovation_covariance(W, H, rest).reshape((k, k, together))
    L, y, distance, determinant = whiten(S, nu.reshape((k, together)))
    W = W.reshape((k, size, together))
    x, P = before.x.reshape((size, together)), before.P.reshape((len(before.P), together))
    for i in range(k):
        for a in range(size):
            for j in range(i):
                for q in each(together):
                    W[i, a, q] -= W[j, a, q] * L[i, j, q]
            for q in each(together):
                W[i, a, q] /= L[i, i, q]
                x[a, q] += W[i, a, q] * y[i, q]
        for e in range(len(P)):
            a, b = packing.row[e], packing.column[e]
            for q in each(together):
                P[e, q] -= W[i, a, q] * W[i, b, q]
    for q in each(together):
        distance[q] = -0.5 * (distance[q] + np.log(determinant[q]) + k * _LOG_TURN)
    return x.reshape(before.x.shape), P.reshape(before.P.shape), distance.reshape((modes, count))


def innovation_covariance(W: Floats, H: Floats, rest: Floats) -> Floats:
    """Return S = H P H^T + rest (k, k, M, q), the lower triangle alone, of W = P H^T (k, s, M, q)."""
    (k, c, count), modes = H.shape, W.shape[2]
    S = np.zeros((k, k, modes, count))
    for i in range(k):
        for j in range(i + 1):
            for b in range(c):
                for m in each(modes):
                    for q in each(count):
                        S[i, j, m, q] += W[i, b, m, q] * H[j, b, q]
        for m in each(modes):
            for q in each(count):
                # A measurement sharper than that would leave nothing but rounding errors in the covariance.
                S[i, i, m, q] += np.maximum(rest[i, i, q], LEAST_PIVOT * S[i, i, m, q])
                for j in range(i):
                    S[i, j, m, q] += rest[i, j, q]
    return S


def cross_covariance(P: Floats, H: Floats, packing: Packing) -> Floats:
    """Return P H^T (k, s, M, q) of packed covariances (p, M, q) and rows (k, c, q)."""
    (k, c, count), modes, size = H.shape, P.shape[1], len(packing.place)
    W = np.zeros((k, size, modes, count))
    for i in range(k):
        for a in range(size):
            for b in range(c):
                e = packing.place[a, b]
                for m in each(modes):
                    for q in each(count):
                        W[i, a, m, q] += P[e, m, q] * H[i, b, q]
    return W


def inside(
    expected: Expected, measurements: Measurements, track: Indices, detection: Indices, bound: float
) -> tuple[Indices, Floats, Floats]:
    """Return which of the pairs (q,) have d = nu^T S^-1 nu <= bound, and d and ln N(nu; S) of these."""
    pairs = Pairing(track, detection)
    nu = innovation(expected, measurements, pairs)
    S = with_errors(expected.S, expected, measurements, pairs)
    if len(measurements.time_offset_s) > 0:
        add_drift(S, expected, measurements, pairs)
    _, _, distance, determinant = whiten(S, nu)
    which = np.flatnonzero(distance <= bound)
    log_likelihood, d = np.empty(len(which)), np.empty(len(which))
    for q in each(len(which)):
        d[q] = distance[which[q]]
        log_likelihood[q] = -0.5 * (d[q] + np.log(determinant[which[q]]) + len(nu) * _LOG_TURN)
    return which, d, log_likelihood


def whiten(S: Floats, nu: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return L (k, k, n), y (k, n), nu^T S^-1 nu and |S| (n,) of S (k, k, n), its lower triangle, and nu (k, n).

    By Cholesky: S = L L^T, L y = nu, so that the third is y^T y (Golub and Van Loan, "Matrix Computations", 4.2). No
    pivot is less than what rounding errors may be: what is known better than that is known well enough.
    """
    (k, count), L, y = nu.shape, S.copy(), nu.copy()
    distance, determinant = np.zeros(count), np.ones(count)
    for i in range(k):
        for j in range(i):
            for e in range(j):
                for n in each(count):
                    L[i, j, n] -= L[i, e, n] * L[j, e, n]
            for n in each(count):
                L[i, j, n] /= L[j, j, n]
                L[i, i, n] -= L[i, j, n] ** 2
                y[i, n] -= L[i, j, n] * y[j, n]
        for n in each(count):
            pivot = np.maximum(L[i, i, n], LEAST_PIVOT * S[i, i, n])
            L[i, i, n] = np.sqrt(pivot)
            y[i, n] /= L[i, i, n]
            distance[n] += y[i, n] ** 2
            determinant[n] *= pivot
    return L, y, distance, determinant


def innovation(expected: Expected, measurements: Measurements, pairs: Pairing) -> Floats:
    """Return how the detections differ from what was expected of the tracks, nu (k, q) in the innovation's units."""
    (k, _), (track, detection), timed = expected.z.shape, pairs, len(measurements.time_offset_s) > 0
    nu = np.empty((k, len(track)))
    for i in range(k):
        for q in each(len(track)):
            nu[i, q] = measurements.z[i, detection[q]] - expected.z[i, track[q]]
            if i == BEARING:
                # The shorter way round.
                nu[i, q] -= _TURN * np.rint(nu[i, q] / _TURN)
            nu[i, q] *= expected.scale[i, track[q]]
            if timed:
                nu[i, q] -= expected.drift[i, track[q]] * measurements.time_offset_s[detection[q]]
    return nu


def with_errors(of: Floats, expected: Expected, measurements: Measurements, pairs: Pairing) -> Floats:
    """Return covariances (k, k, q) of the pairs: the tracks' (k, k, n) and those of the detections' errors."""
    (track, detection), covariance = pairs, columns(of, pairs.track)
    for i in range(len(of)):
        for q in each(len(track)):
            covariance[i, i, q] += measurements.variance[i, detection[q]] * expected.scale[i, track[q]] ** 2
    return covariance


def add_drift(covariance: Floats, expected: Expected, measurements: Measurements, pairs: Pairing) -> None:
    """Add to the pairs' covariances (k, k, q) what the time from the detection to the frame's makes uncertain."""
    track, detection = pairs
    for i in range(len(covariance)):
        for j in range(len(covariance)):
            for q in each(len(track)):
                tau = measurements.time_offset_s[detection[q]]
                covariance[i, j, q] += expected.drift_with_z[i, j, track[q]] * tau
                covariance[i, j, q] += expected.drift_with_drift[i, j, track[q]] * tau**2


def gradient(expected: Expected, measurements: Measurements, pairs: Pairing, packing: Packing) -> Floats:
    """Return H (k, c, q) of the pairs: a detection before the frame's time is of where the track was then."""
    H = columns(expected.H, pairs.track)
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
