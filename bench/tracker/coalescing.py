"""Four targets that approach within a metre of each other and part again; one of them ends meanwhile.

The scene is that of Williams, "Marginal multi-Bernoulli filters: RFS derivation of MHT, JIPDA, and association-based
MeMBer" (IEEE Trans. AES 51(3), 2015), seen by a distant radar with errors of a metre each across and along.
"""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from multiprocessing import get_context
from typing import Final

import numpy as np

from bench.tracker.ours import Ours, coalescing_model
from bench.tracker.runner import Runner
from bench.tracker.scene import Scan, wrapped
from bench.tracker.stone_soup import Radar, Settings, StoneSoup
from bench.tracker.stone_soup_jpda import StoneSoupJpda
from evaluation.gospa import gospa
from mesh.rng import generator
from svc_tracker.domain import SensorModel
from svc_tracker.domain.frame import Sector
from svc_tracker.domain.state.types import Floats, Integers

SEEDS: Final = tuple(range(1, 21))
CUT_OFF_M: Final = 10.0
SCANS: Final = 81
SWEEP: Final = tuple(
    Settings(noise_m2ps3=q, min_points=points, deleted_after=misses, gate_sigmas=4.0)
    for q, points, misses in product((0.01, 0.03), (3, 4), (2, 3, 4))
)
QUICK_SWEEP: Final = SWEEP[:3]
_THINGS: Final = 4
_MEETING: Final = 40
_DIES_AFTER: Final = 40
_SIGMA_M: Final = 1.0
_NOISE_M2PS3: Final = 0.01
_MEETING_SPREAD_M: Final = 0.1
_SPEED_SIGMA_MPS: Final = 1.0
_DETECTION_PROBABILITY: Final = 0.9
_CLUTTER_PER_SCAN: Final = 10.0
_HALF_SIDE_M: Final = 150.0
_DISTANCE_M: Final = 10_000.0
_BEARING_SIGMA_DEG: Final = float(np.degrees(_SIGMA_M / _DISTANCE_M))
_HALF_WIDTH_DEG: Final = float(np.degrees(_HALF_SIDE_M / _DISTANCE_M))
_SWEEP_SEEDS: Final = 4
_KEPT: Final = 3


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
            _tried(pool, "ours", [None], seeds)[0],
            *(_best(pool, name, seeds, sweep) for name in ("Stone Soup GNN", "Stone Soup JPDA")),
        ]


def scans(seed: int) -> list[Scan]:
    """Return a meeting's scans, a second apart; the radar is at the origin, the meeting north of it."""
    states = _states(generator(seed, "bench/coalescing/motion", 0))
    found = []
    for step in range(SCANS):
        alive = np.arange(_THINGS if step < _DIES_AFTER else _THINGS - 1)
        found.append(_scan(step, alive, states[step, alive], generator(seed, "bench/coalescing/radar", step)))
    return found


def sensor_model() -> SensorModel:
    """Return the sensor model configured in the tracker."""
    return SensorModel(
        min_range_m=_DISTANCE_M - _HALF_SIDE_M,
        max_range_m=_DISTANCE_M + _HALF_SIDE_M,
        min_elev_deg=-90.0,
        max_elev_deg=90.0,
        range_sigma_m=_SIGMA_M,
        bearing_sigma_deg=_BEARING_SIGMA_DEG,
        elev_sigma_deg=0.0,
        vr_sigma_mps=0.0,
        detection_probability=_DETECTION_PROBABILITY,
        clutter_per_scan=_CLUTTER_PER_SCAN,
        coverage=Sector(360.0 - _HALF_WIDTH_DEG, 2.0 * _HALF_WIDTH_DEG),
        no_elevation=True,
        no_radial_velocity=True,
    )


def squares(name: str, seed: int, settings: Settings | None) -> list[float]:
    """Return GOSPA squared after every scan of a meeting."""
    runner, found = _runner(name, settings or Settings()), []
    for scan in scans(seed):
        runner.step(runner.prepare(scan))
        found.append(gospa(scan.position_m, runner.estimates().position_m, CUT_OFF_M).total ** 2)
    return found


def _runner(name: str, settings: Settings) -> Runner:
    if name == "ours":
        return Ours(sensor_model(), coalescing_model())
    radar = Radar(_SIGMA_M, _SIGMA_M / _DISTANCE_M, _SPEED_SIGMA_MPS)
    if name == "Stone Soup GNN":
        return StoneSoup(radar, settings)
    # False detections in a square of bearing and scaled range, in which sigma has the same length along both.
    density = _CLUTTER_PER_SCAN / (2.0 * _HALF_SIDE_M / _DISTANCE_M) ** 2
    return StoneSoupJpda(radar, settings, _DETECTION_PROBABILITY, density)


def _best(pool: ProcessPoolExecutor, name: str, seeds: Sequence[int], sweep: Sequence[Settings]) -> Result:
    ranked = sorted(_tried(pool, name, sweep, seeds[:_SWEEP_SEEDS]), key=lambda result: result.rms_m)
    return min(_tried(pool, name, [result.settings for result in ranked[:_KEPT]], seeds), key=lambda r: r.rms_m)


def _tried(
    pool: ProcessPoolExecutor, name: str, settings: Sequence[Settings | None], seeds: Sequence[int]
) -> list[Result]:
    jobs = [(name, seed, setting) for setting in settings for seed in seeds]
    found = np.array(list(pool.map(squares, *zip(*jobs, strict=True)))).reshape(len(settings), len(seeds), SCANS)
    return [
        Result(name, float(np.sqrt(of.mean())), np.sqrt(of.mean(axis=0)), setting)
        for of, setting in zip(found, settings, strict=True)
    ]


def _states(random: np.random.Generator) -> Floats:
    """Return positions and velocities (scans, targets, 4), propagated both ways in time from the random meeting.

    Backwards in time the same motion has the reversed velocity.
    """
    states = np.zeros((SCANS, _THINGS, 4))
    states[_MEETING, :, :2] = [0.0, _DISTANCE_M]
    states[_MEETING, :, :2] += _MEETING_SPREAD_M * random.standard_normal((_THINGS, 2))
    states[_MEETING, :, 2:] = _SPEED_SIGMA_MPS * random.standard_normal((_THINGS, 2))
    for places, sign in ((range(_MEETING + 1, SCANS), 1), (range(_MEETING - 1, -1, -1), -1)):
        for place in places:
            states[place] = _stepped(states[place - sign], sign, random)
    return states


def _stepped(states: Floats, sign: int, random: np.random.Generator) -> Floats:
    kick = np.sqrt(_NOISE_M2PS3) * random.standard_normal((_THINGS, 2))
    shift = np.sqrt(_NOISE_M2PS3 / 12.0) * random.standard_normal((_THINGS, 2))
    position, velocity = states[:, :2], states[:, 2:]
    return np.hstack([position + sign * (velocity + kick / 2.0) + shift, velocity + kick])


def _scan(step: int, ids: Integers, states: Floats, random: np.random.Generator) -> Scan:
    seen = np.flatnonzero(random.random(len(ids)) < _DETECTION_PROBABILITY)
    east, north = states[seen, 0], states[seen, 1]
    range_m = np.hypot(east, north) + _SIGMA_M * random.standard_normal(len(seen))
    bearing = np.degrees(np.arctan2(east, north)) + _BEARING_SIGMA_DEG * random.standard_normal(len(seen))
    false = int(random.poisson(_CLUTTER_PER_SCAN))
    order = random.permutation(len(seen) + false)
    near_m = _DISTANCE_M + random.uniform(-_HALF_SIDE_M, _HALF_SIDE_M, false)
    aside_deg = random.uniform(-_HALF_WIDTH_DEG, _HALF_WIDTH_DEG, false)
    return Scan(
        time_s=float(step + 1),
        ids=ids,
        position_m=states[:, :2],
        velocity_mps=states[:, 2:],
        turning=np.zeros(len(ids), dtype=np.bool_),
        range_m=np.concatenate([range_m, near_m])[order],
        bearing_deg=wrapped(np.concatenate([bearing, aside_deg])[order]),
        source=np.concatenate([seen, np.full(false, -1)])[order],
    )
