"""The interacting multiple model: how modes mix, and what a time step does to each.

Components come first, then M modes, then n things: states are (s, M, n), packed covariances (p, M, n). What is done to
`each` thing is elementwise NumPy, and one loop where numba compiles it as it is. BLK is Bar-Shalom, Li and
Kirubarajan, "Estimation with Applications to Tracking and Navigation", 2001.
"""

import numpy as np

from svc_tracker.domain.state.types import Belief, Floats, Mixture, Packing, Step, each


def predict(belief: Belief, step: Step, packing: Packing) -> Belief:
    """Return the belief a step later: the modes interact, then each predicts (BLK section 11.6.6)."""
    probability, x, P = interact(belief, step.transition, packing)
    return Belief(probability, *move(x, P, step))


def interact(belief: Belief, transition: Floats, packing: Packing) -> tuple[Floats, Floats, Floats]:
    """Return what each mode begins with: probabilities (M, n), states (M, s, n) and covariances (M, p, n).

    With mu_ij = p_ij mu_i / c_j and c_j = sum_i p_ij mu_i these are the moments of the mixture of all modes i by mu_ij
    (BLK 11.6.6, step 1). Modes come first: each one's are multiplied by matrices then.
    """
    probability, x, P = belief
    modes, count = probability.shape
    later, share = shares(probability, transition)
    # Counted from one of the modes, so that squares of small differences are summed, not of positions.
    away, begun, spread = np.empty_like(x), np.empty((modes, len(x), count)), np.empty((modes, len(P), count))
    for a in range(len(x)):
        for j in each(modes):
            for n in each(count):
                away[a, j, n] = x[a, j, n] - x[a, 0, n]
        mix(begun, a, share, away[a])
    moment = np.empty_like(probability)
    for k in range(len(P)):
        a, b = packing.row[k], packing.column[k]
        for j in each(modes):
            for n in each(count):
                moment[j, n] = P[k, j, n] + away[a, j, n] * away[b, j, n]
        mix(spread, k, share, moment)
        for j in each(modes):
            for n in each(count):
                spread[j, k, n] -= begun[j, a, n] * begun[j, b, n]
    for a in range(len(x)):
        for j in each(modes):
            for n in each(count):
                begun[j, a, n] += x[a, 0, n]
    return later, begun, spread


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


def mix(mixed: Floats, component: int, share: Floats, values: Floats) -> None:
    """Fill in of what is mixed (M, c, n) one component: sum_i mu_ij v_i of its values (M, n)."""
    modes, count = values.shape
    for j in each(modes):
        for n in each(count):
            mixed[j, component, n] = share[0, j, n] * values[0, n]
    for i in range(1, modes):
        for j in each(modes):
            for n in each(count):
                mixed[j, component, n] += share[i, j, n] * values[i, n]


def move(x: Floats, P: Floats, step: Step) -> tuple[Floats, Floats]:
    """Return states (s, M, n) and covariances (p, M, n) a step later, of (M, s, n) and (M, p, n): F x, F P F^T + Q."""
    (modes, size, count), packed = x.shape, P.shape[1]
    later_x, later_P = np.empty((size, modes, count)), np.empty((packed, modes, count))
    for m in range(modes):
        # One product of matrices for all things at once.
        moved_x, moved_P = np.dot(step.F[m], x[m]), np.dot(step.mapped[m], P[m])
        for a in range(size):
            for n in each(count):
                later_x[a, m, n] = moved_x[a, n]
        for k in range(packed):
            for n in each(count):
                later_P[k, m, n] = moved_P[k, n] + step.Q[m, k]
    return later_x, later_P


def moments(belief: Belief, packing: Packing, needed: int) -> Mixture:
    """Return the moments of the mixture of modes (BLK section 11.6.6, step 5).

    Of the covariance only what concerns the first `needed` components; the rest is not filled in.
    """
    probability, x, P = belief
    size, modes, count = x.shape
    mean, spread, away = np.zeros((size, count)), np.empty((len(P), count)), np.empty((needed, modes, count))
    for a in range(size):
        for m in range(modes):
            for n in each(count):
                mean[a, n] += probability[m, n] * x[a, m, n]
    for a in range(needed):
        for m in each(modes):
            for n in each(count):
                away[a, m, n] = x[a, m, n] - mean[a, n]
    for k in range(len(P)):
        a, b = packing.row[k], packing.column[k]
        if a < needed and b < needed:
            spread[k] = 0.0
            for m in range(modes):
                for n in each(count):
                    spread[k, n] += probability[m, n] * (P[k, m, n] + away[a, m, n] * away[b, m, n])
    return Mixture(mean, spread)
