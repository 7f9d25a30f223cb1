"""Interacting multiple model: mixing of the modes, prediction of each, and the moments of their mixture.

Arrays have components first, then M modes, then the batch of n targets: states (s, M, n), packed covariances (p, M, n).
BLK is Bar-Shalom, Li and Kirubarajan, "Estimation with Applications to Tracking and Navigation", 2001.
"""

import numpy as np

from svc_tracker.domain.state.types import Floats, Mixture, ModeEstimates, MotionStep, Packing, batch_axis


def predict(estimates: ModeEstimates, step: MotionStep, packing: Packing) -> ModeEstimates:
    """Return the estimates one time step later: mix the modes, then predict each (BLK 11.6.6)."""
    probability, mixing = mixing_probabilities(estimates.probability, step.mode_transition)
    x, P = mix_moments(estimates.x, estimates.P, mixing, packing)
    return ModeEstimates(probability, *predict_moments(x, P, step))


def mixing_probabilities(probability: Floats, mode_transition: Floats) -> tuple[Floats, Floats]:
    """Return predicted mode probabilities c_j (M, n) and mixing probabilities mu_ij (M, M, n) of mode probabilities.

    c_j = sum_i p_ij mu_i and mu_ij = p_ij mu_i / c_j (BLK 11.6.6, step 1): the probability that mode j now was
    mode i before.
    """
    modes, count = probability.shape
    predicted, mixing = np.zeros((modes, count)), np.empty((modes, modes, count))
    for i in range(modes):
        for j in range(modes):
            for n in batch_axis(count):
                mixing[i, j, n] = mode_transition[i, j] * probability[i, n]
                predicted[j, n] += mixing[i, j, n]
    for i in range(modes):
        for m in batch_axis(modes):
            for n in batch_axis(count):
                mixing[i, m, n] /= predicted[m, n]
    return predicted, mixing


def mix_moments(x: Floats, P: Floats, mixing: Floats, packing: Packing) -> tuple[Floats, Floats]:
    """Return the mixed states (M, s, n) and covariances (M, p, n): modes first, ready for matrix products.

    x_0j = sum_i mu_ij x_i and P_0j = sum_i mu_ij (P_i + x_i x_i^T) - x_0j x_0j^T (BLK 11.6.6, step 2), with all states
    relative to that of mode 0: so small differences are squared, not positions.
    """
    size, modes, count = x.shape
    relative, mixed_x, mixed_P = np.empty_like(x), np.empty((modes, size, count)), np.empty((modes, len(P), count))
    for a in range(size):
        for m in batch_axis(modes):
            for n in batch_axis(count):
                relative[a, m, n] = x[a, m, n] - x[a, 0, n]
        weighted_sum(mixed_x, a, mixing, relative[a])
    moment = np.empty((modes, count))
    for e in range(len(P)):
        a, b = packing.row[e], packing.column[e]
        for m in batch_axis(modes):
            for n in batch_axis(count):
                moment[m, n] = P[e, m, n] + relative[a, m, n] * relative[b, m, n]
        weighted_sum(mixed_P, e, mixing, moment)
        for m in batch_axis(modes):
            for n in batch_axis(count):
                mixed_P[m, e, n] -= mixed_x[m, a, n] * mixed_x[m, b, n]
    for a in range(size):
        for m in batch_axis(modes):
            for n in batch_axis(count):
                mixed_x[m, a, n] += x[a, 0, n]
    return mixed_x, mixed_P


def weighted_sum(mixed: Floats, component: int, mixing: Floats, values: Floats) -> None:
    """Fill in one component of mixed (M, c, n): sum_i mu_ij v_i of mixing probabilities (M, M, n) and values (M, n)."""
    modes, count = values.shape
    for m in batch_axis(modes):
        for n in batch_axis(count):
            mixed[m, component, n] = mixing[0, m, n] * values[0, n]
    for i in range(1, modes):
        for m in batch_axis(modes):
            for n in batch_axis(count):
                mixed[m, component, n] += mixing[i, m, n] * values[i, n]


def predict_moments(x: Floats, P: Floats, step: MotionStep) -> tuple[Floats, Floats]:
    """Return F x (s, M, n) and F P F^T + Q (p, M, n) of states (M, s, n) and covariances (M, p, n) (BLK 5.2.3)."""
    (modes, size, count), packed = x.shape, P.shape[1]
    predicted_x, predicted_P = np.empty((size, modes, count)), np.empty((packed, modes, count))
    for m in range(modes):
        # One matrix product for all targets.
        Fx, FPFt = np.dot(step.F[m], x[m]), np.dot(step.covariance_map[m], P[m])
        for a in range(size):
            for n in batch_axis(count):
                predicted_x[a, m, n] = Fx[a, n]
        for e in range(packed):
            for n in batch_axis(count):
                predicted_P[e, m, n] = FPFt[e, n] + step.Q[m, e]
    return predicted_x, predicted_P


def mixture_moments(estimates: ModeEstimates, packing: Packing, components: int) -> Mixture:
    """Return mean and covariance of the mixture of modes (BLK 11.6.6, step 5).

    x = sum_j mu_j x_j and P = sum_j mu_j (P_j + (x_j - x) (x_j - x)^T). The covariance is filled in for the first
    `components` state components alone.
    """
    probability, x, P = estimates
    size, modes, count = x.shape
    mean, covariance = np.zeros((size, count)), np.empty((len(P), count))
    deviation = np.empty((components, modes, count))
    for a in range(size):
        for j in range(modes):
            for n in batch_axis(count):
                mean[a, n] += probability[j, n] * x[a, j, n]
    for a in range(components):
        for m in batch_axis(modes):
            for n in batch_axis(count):
                deviation[a, m, n] = x[a, m, n] - mean[a, n]
    for e in range(len(P)):
        a, b = packing.row[e], packing.column[e]
        if a < components and b < components:
            covariance[e] = 0.0
            for j in range(modes):
                for n in batch_axis(count):
                    covariance[e, n] += probability[j, n] * (P[e, j, n] + deviation[a, j, n] * deviation[b, j, n])
    return Mixture(mean, covariance)
