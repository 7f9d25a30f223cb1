"""Recorded traffic: GOSPA of the tracker and of perfect association, on the same frames."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import numpy as np

from bench.tracker.scenes.recorded import RADARS, in_view, radar_scans
from bench.tracker.trackers.ours import recorded_model, reported
from bench.tracker.trackers.perfect_association import PerfectAssociation
from evaluation.gospa import gospa
from evaluation.switches import IdSwitches
from svc_tracker.domain import Tracker
from svc_tracker.domain.state.types import Floats

SEEDS: Final = (1, 2, 3)
CUT_OFF_M: Final = 1_000.0
EVALUATED_AFTER: Final = 15


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """Mean GOSPA of tracker and oracle over evaluated scans and seeds; the parts (3,) are of their squares."""

    radar: str
    ours_m: float
    oracle_m: float
    ours_parts: Floats
    oracle_parts: Floats
    switches: float
    aircraft: float

    @property
    def ratio(self) -> float:
        """Ours by the oracle's."""
        return self.ours_m / self.oracle_m


def results(path: Path, seeds: Sequence[int], processes: int) -> list[Result]:
    """Return the results for each radar."""
    found = []
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for name in RADARS:
            runs = list(pool.map(run, [path] * len(seeds), [name] * len(seeds), seeds))
            means = np.array([figures for figures, _, _ in runs]).mean(axis=0)
            switches, aircraft = (float(np.mean(values)) for values in list(zip(*runs, strict=True))[1:])
            found.append(Result(name, means[0, 0], means[1, 0], means[0, 1:], means[1, 1:], switches, aircraft))
    return found


def run(path: Path, name: str, seed: int) -> tuple[Floats, int, float]:
    """Return (2, 4) mean GOSPA and its parts for tracker and oracle, the tracker's switches, the aircraft in view."""
    radar, switches, figures, counts = RADARS[name], IdSwitches(), [], []
    model = recorded_model(flat=radar.elev_sigma_deg is None)
    tracker, reference = Tracker(model), PerfectAssociation(model)
    for count, scan in enumerate(radar_scans(path, radar, seed)):
        table = tracker.step(scan.frame)
        reference.step(scan.frame, scan.ids, scan.target_id)
        evaluated = reported(table.records.status, table.existence_probability) & in_view(table.position_m)
        known = reference.reported()
        if count < EVALUATED_AFTER:
            continue
        ours = gospa(scan.position_m, table.position_m[evaluated], CUT_OFF_M)
        oracle = gospa(scan.position_m, known.position_m[in_view(known.position_m)], CUT_OFF_M)
        target, track = ours.pairs.T
        switches.take(scan.ids[target].tolist(), table.records.number[evaluated][track].tolist(), scan.ids.tolist())
        figures.append([(each.total, each.localisation, each.missed, each.false) for each in (ours, oracle)])
        counts.append(len(scan.ids))
    return np.array(figures).mean(axis=0), switches.switches, float(np.mean(counts))
