"""Optimal assignment of points within a cut-off distance: exact, cluster by cluster, without a full distance matrix."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from svc_tracker.domain.association.assignment import solve_assignment
from svc_tracker.domain.state.types import Floats, Indices

PAIRS_A_BATCH: Final = 500
"""Clusters are solved together up to this many pairs: each call has a cost, and the solver's grows quadratically."""


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """k pairs: the rows of the first points (k,), those of the second (k,), and their distances (k,)."""

    first: Indices
    second: Indices
    distance: Floats

    def select(self, rows: Indices) -> "Pairs":
        """Return the pairs at these indices."""
        return Pairs(self.first[rows], self.second[rows], self.distance[rows])


def best_pairs(first: Floats, second: Floats, c: float, p: float) -> Pairs:
    """Return the pairs that minimise sum d^p + c^p/2 (unassigned points), for points (n, k) and (m, k).

    d is the Euclidean distance; every point is in at most one pair, and all pairs are nearer than c, since splitting a
    farther one costs no more. So clusters of points, linked by distances below c, are assigned independently. The pairs
    are in the order of the first points. Time and memory grow with the number of pairs below c.
    """
    near = _pairs_within(first, second, c)
    alone = (np.bincount(near.first)[near.first] == 1) & (np.bincount(near.second)[near.second] == 1)
    contested = np.flatnonzero(~alone)
    taken = [np.flatnonzero(alone)]
    for batch in _batches(near, contested):
        rival = near.select(batch)
        # An unassigned pair of points costs as much as a pair at the cut-off: a nearer one gains the difference.
        gain = 1.0 - (rival.distance / c) ** p
        taken.append(batch[solve_assignment(rival.first, rival.second, gain)])
    which = np.concatenate(taken)
    return near.select(which[np.argsort(near.first[which])])


def _pairs_within(first: Floats, second: Floats, c: float) -> Pairs:
    """Return all pairs nearer than c."""
    found = cKDTree(first).sparse_distance_matrix(cKDTree(second), c, output_type="ndarray")
    below = found[found["v"] < c]
    return Pairs(below["i"].astype(np.intp), below["j"].astype(np.intp), below["v"].astype(np.float64))


def _batches(near: Pairs, which: Indices) -> list[Indices]:
    """Return these pairs in batches of about `PAIRS_A_BATCH`; a cluster of linked points is never split."""
    if not len(which):
        return []
    first, second = near.first[which], near.second[which]
    offset = int(first.max()) + 1
    size = offset + int(second.max()) + 1
    links = coo_array((np.ones(len(which)), (first, offset + second)), shape=(size, size))
    _, label = connected_components(links, directed=False)
    order = np.argsort(label[first], kind="stable")
    cluster = label[first][order]
    batch = np.searchsorted(cluster, cluster) // PAIRS_A_BATCH
    return np.split(which[order], np.flatnonzero(np.diff(batch)) + 1)
