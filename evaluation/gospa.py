"""GOSPA and OSPA: distances between a set of estimates and the truth, with optimal assignment."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from evaluation.assignment import Pairs, best_pairs
from evaluation.numbers import numbers
from svc_tracker.domain.state.types import Floats, Indices

MAX_LOG_POWER: Final = 600.0
"""c^p is between exp of this and its reciprocal, so that sums of such powers are representable."""


@dataclass(frozen=True, slots=True, eq=False)
class Gospa:
    """The GOSPA metric and its parts: total^p = localisation + missed + false, each a sum of p-th powers.

    `assigned` estimates have a target within c, `missed_count` targets have no estimate, `false_count` estimates have
    no target. `pairs` (assigned, 2) are the rows of target and estimate, in the order of the targets.
    """

    total: float
    localisation: float
    missed: float
    false: float
    assigned: int
    missed_count: int
    false_count: int
    pairs: Indices


def gospa(truth: ArrayLike, estimates: ArrayLike, c: float, p: float = 2.0) -> Gospa:
    """Return the GOSPA metric with alpha = 2 between truth (n, k) and estimates (m, k), either of which may be empty.

    min over assignments of [sum d^p + c^p / 2 (unassigned targets and estimates)]^(1/p), d being the Euclidean
    distance (Rahmathullah, Garcia-Fernandez and Svensson, "Generalized optimal sub-pattern assignment metric", FUSION
    2017, proposition 1). A pair exactly c apart is one missed and one false, at the same cost. Memory grows with the
    number of pairs nearer than c, not with n m. Raises ValueError naming the argument, unless c > 0, p >= 1, the shapes
    agree and every value is finite and at most 1e100.
    """
    true_points, estimated_points, best = _assigned(truth, estimates, c, p)
    assigned = len(best.distance)
    missed_count, false_count = len(true_points) - assigned, len(estimated_points) - assigned
    localisation = float(np.sum(best.distance**p))
    missed, false = missed_count * c**p / 2.0, false_count * c**p / 2.0
    total = (localisation + missed + false) ** (1.0 / p)
    pairs = np.column_stack([best.first, best.second])
    return Gospa(total, localisation, missed, false, assigned, missed_count, false_count, pairs)


def ospa(truth: ArrayLike, estimates: ArrayLike, c: float, p: float = 2.0) -> float:
    """Return the OSPA metric between truth (n, k) and estimates (m, k); 0 where both are empty.

    [(min over assignments of sum min(d, c)^p + c^p |n - m|) / max(n, m)]^(1/p) (Schuhmacher, Vo and Vo, "A consistent
    metric for performance evaluation of multi-object filters", IEEE Trans. SP 56(8), 2008). A point without a
    partner nearer than c costs c^p whether paired or not, so the optimal pairs are those of GOSPA. The minimum is over
    sums of p-th powers, as published; Stone Soup 1.9.1 minimises the sum of distances and may report more for p > 1.
    Raises as `gospa` does.
    """
    true_points, estimated_points, best = _assigned(truth, estimates, c, p)
    most = max(len(true_points), len(estimated_points))
    if most == 0:
        return 0.0
    without = most - len(best.distance)
    return float(((np.sum(best.distance**p) + without * c**p) / most) ** (1.0 / p))


def _assigned(truth: ArrayLike, estimates: ArrayLike, c: float, p: float) -> tuple[Floats, Floats, Pairs]:
    """Return the two checked sets of points and their optimal pairs."""
    if not 0.0 < c < math.inf:
        raise ValueError(f"c must be greater than 0 and finite, not {c}")
    if not 1.0 <= p < math.inf:
        raise ValueError(f"p must be at least 1 and finite, not {p}")
    if abs(p * math.log(c)) > MAX_LOG_POWER:
        raise ValueError(f"c must be such that c^p is representable, not {c} with p {p}")
    true_points, estimated_points = _points("truth", truth), _points("estimates", estimates)
    if estimated_points.shape[1] != true_points.shape[1]:
        raise ValueError(
            f"estimates must have as many columns as truth, {true_points.shape[1]}, not {estimated_points.shape[1]}"
        )
    return true_points, estimated_points, best_pairs(true_points, estimated_points, c, p)


def _points(name: str, given: ArrayLike) -> Floats:
    """Return the points (n, k) as float64. Raises ValueError naming them."""
    points = numbers(name, given)
    if points.ndim != 2 or points.shape[1] == 0:
        raise ValueError(f"{name} must be of shape (n, k) with k at least 1, not {points.shape}")
    return points
