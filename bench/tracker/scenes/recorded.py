"""Recorded traffic scene: the aircraft of a recording as truth, detected by a radar at its origin."""

import gzip
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from bench.tracker.scenes.scan import wrap_bearing
from mesh.rng import generator
from svc_sim.domain.contacts.trajectory import Trajectory, parse_trajectory
from svc_tracker.domain import Detections, Frame, SensorModel, SensorStatus, bare_detections
from svc_tracker.domain.state.types import Booleans, Floats, Integers

_NS_PER_S: Final = 1_000_000_000
_MAX_SCANS: Final = 600
_RANGE_M: Final = (1_000.0, 100_000.0)
_ELEV_DEG: Final = (-5.0, 60.0)
_DETECTION_PROBABILITY: Final = 0.9
_CLUTTER_MAX_VR_MPS: Final = 300.0


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
class RadarScan:
    """A frame and the targets in view, n of them, from m detections.

    `ids` (n,), `position_m` (n, 3), `target_id` (m,) the id of the detected target, -1 for a false detection.
    """

    frame: Frame
    ids: Integers
    position_m: Floats
    target_id: Integers


def radar_scans(path: Path, radar: Radar, seed: int) -> list[RadarScan]:
    """Return the radar's scans of the recording, from its first second on."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        trajectory = parse_trajectory(file.read(), path)
    count = min(int(trajectory.end_s / radar.scan_s), _MAX_SCANS)
    sensor = sensor_model(radar)
    return [
        _radar_scan(trajectory, step, radar, sensor, generator(seed, f"bench/recorded/{radar.name}", step))
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
        clutter_max_vr_mps=_CLUTTER_MAX_VR_MPS,
    )


def _radar_scan(
    trajectory: Trajectory, step: int, radar: Radar, sensor: SensorModel, random: np.random.Generator
) -> RadarScan:
    time_s = step * radar.scan_s
    points = [(number, aircraft.point_at(time_s)) for number, aircraft in enumerate(trajectory.aircraft)]
    known = [(number, *point) for number, point in points if point is not None]
    ids = np.array([number for number, _, _ in known], dtype=np.int64)
    position = np.array([point for _, point, _ in known]).reshape(-1, 3)
    velocity = np.array([rate for _, _, rate in known]).reshape(-1, 3)
    inside = in_view(position)
    ids, position, velocity = ids[inside], position[inside], velocity[inside]
    if radar.elev_sigma_deg is None:
        position = _to_slant_plane(position)
    detections, target_id = _detect(ids, position, velocity, radar, random)
    frame = Frame(
        time_ns=round(time_s * _NS_PER_S),
        sensor_id="bench",
        status=SensorStatus.OK,
        sensor_position_m=np.zeros(3),
        sensor_velocity_mps=np.zeros(3),
        sensor_model=sensor,
        detections=detections,
    )
    return RadarScan(frame, ids, position, target_id)


def _detect(
    ids: Integers, position: Floats, velocity: Floats, radar: Radar, random: np.random.Generator
) -> tuple[Detections, Integers]:
    detected = np.flatnonzero(random.random(len(ids)) < _DETECTION_PROBABILITY)
    false = int(random.poisson(radar.clutter_per_scan))
    (east, north, up), range_m = position[detected].T, np.linalg.norm(position[detected], axis=1)
    noise = random.standard_normal((4, len(detected)))
    radial_mps = (position[detected] * velocity[detected]).sum(axis=1) / range_m
    truth = {
        "range_m": range_m + radar.range_sigma_m * noise[0],
        "bearing_deg": np.degrees(np.arctan2(east, north)) + radar.bearing_sigma_deg * noise[1],
        "elev_deg": np.degrees(np.arcsin(up / range_m)) + (radar.elev_sigma_deg or 0.0) * noise[2],
        "vr_mps": radial_mps + (radar.vr_sigma_mps or 0.0) * noise[3],
    }
    clutter = {
        "range_m": random.uniform(*_RANGE_M, false),
        "bearing_deg": random.uniform(0.0, 360.0, false),
        "elev_deg": random.uniform(*_ELEV_DEG, false),
        "vr_mps": random.uniform(-_CLUTTER_MAX_VR_MPS, _CLUTTER_MAX_VR_MPS, false),
    }
    order = random.permutation(len(detected) + false)
    column = {name: np.concatenate([truth[name], clutter[name]])[order] for name in truth}
    column["bearing_deg"] = wrap_bearing(column["bearing_deg"])
    for name, sigma in (("elev_deg", radar.elev_sigma_deg), ("vr_mps", radar.vr_sigma_mps)):
        if sigma is None:
            column[name] = np.zeros(len(order))
    detections = replace(bare_detections(column["range_m"], column["bearing_deg"]), **column)
    return detections, np.concatenate([ids[detected], np.full(false, -1)])[order]


def _to_slant_plane(position_m: Floats) -> Floats:
    """Project the positions (n, 3) into the plane, each at its bearing and slant range."""
    ground_m = np.maximum(np.hypot(position_m[:, 0], position_m[:, 1]), 1e-3)
    stretch = np.linalg.norm(position_m, axis=1) / ground_m
    return np.column_stack([position_m[:, :2] * stretch[:, None], np.zeros(len(position_m))])


def in_view(position_m: Floats) -> Booleans:
    """Return which positions (n, 3) are within the radars' range and elevation."""
    range_m = np.linalg.norm(position_m, axis=1)
    elev = np.degrees(np.arcsin(np.clip(position_m[:, 2] / np.maximum(range_m, 1.0), -1.0, 1.0)))
    within: Booleans = (range_m > _RANGE_M[0]) & (range_m < _RANGE_M[1]) & (elev > _ELEV_DEG[0]) & (elev < _ELEV_DEG[1])
    return within
