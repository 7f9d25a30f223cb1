"""The interacting multiple model: how modes mix, and what a time step does to each.

Components come first, then M modes, then n things: states are (s, M, n), packed covariances (p, M, n). Loops are over
components and modes, never over things: elementwise NumPy, which numba compiles as it is. BLK is Bar-Shalom, Li and
Kirubarajan, "Estimation with Applications to Tracking and Navigation", 2001.
"""

import numpy as np

from svc_tracker.domain.arrays import Floats
from svc_tracker.domain.layout import Belief, Mixture, Packing, Step


def predict(belief: Belief, step: Step, packing: Packing) -> Belief:
    """Return the belief a step later: the modes interact, then each predicts (BLK section 11.6.6)."""
    return move(interact(belief, step.transition, packing), step)


def interact(belief: Belief, transition: Floats, packing: Packing) -> Belief:
    """Return for each mode what it begins with: its probability, state and covariance (BLK 11.6.6, step 1).

    With mu_ij = p_ij mu_i / c_j and c_j = sum_i p_ij mu_i: the moments of the mixture of all modes i by mu_ij.
    """
    probability, x, P = belief
    modes = len(probability)
    later, share = np.zeros_like(probability), np.empty((modes, *probability.shape))
    for i in range(modes):
        share[i] = np.expand_dims(transition[i], 1) * probability[i]
        later += share[i]
    share /= later
    # Counted from one of the modes, so that squares of small differences are summed, not of positions.
    away, begun, spread = np.empty_like(x), np.empty_like(x), np.empty_like(P)
    for a in range(len(x)):
        away[a] = x[a] - x[a, 0]
        begun[a] = share[0] * away[a, 0]
        for i in range(1, modes):
            begun[a] += share[i] * away[a, i]
    for k in range(len(P)):
        a, b = packing.row[k], packing.column[k]
        moment = P[k] + away[a] * away[b]
        spread[k] = share[0] * moment[0] - begun[a] * begun[b]
        for i in range(1, modes):
            spread[k] += share[i] * moment[i]
    for a in range(len(x)):
        begun[a] += x[a, 0]
    return Belief(later, begun, spread)


def move(belief: Belief, step: Step) -> Belief:
    """Return states and covariances a step later: F x and F P F^T + Q."""
    x, P = belief.x, belief.P
    later_x, later_P = np.empty_like(x), np.empty_like(P)
    for m in range(len(step.F)):
        # One product of matrices for all things at once.
        later_x[:, m] = np.dot(step.F[m], np.ascontiguousarray(x[:, m]))
        later_P[:, m] = np.dot(step.mapped[m], np.ascontiguousarray(P[:, m])) + np.expand_dims(step.Q[m], 1)
    return Belief(belief.probability, later_x, later_P)


def moments(belief: Belief, packing: Packing, needed: int) -> Mixture:
    """Return the moments of the mixture of modes (BLK section 11.6.6, step 5).

    Of the covariance only what concerns the first `needed` components; the rest is 0.
    """
    probability, x, P = belief
    mean, spread, away = np.empty_like(x[:, 0]), np.zeros_like(P[:, 0]), np.empty_like(x)
    for a in range(len(x)):
        mean[a] = (probability * x[a]).sum(axis=0)
        if a < needed:
            away[a] = x[a] - mean[a]
    for k in range(len(P)):
        a, b = packing.row[k], packing.column[k]
        if a < needed and b < needed:
            spread[k] = (probability * (P[k] + away[a] * away[b])).sum(axis=0)
    return Mixture(mean, spread)
