"""Global nearest neighbour: the assignment of detections to tracks with the greatest total gain, exactly."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from svc_tracker.domain.state.types import Floats, Indices

DominantPairs: TypeAlias = Callable[[Indices, Indices, Floats], tuple[Indices, Indices]]

# Rounds of removing dominant pairs, which may leave others dominant; the rest is solved as an assignment problem.
_MAX_ROUNDS = 5
# Below this size a dense matrix is solved faster than a sparse one is built.
_DENSE_CELLS = 1 << 14


def assign(track: Indices, detection: Indices, gain: Floats, dominant_pairs: DominantPairs) -> Indices:
    """Return which of the pairs (q,) an optimal assignment has: the greatest total gain, each track and detection once.

    Pairs whose gain is not positive are never assigned: such a track rather has no detection (Blackman and Popoli,
    "Design and Analysis of Modern Tracking Systems", 1999, section 6.4). Dominant pairs are taken first, which is
    exact: one gains at least as much as its track's and its detection's best other pairs together, so that any
    assignment without it could only gain by exchanging those two for it. The rest is one sparse problem.
    """
    order = np.argsort(gain)
    order = order[np.searchsorted(gain[order], 0.0, side="right") :]
    taken, left = dominant_pairs(track[order], detection[order], gain[order])
    taken, left = order[taken], order[left]
    if len(left):
        taken = np.concatenate((taken, left[solve_assignment(track[left], detection[left], gain[left])]))
    return np.sort(taken)


def dominant_pairs(track: Indices, detection: Indices, gain: Floats) -> tuple[Indices, Indices]:
    """Return which pairs, in the order of their gains, are dominant, and which remain to be assigned."""
    # In order of gain: of the pairs written to one position the last one remains, which is then the best.
    left = np.arange(len(gain))
    taken = left[:0]
    for _ in range(_MAX_ROUNDS):
        if len(left) == 0:
            break
        t, d, g = track[left], detection[left], gain[left]
        is_dominant = g >= _best_other(t, g) + _best_other(d, g)
        if not is_dominant.any():
            break
        taken = np.concatenate((taken, left[is_dominant]))
        used_track, used_detection = np.zeros(t.max() + 1, dtype=np.bool_), np.zeros(d.max() + 1, dtype=np.bool_)
        used_track[t[is_dominant]] = True
        used_detection[d[is_dominant]] = True
        left = left[~(used_track[t] | used_detection[d])]
    return taken, left


def _best_other(group: Indices, gain: Floats) -> Floats:
    """Return for each pair, in the order of their gains, the greatest gain among the others of its group, 0 for none.

    Only the best of a group, of equal ones the last, can be dominant: for the others it is infinite.
    """
    count, position = group.max() + 1, np.arange(len(group))
    best, second = np.zeros(count, dtype=np.intp), np.zeros(count)
    best[group] = position
    is_best = best[group] == position
    rest = ~is_best
    second[group[rest]] = gain[rest]
    return np.where(is_best, second[group], np.inf)


def solve_assignment(first: Indices, second: Indices, gain: Floats) -> Indices:
    """Return which of the pairs (k,) an optimal assignment has: the greatest total gain, every gain being positive.

    A dense matrix where that is small, else shortest augmenting paths in a sparse one (Jonker and Volgenant, "A
    shortest augmenting path algorithm for dense and sparse linear assignment problems", Computing 38, 1987).
    """
    (count, row), (columns, column) = _ranked(first), _ranked(second)
    if count * columns <= _DENSE_CELLS:
        # Cells without a pair gain 0, like no detection: so a rectangular matrix holds every choice.
        dense = np.zeros((count, columns))
        dense[row, column] = gain
        matched: tuple[Any, Any] = linear_sum_assignment(dense, maximize=True)
    else:
        # Each row gets a column of its own with gain 0, so that a full matching exists. A sparse matrix holds no 0:
        # every gain is raised by 1, which changes no optimum.
        weight, own = np.concatenate([gain, np.zeros(count)]) + 1.0, np.arange(count)
        table = csr_array(
            (weight, (np.concatenate([row, own]), np.concatenate([column, columns + own]))),
            shape=(count, columns + count),
        )
        matched = min_weight_full_bipartite_matching(table, maximize=True)
    match = np.full(count, -1)
    match[matched[0]] = matched[1]
    return np.flatnonzero(match[row] == column)


def _ranked(values: Indices) -> tuple[int, Indices]:
    """Return the number of different values, and the rank of each among them."""
    is_present = np.zeros(values.max() + 1, dtype=np.bool_)
    is_present[values] = True
    rank = np.cumsum(is_present) - 1
    return int(rank[-1]) + 1, rank[values]
