"""How far a set of estimates is from the truth: GOSPA and OSPA, with exact assignment."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from svc_tracker.domain.arrays import Floats


@dataclass(frozen=True, slots=True)
class Gospa:
    """The GOSPA metric and its parts: total^p = localisation + missed + false, each a sum of p-th powers.

    `assigned` estimates were nearer than c to a thing of their own, `missed_count` things had none, `false_count`
    estimates had no thing.
    """

    total: float
    localisation: float
    missed: float
    false: float
    assigned: int
    missed_count: int
    false_count: int


def gospa(truth: Floats, estimates: Floats, c: float, p: float = 2.0) -> Gospa:
    """Return the GOSPA metric with alpha = 2 between truth (n, k) and estimates (m, k), both maybe empty.

    min over assignments of [sum d^p + c^p / 2 (things and estimates not assigned)]^(1/p), d being the Euclidean
    distance (Rahmathullah, Garcia-Fernandez and Svensson, "Generalized optimal sub-pattern assignment metric", FUSION
    2017, proposition 1). Raises ValueError, which begins with the argument's name, unless c > 0, p >= 1, the shapes
    agree and all is finite.
    """
    cost, near = _assigned_costs(truth, estimates, c, p)
    assigned = int(np.count_nonzero(near))
    missed_count, false_count = len(truth) - assigned, len(estimates) - assigned
    localisation = float(cost[near].sum())
    missed, false = missed_count * c**p / 2.0, false_count * c**p / 2.0
    total = (localisation + missed + false) ** (1.0 / p)
    return Gospa(total, localisation, missed, false, assigned, missed_count, false_count)


def ospa(truth: Floats, estimates: Floats, c: float, p: float = 2.0) -> float:
    """Return the OSPA metric between truth (n, k) and estimates (m, k); 0 where both are empty.

    [(min over assignments of sum min(d, c)^p + c^p |n - m|) / max(n, m)]^(1/p) (Schuhmacher, Vo and Vo, "A consistent
    metric for performance evaluation of multi-object filters", IEEE Trans. SP 56(8), 2008). Raises as `gospa` does.
    """
    cost, _ = _assigned_costs(truth, estimates, c, p)
    most = max(len(truth), len(estimates))
    if most == 0:
        return 0.0
    unmatched = abs(len(truth) - len(estimates))
    return float(((cost.sum() + unmatched * c**p) / most) ** (1.0 / p))


def _assigned_costs(truth: Floats, estimates: Floats, c: float, p: float) -> tuple[Floats, np.ndarray]:
    """Return min(d, c)^p of the best assignment's pairs, and which of these are nearer than c."""
    if not 0.0 < c < np.inf:
        raise ValueError(f"c must be greater than 0, not {c}")
    if not 1.0 <= p < np.inf:
        raise ValueError(f"p must be at least 1, not {p}")
    for name, points in (("truth", truth), ("estimates", estimates)):
        if points.ndim != 2 or points.shape[1] != truth.shape[-1]:
            raise ValueError(f"{name} must be of shape (n, k) with k that of truth, not {points.shape}")
        if not np.isfinite(points).all():
            raise ValueError(f"{name} holds a value that is not finite")
    distance = cdist(truth, estimates)
    cost = np.minimum(distance, c) ** p
    pair = linear_sum_assignment(cost)
    return cost[pair], distance[pair] < c
