"""Coalescing: root mean square GOSPA of the trackers on targets that meet, Stone Soup at the best of a sweep."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from multiprocessing import get_context
from typing import Final

import numpy as np

from bench.tracker.scenes import coalescing as scene
from bench.tracker.trackers.ours import Ours, coalescing_model
from bench.tracker.trackers.runner import Runner
from bench.tracker.trackers.stone_soup import Radar, Settings, StoneSoup
from bench.tracker.trackers.stone_soup_jpda import StoneSoupJpda
from evaluation.gospa import gospa
from svc_tracker.domain.state.types import Floats

SEEDS: Final = tuple(range(1, 21))
CUT_OFF_M: Final = 10.0
SWEEP: Final = tuple(
    Settings(noise_m2ps3=q, min_points=points, deleted_after=misses, gate_sigmas=4.0)
    for q, points, misses in product((0.01, 0.03), (3, 4), (2, 3, 4))
)
QUICK_SWEEP: Final = SWEEP[:3]
_SWEEP_SEEDS: Final = 4
_FINALISTS: Final = 3


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """A tracker's root mean square GOSPA over scans and seeds, and over the seeds in each scan (k,)."""

    runner: str
    rms_m: float
    history_m: Floats
    settings: Settings | None = None


def results(seeds: Sequence[int], processes: int, sweep: Sequence[Settings]) -> list[Result]:
    """Return the results of ours and of Stone Soup's two on the same scans; for these the best of a sweep."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        return [
            _run_all(pool, "ours", [None], seeds)[0],
            *(_best(pool, name, seeds, sweep) for name in ("Stone Soup GNN", "Stone Soup JPDA")),
        ]


def squared_gospa(name: str, seed: int, settings: Settings | None) -> list[float]:
    """Return GOSPA squared after every scan of a meeting."""
    runner, squares = _make_runner(name, settings or Settings()), []
    for scan in scene.scans(seed):
        runner.step(runner.prepare(scan))
        squares.append(gospa(scan.position_m, runner.estimates().position_m, CUT_OFF_M).total ** 2)
    return squares


def _make_runner(name: str, settings: Settings) -> Runner:
    if name == "ours":
        return Ours(scene.sensor_model(), coalescing_model())
    radar = Radar(scene.SIGMA_M, scene.SIGMA_M / scene.DISTANCE_M, scene.SPEED_SIGMA_MPS)
    if name == "Stone Soup GNN":
        return StoneSoup(radar, settings)
    # False detections in a square of bearing and scaled range, in which sigma has the same length along both.
    density = scene.CLUTTER_PER_SCAN / (2.0 * scene.HALF_SIDE_M / scene.DISTANCE_M) ** 2
    return StoneSoupJpda(radar, settings, scene.DETECTION_PROBABILITY, density)


def _best(pool: ProcessPoolExecutor, name: str, seeds: Sequence[int], sweep: Sequence[Settings]) -> Result:
    ranked = sorted(_run_all(pool, name, sweep, seeds[:_SWEEP_SEEDS]), key=lambda result: result.rms_m)
    return min(_run_all(pool, name, [result.settings for result in ranked[:_FINALISTS]], seeds), key=lambda r: r.rms_m)


def _run_all(
    pool: ProcessPoolExecutor, name: str, settings: Sequence[Settings | None], seeds: Sequence[int]
) -> list[Result]:
    """Return a tracker's result at each setting."""
    jobs = [(name, seed, setting) for setting in settings for seed in seeds]
    squared_m2 = np.array(list(pool.map(squared_gospa, *zip(*jobs, strict=True))))
    squared_m2 = squared_m2.reshape(len(settings), len(seeds), scene.SCANS)
    return [
        Result(name, float(np.sqrt(squared.mean())), np.sqrt(squared.mean(axis=0)), setting)
        for squared, setting in zip(squared_m2, settings, strict=True)
    ]
