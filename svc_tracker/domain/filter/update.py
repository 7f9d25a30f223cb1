"""Measurement update: innovations, the Kalman update of every mode, and the mode probabilities.

Arrays have components first, then M modes, then the batch: q pairs of a track and a detection. BLK is Bar-Shalom, Li
and Kirubarajan, "Estimation with Applications to Tracking and Navigation", 2001.
"""

import numpy as np

from svc_tracker.domain.state.linear_algebra import (
    add_product,
    cholesky_whiten,
    cross_covariance,
    innovation_covariance,
    log_gaussian,
    rank_update,
    solve_triangular,
)
from svc_tracker.domain.state.selection import replace, select, select_rows
from svc_tracker.domain.state.types import (
    BEARING,
    Floats,
    Indices,
    Measurements,
    ModeEstimates,
    Packing,
    Pairing,
    PredictedMeasurement,
    batch_axis,
)

_FULL_TURN = 2.0 * np.pi


def update(
    estimates: ModeEstimates,
    predicted: PredictedMeasurement,
    measurements: Measurements,
    pairs: Pairing,
    packing: Packing,
) -> Floats:
    """Update the estimates of the pairs' tracks by their detections, in place; return ln p(z) (q,) of each detection.

    Each mode j is updated with H linearised at the mixture's mean, nu_j = nu - H (x_j - x); then its probability is
    mu_j N(nu_j; 0, S_j) / p(z) (BLK 11.6.6, steps 3 and 4).
    """
    R = add_measurement_noise(predicted.added_covariance, predicted, measurements, pairs)
    H = measurement_gradient(predicted, measurements, pairs, packing)
    prior = select(estimates, pairs.track)
    nu = mode_innovations(innovation(predicted, measurements, pairs), H, prior, predicted, pairs.track)
    x, P, log_likelihood = kalman_update(prior, H, nu, R, packing)
    probability, log_evidence = update_mode_probabilities(prior.probability, log_likelihood)
    replace(estimates, pairs.track, ModeEstimates(probability, x, P))
    return log_evidence


def kalman_update(
    prior: ModeEstimates, H: Floats, nu: Floats, R: Floats, packing: Packing
) -> tuple[Floats, Floats, Floats]:
    """Return the posterior x (s, M, q) and P (p, M, q), in place of the prior's, and ln N(nu; 0, S) (M, q).

    Innovations nu (k, M, q) differ by mode; H (k, c, q) and R (k, k, q) do not. x' = x + P H^T S^-1 nu and
    P' = P - P H^T S^-1 H P (BLK 5.2.3). With S = L L^T and W = P H^T L^-T these are x + W L^-1 nu and P - W W^T.
    """
    (size, modes, count), k = prior.x.shape, len(nu)
    W = cross_covariance(prior.P, H, packing)
    S = innovation_covariance(W, H, R)
    # From here on every mode of every pair is an update of its own.
    batch = modes * count
    W, S, nu = W.reshape((k, size, batch)), S.reshape((k, k, batch)), nu.reshape((k, batch))
    x, P = prior.x.reshape((size, batch)), prior.P.reshape((len(prior.P), batch))
    L, y, distance, determinant = cholesky_whiten(S, nu)
    solve_triangular(W, L)
    add_product(x, W, y)
    rank_update(P, W, packing)
    log_likelihood = log_gaussian(distance, determinant, k)
    return x.reshape(prior.x.shape), P.reshape(prior.P.shape), log_likelihood.reshape((modes, count))


def update_mode_probabilities(probability: Floats, log_likelihood: Floats) -> tuple[Floats, Floats]:
    """Return the posterior mode probabilities mu_j N_j / sum_i mu_i N_i (M, q), and ln of the sum (q,) (BLK 11.6.6).

    The largest ln N is taken out of the exponentials, which cannot overflow then.
    """
    modes, count = probability.shape
    posterior, most, total = np.empty((modes, count)), log_likelihood[0].copy(), np.zeros(count)
    for j in range(1, modes):
        for q in batch_axis(count):
            most[q] = np.maximum(most[q], log_likelihood[j, q])
    for j in range(modes):
        for q in batch_axis(count):
            posterior[j, q] = probability[j, q] * np.exp(log_likelihood[j, q] - most[q])
            total[q] += posterior[j, q]
    for m in batch_axis(modes):
        for q in batch_axis(count):
            posterior[m, q] /= total[q]
    for q in batch_axis(count):
        most[q] += np.log(total[q])
    return posterior, most


def gate_pairs(
    predicted: PredictedMeasurement, measurements: Measurements, track: Indices, detection: Indices, bound: float
) -> tuple[Indices, Floats, Floats]:
    """Return which of the pairs (q,) have d = nu^T S^-1 nu <= bound, and d and ln N(nu; 0, S) of these."""
    pairs = Pairing(track, detection)
    nu = innovation(predicted, measurements, pairs)
    S = add_measurement_noise(predicted.S, predicted, measurements, pairs)
    if len(measurements.time_offset_s) > 0:
        add_rate_covariance(S, predicted, measurements, pairs)
    _, _, distance, determinant = cholesky_whiten(S, nu)
    inside = np.flatnonzero(distance <= bound)
    d = distance[inside]
    return inside, d, log_gaussian(d, determinant[inside], len(nu))


def innovation(predicted: PredictedMeasurement, measurements: Measurements, pairs: Pairing) -> Floats:
    """Return the innovations nu = scale (z - h(x)) (k, q) of the pairs, in m and m/s; bearings the shorter way.

    A detection `tau` seconds off the frame's time is compared with h(x) + tau dz/dt.
    """
    (k, _), (track, detection), timed = predicted.z.shape, pairs, len(measurements.time_offset_s) > 0
    nu = np.empty((k, len(track)))
    for i in range(k):
        for q in batch_axis(len(track)):
            nu[i, q] = measurements.z[i, detection[q]] - predicted.z[i, track[q]]
            if i == BEARING:
                nu[i, q] -= _FULL_TURN * np.rint(nu[i, q] / _FULL_TURN)
            nu[i, q] *= predicted.scale[i, track[q]]
            if timed:
                nu[i, q] -= predicted.z_rate[i, track[q]] * measurements.time_offset_s[detection[q]]
    return nu


def mode_innovations(
    nu: Floats, H: Floats, prior: ModeEstimates, predicted: PredictedMeasurement, track: Indices
) -> Floats:
    """Return nu_j = nu - H (x_j - x) (k, M, q): the innovations of the modes, of those of the mixture (k, q)."""
    (k, c, count), modes = H.shape, len(prior.probability)
    nu_modes = np.empty((k, modes, count))
    for i in range(k):
        for m in batch_axis(modes):
            for q in batch_axis(count):
                nu_modes[i, m, q] = nu[i, q]
        for a in range(c):
            for m in batch_axis(modes):
                for q in batch_axis(count):
                    nu_modes[i, m, q] -= H[i, a, q] * (prior.x[a, m, q] - predicted.mean[a, track[q]])
    return nu_modes


def add_measurement_noise(
    covariance: Floats, predicted: PredictedMeasurement, measurements: Measurements, pairs: Pairing
) -> Floats:
    """Return covariances (k, k, q) of the pairs: those of the tracks (k, k, n) plus the detections' error variances."""
    (track, detection), noisy = pairs, select_rows(covariance, pairs.track)
    for i in range(len(covariance)):
        for q in batch_axis(len(track)):
            noisy[i, i, q] += measurements.variance[i, detection[q]] * predicted.scale[i, track[q]] ** 2
    return noisy


def add_rate_covariance(S: Floats, predicted: PredictedMeasurement, measurements: Measurements, pairs: Pairing) -> None:
    """Add to S (k, k, q), in place, the uncertainty of the time from the detection to the frame, tau.

    cov(z + tau dz/dt) = S + tau cov(z, dz/dt) + tau^2 cov(dz/dt).
    """
    track, detection = pairs
    for i in range(len(S)):
        for j in range(len(S)):
            for q in batch_axis(len(track)):
                tau = measurements.time_offset_s[detection[q]]
                S[i, j, q] += predicted.z_rate_cross_covariance[i, j, track[q]] * tau
                S[i, j, q] += predicted.z_rate_covariance[i, j, track[q]] * tau**2


def measurement_gradient(
    predicted: PredictedMeasurement, measurements: Measurements, pairs: Pairing, packing: Packing
) -> Floats:
    """Return H (k, c, q) of the pairs; of a detection tau seconds off the frame's time, H x is h at that time.

    The gradient in velocity gets tau H_position; that of a radial velocity twice, as its line of sight turns too.
    """
    H = select_rows(predicted.H, pairs.track)
    if len(measurements.time_offset_s) == 0:
        return H
    tau, axes = measurements.time_offset_s[pairs.detection], len(packing.element) // 2
    wide = np.zeros((len(H), 2 * axes, len(tau)))
    wide[:, : H.shape[1]] = H
    for i in range(len(H)):
        for a in range(axes):
            wide[i, axes + a] += H[i, a] * tau
    if measurements.radial_velocity:
        for a in range(axes):
            wide[-1, axes + a] += H[-1, a] * tau
    return wide
