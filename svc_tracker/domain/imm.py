"""The interacting multiple model: how modes mix, and what a time step does to each.

Components come first, then M modes, then n things: states are (s, M, n), packed covariances (p, M, n). What is done to
`each` thing is elementwise NumPy, and one loop where numba compiles it as it is. BLK is Bar-Shalom, Li and
Kirubarajan, "Estimation with Applications to Tracking and Navigation", 2001.
"""

import numpy as np

from svc_tracker.domain.arrays import Floats, each
from svc_tracker.domain.layout import Belief, Mixture, Packing, Step


def predict(belief: Belief, step: Step, packing: Packing) -> Belief:
    """Return the belief a step later: the modes interact, then each predicts (BLK section 11.6.6)."""
    return move(interact(belief, step.transition, packing), step)


def interact(belief: Belief, transition: Floats, packing: Packing) -> Belief:
    """Return for each mode what it begins with: its probability, state and covariance (BLK 11.6.6, step 1).

    With mu_ij = p_ij mu_i / c_j and c_j = sum_i p_ij mu_i: the moments of the mixture of all modes i by mu_ij.
    """
    probability, x, P = belief
    modes, count = probability.shape
    later, share = shares(probability, transition)
    # Counted from one of the modes, so that squares of small differences are summed, not of positions.
    away, begun, spread = np.empty_like(x), np.empty_like(x), np.empty_like(P)
    for a in range(len(x)):
        for j in each(modes):
            for n in each(count):
                away[a, j, n] = x[a, j, n] - x[a, 0, n]
        mix(begun[a], share, away[a])
    moment = np.empty_like(probability)
    for k in range(len(P)):
        a, b = packing.row[k], packing.column[k]
        for j in each(modes):
            for n in each(count):
                moment[j, n] = P[k, j, n] + away[a, j, n] * away[b, j, n]
        mix(spread[k], share, moment)
        for j in each(modes):
            for n in each(count):
                spread[k, j, n] -= begun[a, j, n] * begun[b, j, n]
    for a in range(len(x)):
        for j in each(modes):
            for n in each(count):
                begun[a, j, n] += x[a, 0, n]
    return Belief(later, begun, spread)


def shares(probability: Floats, transition: Floats) -> tuple[Floats, Floats]:
    """Return how probable the modes (M, n) are a step later, and mu_ij (M, M, n): how probably j was i before."""
    modes, count = probability.shape
    later, share = np.zeros((modes, count)), np.empty((modes, modes, count))
    for i in range(modes):
        for j in range(modes):
            for n in each(count):
                share[i, j, n] = transition[i, j] * probability[i, n]
                later[j, n] += share[i, j, n]
    for i in range(modes):
        for j in each(modes):
            for n in each(count):
                share[i, j, n] /= later[j, n]
    return later, share


def mix(mixed: Floats, share: Floats, values: Floats) -> None:
    """Fill in sum_i mu_ij v_i (M, n) of the modes' values (M, n)."""
    modes, count = values.shape
    for j in each(modes):
        for n in each(count):
            mixed[j, n] = share[0, j, n] * values[0, n]
    for i in range(1, modes):
        for j in each(modes):
            for n in each(count):
                mixed[j, n] += share[i, j, n] * values[i, n]


def move(belief: Belief, step: Step) -> Belief:
    """Return states and covariances a step later: F x and F P F^T + Q."""
    x, P = belief.x, belief.P
    later_x, later_P = np.empty_like(x), np.empty_like(P)
    for m in range(len(step.F)):
        # One product of matrices for all things at once.
        moved_x = np.dot(step.F[m], np.ascontiguousarray(x[:, m]))
        moved_P = np.dot(step.mapped[m], np.ascontiguousarray(P[:, m]))
        for a in range(len(x)):
            for n in each(x.shape[2]):
                later_x[a, m, n] = moved_x[a, n]
        for k in range(len(P)):
            for n in each(x.shape[2]):
                later_P[k, m, n] = moved_P[k, n] + step.Q[m, k]
    return Belief(belief.probability, later_x, later_P)


def moments(belief: Belief, packing: Packing, needed: int) -> Mixture:
    """Return the moments of the mixture of modes (BLK section 11.6.6, step 5).

    Of the covariance only what concerns the first `needed` components; the rest is 0.
    """
    probability, x, P = belief
    size, modes, count = x.shape
    mean, spread, away = np.zeros((size, count)), np.zeros((len(P), count)), np.empty_like(x)
    for a in range(size):
        for m in range(modes):
            for n in each(count):
                mean[a, n] += probability[m, n] * x[a, m, n]
        for m in each(modes):
            for n in each(count):
                away[a, m, n] = x[a, m, n] - mean[a, n]
    for k in range(len(P)):
        a, b = packing.row[k], packing.column[k]
        if a < needed and b < needed:
            for m in range(modes):
                for n in each(count):
                    spread[k, n] += probability[m, n] * (P[k, m, n] + away[a, m, n] * away[b, m, n])
    return Mixture(mean, spread)
