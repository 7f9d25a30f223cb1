"""Oracle: the textbook IMM with perfect association, which reports a target from its third detection."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from bench.tracker.scenes.air_traffic import RANGE_SIGMA_M, Scene
from bench.tracker.scenes.scan import SceneScan
from bench.tracker.trackers import textbook_imm as imm
from bench.tracker.trackers.runner import Estimates
from svc_tracker.domain.state.types import Booleans, Integers

_REPORTED_FROM: Final = 3


@dataclass(eq=False)
class Oracle:
    """Filters of the present targets, by their ids."""

    scene: Scene
    model: imm.ImmModel = field(default_factory=imm.ImmModel)
    name: str = "oracle"

    def __post_init__(self) -> None:
        bearing_sigma = np.radians(self.scene.variant.bearing_sigma_deg)
        self._noise = np.diag([RANGE_SIGMA_M**2, bearing_sigma**2])
        self._ids: Integers = np.zeros(0, dtype=np.int64)
        self._hits: Integers = np.zeros(0, dtype=np.int64)
        self._filters = imm.initiate(np.zeros(0), np.zeros(0), self._noise, self.model)
        self._time_s = 0.0

    def prepare(self, scan: SceneScan) -> SceneScan:
        """Return the scan: the oracle reads the target of each detection."""
        return scan

    def step(self, prepared: SceneScan) -> None:
        """Process a scan: drop targets that are gone, predict, update the detected ones, initiate new ones."""
        scan = prepared
        live = np.isin(self._ids, scan.ids)
        self._ids, self._hits = self._ids[live], self._hits[live]
        filters = imm.select(self._filters, live)
        filters = imm.predict(filters, scan.time_s - self._time_s, self.model)
        self._time_s = scan.time_s
        detection = np.flatnonzero(scan.source >= 0)
        target_id = scan.ids[scan.source[detection]]
        range_m, bearing = scan.range_m[detection], np.radians(scan.bearing_deg[detection])
        known, row = _find(target_id, self._ids)
        updated = imm.update(imm.select(filters, row), range_m[known], bearing[known], self._noise)
        self._hits[row] += 1
        new = imm.initiate(range_m[~known], bearing[~known], self._noise, self.model)
        self._filters = imm.concatenate(imm.replace_rows(filters, row, updated), new)
        self._ids = np.concatenate([self._ids, target_id[~known]])
        self._hits = np.concatenate([self._hits, np.ones(np.count_nonzero(~known), dtype=np.int64)])

    def estimates(self) -> Estimates:
        """Return the filters with enough detections."""
        reported = self._hits >= _REPORTED_FROM
        mean, covariance = imm.combine(imm.select(self._filters, reported))
        return Estimates(self._ids[reported], mean[:, :2], mean[:, 2:], covariance)


def _find(ids: Integers, among: Integers) -> tuple[Booleans, Integers]:
    """Return a mask of the ids that are in `among`, and their rows there."""
    if not len(among):
        return np.zeros(len(ids), dtype=np.bool_), np.zeros(0, dtype=np.int64)
    order = np.argsort(among)
    rank = np.minimum(np.searchsorted(among, ids, sorter=order), len(among) - 1)
    known = among[order[rank]] == ids
    return known, order[rank[known]]
