"""The best assignment of detections to tracks: exact, cluster by cluster."""

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from svc_tracker.domain.arrays import Floats, Indices


def assign(track: Indices, detection: Indices, gain: Floats) -> Indices:
    """Return which of the pairs (k,) are taken: those of the greatest total gain, each track and detection once.

    A pair without a gain is never taken: that track rather has no detection. Pairs that share neither a track nor a
    detection, not even by way of others, are assigned apart; each such cluster exactly (Blackman and Popoli, "Design
    and Analysis of Modern Tracking Systems", 1999, section 6.4).
    """
    worth = np.flatnonzero(gain > 0.0)
    if not len(worth):
        return worth
    t, d = track[worth], detection[worth]
    alone = (np.bincount(t)[t] == 1) & (np.bincount(d)[d] == 1)
    taken = [worth[alone]]
    taken.extend(_best(track, detection, gain, cluster) for cluster in _clusters(track, detection, worth[~alone]))
    return np.sort(np.concatenate(taken))


def _clusters(track: Indices, detection: Indices, pairs: Indices) -> list[Indices]:
    """Return the pairs in groups that share tracks or detections."""
    if not len(pairs):
        return []
    t, d = track[pairs], detection[pairs]
    first_detection = int(t.max()) + 1
    size = first_detection + int(d.max()) + 1
    graph = coo_array((np.ones(len(pairs)), (t, first_detection + d)), shape=(size, size))
    _, label = connected_components(graph, directed=False)
    cluster = label[t]
    order = np.argsort(cluster, kind="stable")
    return np.split(pairs[order], np.flatnonzero(np.diff(cluster[order])) + 1)


def _best(track: Indices, detection: Indices, gain: Floats, cluster: Indices) -> Indices:
    """Return the pairs of one cluster that are taken."""
    rows, row = np.unique(track[cluster], return_inverse=True)
    columns, column = np.unique(detection[cluster], return_inverse=True)
    # What is no pair gains nothing, like having no detection: so a rectangle of gains holds every choice.
    table = np.zeros((len(rows), len(columns)))
    pair = np.full(table.shape, -1, dtype=np.intp)
    table[row, column] = gain[cluster]
    pair[row, column] = cluster
    chosen = pair[linear_sum_assignment(table, maximize=True)]
    return chosen[chosen >= 0]
