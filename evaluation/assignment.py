"""The best pairs of points nearer to each other than a cut-off: exact, and never a table of all with all."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from svc_tracker.domain.association.assignment import matching
from svc_tracker.domain.state.types import Floats, Indices

PAIRS_A_BATCH: Final = 500
"""Clusters are solved together up to so many pairs: a call has its cost, and the solver's grows with the square."""


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """k pairs: the rows of the first points (k,), those of the second (k,), and their distances (k,)."""

    first: Indices
    second: Indices
    distance: Floats

    def chosen(self, which: Indices) -> "Pairs":
        """Return some of the pairs, by index."""
        return Pairs(self.first[which], self.second[which], self.distance[which])


def best_pairs(first: Floats, second: Floats, c: float, p: float) -> Pairs:
    """Return the pairs that minimise sum d^p + c^p/2 (points without a pair), for points (n, k) and (m, k).

    d is the Euclidean distance; every point is in one pair at most, and all pairs are nearer than c, as breaking up
    another costs no more. So points that are not linked by distances below c, not even by way of others, are assigned
    apart. The pairs are in the order of the first points. Time and memory grow with the number of pairs below c.
    """
    near = _near(first, second, c)
    alone = (np.bincount(near.first)[near.first] == 1) & (np.bincount(near.second)[near.second] == 1)
    contested = np.flatnonzero(~alone)
    taken = [np.flatnonzero(alone)]
    for batch in _batches(near, contested):
        rival = near.chosen(batch)
        # A point without a pair costs as much as a pair at the cut-off: what is nearer gains the rest.
        gain = 1.0 - (rival.distance / c) ** p
        taken.append(batch[matching(rival.first, rival.second, gain)])
    which = np.concatenate(taken)
    return near.chosen(which[np.argsort(near.first[which])])


def _near(first: Floats, second: Floats, c: float) -> Pairs:
    """Return all pairs nearer than c."""
    found = cKDTree(first).sparse_distance_matrix(cKDTree(second), c, output_type="ndarray")
    below = found[found["v"] < c]
    return Pairs(below["i"].astype(np.intp), below["j"].astype(np.intp), below["v"].astype(np.float64))


def _batches(near: Pairs, which: Indices) -> list[Indices]:
    """Return these of the pairs in groups of about `PAIRS_A_BATCH`; a cluster of linked points is never split."""
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
