"""The best assignment of detections to tracks: exact, with what is plain taken first."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from svc_tracker.domain.state.types import Floats, Indices

# Each round takes what the one before has made plain; what is left then is solved as it is.
_ROUNDS = 5
# Below it a dense table is solved faster than a sparse one is made.
_DENSE_CELLS = 1 << 14


def assign(track: Indices, detection: Indices, gain: Floats, first: Callable[..., Any]) -> Indices:
    """Return which of the pairs (q,) are taken: those of the greatest total gain, each track and detection once.

    A pair without a gain is never taken: that track rather has no detection (Blackman and Popoli, "Design and Analysis
    of Modern Tracking Systems", 1999, section 6.4). Exact: a pair is taken at once only where it gains at least as
    much as its track's and its detection's best other pairs together, so that any assignment without it could only
    gain by taking it in exchange for those two; what remains is solved as one sparse problem, in which clusters are
    apart. `first` is `plain`, compiled or not.
    """
    order = np.argsort(gain)
    order = order[np.searchsorted(gain[order], 0.0, side="right") :]
    taken, left = first(track[order], detection[order], gain[order])
    taken, left = order[taken], order[left]
    if len(left):
        taken = np.concatenate((taken, left[matching(track[left], detection[left], gain[left])]))
    return np.sort(taken)


def plain(track: Indices, detection: Indices, gain: Floats) -> tuple[Indices, Indices]:
    """Return which pairs, in the order of their gains, are plainly taken, and which are left to choose from."""
    # By gain: of the pairs written to one place the last one stands, which is then the best.
    left = np.arange(len(gain))
    taken = left[:0]
    for _ in range(_ROUNDS):
        if len(left) == 0:
            break
        t, d, g = track[left], detection[left], gain[left]
        is_plain = g >= _best_other(t, g) + _best_other(d, g)
        if not is_plain.any():
            break
        taken = np.concatenate((taken, left[is_plain]))
        used_track, used_detection = np.zeros(t.max() + 1, dtype=np.bool_), np.zeros(d.max() + 1, dtype=np.bool_)
        used_track[t[is_plain]] = True
        used_detection[d[is_plain]] = True
        left = left[~(used_track[t] | used_detection[d])]
    return taken, left


def _best_other(group: Indices, gain: Floats) -> Floats:
    """Return for each pair, in the order of their gains, the greatest gain among the others of its group, 0 for none.

    Only the best of a group, of equal ones the last, can be plain: for the others it is infinite.
    """
    count, place = group.max() + 1, np.arange(len(group))
    best, second = np.zeros(count, dtype=np.intp), np.zeros(count)
    best[group] = place
    is_best = best[group] == place
    rest = ~is_best
    second[group[rest]] = gain[rest]
    return np.where(is_best, second[group], np.inf)


def matching(first: Indices, second: Indices, gain: Floats) -> Indices:
    """Return which of the pairs (k,) a best assignment takes: of the greatest total gain, each gain being above 0.

    Dense where that is small, else by shortest augmenting paths in a sparse table (Jonker and Volgenant, "A shortest
    augmenting path algorithm for dense and sparse linear assignment problems", Computing 38, 1987).
    """
    (count, row), (columns, column) = _numbered(first), _numbered(second)
    if count * columns <= _DENSE_CELLS:
        # What is no pair gains nothing, like having no detection: so a rectangle of gains holds every choice.
        dense = np.zeros((count, columns))
        dense[row, column] = gain
        matched: tuple[Any, Any] = linear_sum_assignment(dense, maximize=True)
    else:
        # Every row may take a column of its own, which gains nothing; so each has exactly one, and a constant for all
        # changes nothing but keeps the weights from being 0, which a sparse table does not hold.
        weight, own = np.concatenate([gain, np.zeros(count)]) + 1.0, np.arange(count)
        table = csr_array(
            (weight, (np.concatenate([row, own]), np.concatenate([column, columns + own]))),
            shape=(count, columns + count),
        )
        matched = min_weight_full_bipartite_matching(table, maximize=True)
    match = np.full(count, -1)
    match[matched[0]] = matched[1]
    return np.flatnonzero(match[row] == column)


def _numbered(values: Indices) -> tuple[int, Indices]:
    """Return how many different values there are, and each one's number among them in their order."""
    is_there = np.zeros(values.max() + 1, dtype=np.bool_)
    is_there[values] = True
    number = np.cumsum(is_there) - 1
    return int(number[-1]) + 1, number[values]
