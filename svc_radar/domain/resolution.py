"""Resolution: echoes in one resolution cell become one detection."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from svc_radar.domain.model import RadarModel
from svc_radar.domain.scene import Booleans, Floats, Indices, Polar

Groups: TypeAlias = dict[int, list[int]]


@dataclass(frozen=True, slots=True)
class Cell:
    """Distance in each quantity below which two targets are not resolved; None: ignored."""

    range_m: float
    bearing_deg: float | None = None
    elev_deg: float | None = None
    vr_mps: float | None = None


def cell_of(model: RadarModel) -> Cell:
    """Return the model's resolution cell; quantities that are not measured or have no resolution are ignored."""
    elevation = 0.0 if model.no_elevation else model.elev_resolution_deg
    doppler = 0.0 if model.no_radial_velocity else model.vr_resolution_mps
    return Cell(model.range_resolution_m, model.bearing_resolution_deg or None, elevation or None, doppler or None)


class Neighbourhood:
    """Neighbours among targets (n,): those closer than the cell in every quantity of the cell."""

    def __init__(self, seen: Polar, cell: Cell) -> None:
        self._seen = seen
        self._cell = cell
        self._order = np.argsort(seen.range_m, kind="stable")
        self._sorted_m = seen.range_m[self._order]

    def crowded(self) -> list[int]:
        """Return the targets that have a neighbour; in most scenes these are few.

        Targets in the order of range are compared with their first, second, ... successor, until none is near in range.
        """
        crowded = np.zeros(len(self._order), dtype=np.bool_)
        for step in range(1, len(self._order)):
            in_range = self._sorted_m[step:] - self._sorted_m[:-step] < self._cell.range_m
            if not in_range.any():
                break
            first, second = self._order[:-step][in_range], self._order[step:][in_range]
            near = self._near_otherwise(first, second)
            crowded[first[near]] = crowded[second[near]] = True
        found: list[int] = np.flatnonzero(crowded).tolist()
        return found

    def of(self, index: int) -> list[int]:
        """Return the neighbours of one target, in their order, without the target itself."""
        range_m = self._seen.range_m[index]
        first = np.searchsorted(self._sorted_m, range_m - self._cell.range_m, side="right")
        last = np.searchsorted(self._sorted_m, range_m + self._cell.range_m, side="left")
        others = self._order[first:last]
        near = (others != index) & self._near_otherwise(np.full(len(others), index), others)
        found: list[int] = np.sort(others[near]).tolist()
        return found

    def _near_otherwise(self, first: Indices, second: Indices) -> Booleans:
        """Return which of the pairs (m,) are near in every quantity except range."""
        seen, cell = self._seen, self._cell
        near = np.ones(len(first), dtype=np.bool_)
        if cell.bearing_deg is not None:
            off_deg = np.mod(seen.bearing_deg[second] - seen.bearing_deg[first] + 180.0, 360.0) - 180.0
            near &= np.abs(off_deg) < cell.bearing_deg
        if cell.elev_deg is not None:
            near &= np.abs(seen.elev_deg[second] - seen.elev_deg[first]) < cell.elev_deg
        if cell.vr_mps is not None:
            near &= np.abs(seen.vr_mps[second] - seen.vr_mps[first]) < cell.vr_mps
        return near


def groups_of(seen: Polar, strength: Floats, cell: Cell) -> Groups:
    """Return the groups of unresolved echoes: for the strongest of each group, its other members if it has any.

    The strongest echo takes all its neighbours, then the strongest of the rest does, and so on. A long chain of echoes,
    each near to the next, therefore does not become one group, and no group is wider than two cells.
    """
    nearby = Neighbourhood(seen, cell)
    groups: Groups = {}
    taken: set[int] = set()
    # Of equally strong echoes the first counts as the stronger.
    for leader in sorted(nearby.crowded(), key=lambda index: (-strength[index], index)):
        if leader not in taken:
            members = [index for index in nearby.of(leader) if index not in taken]
            taken.update((leader, *members))
            if members:
                groups[leader] = members
    return groups


def merged(seen: Polar, snr: Floats, groups: Groups) -> tuple[Polar, Floats, Indices]:
    """Return the detections (m,) of n echoes, their signal to noise ratios, and the index of each one's strongest echo.

    The measurement of a group is the mean of its members' measurements weighted by their ratios, and its ratio is their
    sum: the echoes of a cell add up in power, and their centroid is closer to the stronger.
    """
    columns = [column.copy() for column in (seen.range_m, seen.bearing_deg, seen.elev_deg, seen.vr_mps)]
    total = snr.copy()
    kept = np.ones(len(snr), dtype=np.bool_)
    for leader, members in groups.items():
        total[leader] = snr[leader] + snr[members].sum()
        weights = snr[members] / total[leader]
        for number, column in enumerate((seen.range_m, seen.bearing_deg, seen.elev_deg, seen.vr_mps)):
            off = column[members] - column[leader]
            if number == 1:
                off = np.mod(off + 180.0, 360.0) - 180.0
            columns[number][leader] = column[leader] + np.sum(weights * off)
        kept[members] = False
    leaders = np.flatnonzero(kept)
    return Polar(*columns)[leaders], total[leaders], leaders
