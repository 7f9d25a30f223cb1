"""Recorded traffic: the aircraft of a recording as truth, seen by a radar at its origin."""

import gzip
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import numpy as np

from bench.tracker.ours import recorded_model, reported
from bench.tracker.scene import wrapped
from bench.tracker.solo import Solo
from evaluation.gospa import gospa
from evaluation.switches import IdSwitches
from mesh.rng import generator
from svc_sim.domain.trajectory import Trajectory, parse_trajectory
from svc_tracker.domain import Detections, Frame, SensorModel, SensorStatus, Tracker, bare_detections
from svc_tracker.domain.state.types import Booleans, Floats, Integers

SEEDS: Final = (1, 2, 3)
CUT_OFF_M: Final = 1_000.0
JUDGED_AFTER: Final = 15
_NS_PER_S: Final = 1_000_000_000
_MAX_SCANS: Final = 600
_RANGE_M: Final = (1_000.0, 100_000.0)
_ELEV_DEG: Final = (-5.0, 60.0)
_DETECTION_PROBABILITY: Final = 0.9
_MOST_CLUTTER_VR_MPS: Final = 300.0


@dataclass(frozen=True, slots=True)
class Radar:
    """A radar; a sigma of None marks a quantity that it does not measure.

    A radar without elevation measures in a plane, in which a target is at its slant range: the evaluation uses that as
    the truth.
    """

    name: str
    scan_s: float
    clutter_per_scan: float
    range_sigma_m: float
    bearing_sigma_deg: float
    elev_sigma_deg: float | None
    vr_sigma_mps: float | None


RADARS: Final = {
    radar.name: radar
    for radar in (
        Radar("2D, 4 s", 4.0, 300.0, 50.0, 0.15, None, None),
        Radar("3D, 4 s", 4.0, 100.0, 50.0, 0.15, 0.3, None),
        Radar("3D, 1 s, Doppler", 1.0, 100.0, 20.0, 0.1, 0.15, 0.5),
    )
}


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


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A frame and the targets in view: `ids` (n,), `position_m` (n, 3); `whose` (m,) is each detection's id or -1."""

    frame: Frame
    ids: Integers
    position_m: Floats
    whose: Integers


def results(path: Path, seeds: Sequence[int], processes: int) -> list[Result]:
    """Return the results for each radar."""
    found = []
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for name in RADARS:
            runs = list(pool.map(run, [path] * len(seeds), [name] * len(seeds), seeds))
            means = np.array([figures for figures, _, _ in runs]).mean(axis=0)
            switches, aircraft = (float(np.mean([each[place] for each in runs])) for place in (1, 2))
            found.append(Result(name, means[0, 0], means[1, 0], means[0, 1:], means[1, 1:], switches, aircraft))
    return found


def run(path: Path, name: str, seed: int) -> tuple[Floats, int, float]:
    """Return (2, 4) mean GOSPA and its parts for tracker and oracle, the tracker's switches, the aircraft in view."""
    radar, switches, figures, in_view = RADARS[name], IdSwitches(), [], []
    model = recorded_model(flat=radar.elev_sigma_deg is None)
    tracker, solo = Tracker(model), Solo(model)
    for count, look in enumerate(looks(path, radar, seed)):
        table = tracker.step(look.frame)
        solo.step(look.frame, look.ids, look.whose)
        held = reported(table.records.status, table.existence_probability) & _in_view(table.position_m)
        known = solo.known()
        if count < JUDGED_AFTER:
            continue
        ours = gospa(look.position_m, table.position_m[held], CUT_OFF_M)
        oracle = gospa(look.position_m, known.position_m[_in_view(known.position_m)], CUT_OFF_M)
        target, track = ours.pairs.T
        switches.take(look.ids[target].tolist(), table.records.number[held][track].tolist(), look.ids.tolist())
        figures.append([(each.total, each.localisation, each.missed, each.false) for each in (ours, oracle)])
        in_view.append(len(look.ids))
    return np.array(figures).mean(axis=0), switches.switches, float(np.mean(in_view))


def looks(path: Path, radar: Radar, seed: int) -> list[Look]:
    """Return the radar's scans of the recording, from its first second on."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        trajectory = parse_trajectory(file.read(), path)
    count = min(int(trajectory.end_s / radar.scan_s), _MAX_SCANS)
    sensor = sensor_model(radar)
    return [
        _look(trajectory, step, radar, sensor, generator(seed, f"bench/recorded/{radar.name}", step))
        for step in range(count)
    ]


def sensor_model(radar: Radar) -> SensorModel:
    """Return the sensor model configured in the tracker."""
    return SensorModel(
        min_range_m=_RANGE_M[0],
        max_range_m=_RANGE_M[1],
        min_elev_deg=_ELEV_DEG[0],
        max_elev_deg=_ELEV_DEG[1],
        range_sigma_m=radar.range_sigma_m,
        bearing_sigma_deg=radar.bearing_sigma_deg,
        elev_sigma_deg=radar.elev_sigma_deg or 0.0,
        vr_sigma_mps=radar.vr_sigma_mps or 0.0,
        detection_probability=_DETECTION_PROBABILITY,
        clutter_per_scan=radar.clutter_per_scan,
        no_elevation=radar.elev_sigma_deg is None,
        no_radial_velocity=radar.vr_sigma_mps is None,
        clutter_max_vr_mps=_MOST_CLUTTER_VR_MPS,
    )


def _look(trajectory: Trajectory, step: int, radar: Radar, sensor: SensorModel, random: np.random.Generator) -> Look:
    time_s = step * radar.scan_s
    there = [(number, plane.point_at(time_s)) for number, plane in enumerate(trajectory.aircraft)]
    known = [(number, *point) for number, point in there if point is not None]
    ids = np.array([each[0] for each in known], dtype=np.int64)
    position = np.array([each[1] for each in known]).reshape(-1, 3)
    velocity = np.array([each[2] for each in known]).reshape(-1, 3)
    view = _in_view(position)
    ids, position, velocity = ids[view], position[view], velocity[view]
    if radar.elev_sigma_deg is None:
        position = _flattened(position)
    detections, whose = _detected(ids, position, velocity, radar, random)
    frame = Frame(
        time_ns=round(time_s * _NS_PER_S),
        sensor_id="bench",
        status=SensorStatus.OK,
        sensor_position_m=np.zeros(3),
        sensor_velocity_mps=np.zeros(3),
        sensor_model=sensor,
        detections=detections,
    )
    return Look(frame, ids, position, whose)


def _detected(
    ids: Integers, position: Floats, velocity: Floats, radar: Radar, random: np.random.Generator
) -> tuple[Detections, Integers]:
    seen = np.flatnonzero(random.random(len(ids)) < _DETECTION_PROBABILITY)
    false = int(random.poisson(radar.clutter_per_scan))
    (east, north, up), range_m = position[seen].T, np.linalg.norm(position[seen], axis=1)
    noise = random.standard_normal((4, len(seen)))
    most = _MOST_CLUTTER_VR_MPS
    truth = {
        "range_m": range_m + radar.range_sigma_m * noise[0],
        "bearing_deg": np.degrees(np.arctan2(east, north)) + radar.bearing_sigma_deg * noise[1],
        "elev_deg": np.degrees(np.arcsin(up / range_m)) + (radar.elev_sigma_deg or 0.0) * noise[2],
        "vr_mps": (position[seen] * velocity[seen]).sum(axis=1) / range_m + (radar.vr_sigma_mps or 0.0) * noise[3],
    }
    clutter = {
        "range_m": random.uniform(*_RANGE_M, false),
        "bearing_deg": random.uniform(0.0, 360.0, false),
        "elev_deg": random.uniform(*_ELEV_DEG, false),
        "vr_mps": random.uniform(-most, most, false),
    }
    order = random.permutation(len(seen) + false)
    column = {name: np.concatenate([truth[name], clutter[name]])[order] for name in truth}
    column["bearing_deg"] = wrapped(column["bearing_deg"])
    for name, sigma in (("elev_deg", radar.elev_sigma_deg), ("vr_mps", radar.vr_sigma_mps)):
        if sigma is None:
            column[name] = np.zeros(len(order))
    detections = replace(bare_detections(column["range_m"], column["bearing_deg"]), **column)
    return detections, np.concatenate([ids[seen], np.full(false, -1)])[order]


def _flattened(position_m: Floats) -> Floats:
    """Project the positions (n, 3) into the plane, each at its bearing and slant range."""
    ground_m = np.maximum(np.hypot(position_m[:, 0], position_m[:, 1]), 1e-3)
    stretch = np.linalg.norm(position_m, axis=1) / ground_m
    return np.column_stack([position_m[:, :2] * stretch[:, None], np.zeros(len(position_m))])


def _in_view(position_m: Floats) -> Booleans:
    range_m = np.linalg.norm(position_m, axis=1)
    elev = np.degrees(np.arcsin(np.clip(position_m[:, 2] / np.maximum(range_m, 1.0), -1.0, 1.0)))
    within: Booleans = (range_m > _RANGE_M[0]) & (range_m < _RANGE_M[1]) & (elev > _ELEV_DEG[0]) & (elev < _ELEV_DEG[1])
    return within
