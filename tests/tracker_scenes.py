"""Scenes for the tracker's tests: targets at constant velocity, observed by the radar's own domain."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mesh.rng import generator
from radar_scenes import PERFECT, platform
from svc_radar.domain import Platform, RadarModel, RangeBand, Scan, Targets, observe
from svc_radar.wire.sensor_model import to_sensor_model
from svc_tracker.domain import Detections, Frame, SensorModel, SensorStatus
from svc_tracker.domain.frame import Sector, SwerlingCase
from svc_tracker.domain.state.records import TrackRecords

Floats = npt.NDArray[np.float64]

NS_PER_S = 1_000_000_000
START_NS = 1_700_000_000 * NS_PER_S

LONG = dataclasses.replace(
    PERFECT,
    sensor_id="long",
    min_range_m=1_000.0,
    max_range_m=100_000.0,
    min_elev_deg=-30.0,
    max_elev_deg=60.0,
    range_sigma_m=40.0,
    bearing_sigma_deg=0.2,
    elev_sigma_deg=0.3,
    vr_sigma_mps=1.0,
    detection_probability=0.9,
    clutter_per_scan=3.0,
    range_ref_m=50_000.0,
    transponder_range_m=80_000.0,
    transponder_reply_probability=0.95,
    max_detections=4_000,
)
SHORT = dataclasses.replace(
    LONG,
    sensor_id="short",
    range_band=RangeBand.SR,
    min_range_m=30.0,
    max_range_m=12_000.0,
    min_elev_deg=-60.0,
    max_elev_deg=85.0,
    range_sigma_m=5.0,
    bearing_sigma_deg=0.4,
    elev_sigma_deg=0.4,
    vr_sigma_mps=0.3,
    detection_probability=0.97,
    clutter_per_scan=1.0,
    transponder_range_m=12_000.0,
)


@dataclass
class Scene:
    """n targets, each array (n, 3) in ENU, with their transponder identities."""

    position_m: Floats
    velocity_mps: Floats
    identity: tuple[str, ...] = ()
    own: Platform = field(default_factory=platform)

    def after(self, dt_s: float) -> "Scene":
        return dataclasses.replace(self, position_m=self.position_m + dt_s * self.velocity_mps)

    def targets(self) -> Targets:
        count = len(self.position_m)
        return Targets(
            position_m=self.position_m,
            velocity_mps=self.velocity_mps,
            rcs_dbsm=np.full(count, 20.0),
            transponder_mode=np.full(count, 1 if self.identity else 0, dtype=np.int64),
            transponder_id=self.identity or ("",) * count,
        )


def scene(*targets: Any, identity: tuple[str, ...] = ()) -> Scene:
    """Return targets given as (position, velocity)."""
    states = np.array(targets, dtype=np.float64).reshape(-1, 2, 3)
    return Scene(states[:, 0].copy(), states[:, 1].copy(), identity)


def crowd(count: int, size_m: float, seed: int) -> Scene:
    """Return aircraft spread over a square of half this size."""
    rng = np.random.default_rng(seed)
    level = rng.uniform(-size_m, size_m, (count, 2))
    course = rng.uniform(0.0, 2.0 * np.pi, count)
    speed = rng.uniform(60.0, 250.0, count)
    return Scene(
        np.column_stack([level, rng.uniform(500.0, 9_000.0, count)]),
        np.column_stack([speed * np.sin(course), speed * np.cos(course), rng.uniform(-5.0, 5.0, count)]),
    )


def sensor_model(radar: RadarModel) -> SensorModel:
    """Return the sensor model of the radar's frames."""
    message = to_sensor_model(radar)
    same: dict[str, Any] = {name.name: getattr(message, name.name) for name in dataclasses.fields(SensorModel)}
    coverage = Sector(radar.coverage.start_deg, radar.coverage.width_deg)
    return SensorModel(**(same | {"coverage": coverage, "swerling": SwerlingCase(message.swerling)}))


def frame(radar: RadarModel, seen: Scene, t_s: float, step: int, seed: int = 1) -> Frame:
    """Return the radar's frame of the scene at this time."""
    scan = observe(radar, seen.own, seen.targets(), generator(seed, radar.sensor_id, step))
    return Frame(
        time_ns=START_NS + round(t_s * NS_PER_S),
        sensor_id=radar.sensor_id,
        status=SensorStatus.OK,
        sensor_position_m=seen.own.position_m,
        sensor_velocity_mps=seen.own.velocity_mps,
        sensor_model=sensor_model(radar),
        detections=detections(scan, radar),
        truncated=scan.truncated,
    )


def frames(radar: RadarModel, start: Scene, scans: int, seed: int = 1) -> Iterator[tuple[Scene, Frame]]:
    """Return truth and frame of every scan, one a second."""
    for step in range(1, scans + 1):
        now = start.after(float(step))
        yield now, frame(radar, now, float(step), step, seed)


def empty_frame(t_s: float, status: SensorStatus = SensorStatus.OK, radar: RadarModel = LONG) -> Frame:
    """Return a frame without detections."""
    return Frame(
        time_ns=START_NS + round(t_s * NS_PER_S),
        sensor_id=radar.sensor_id,
        status=status,
        sensor_position_m=np.zeros(3),
        sensor_velocity_mps=np.zeros(3),
        sensor_model=sensor_model(radar),
    )


def detections(scan: Scan, radar: RadarModel) -> Detections:
    band = np.full(len(scan), int(radar.range_band))
    columns = [column.name for column in dataclasses.fields(Detections) if column.name != "range_band"]
    return Detections(**{name: getattr(scan, name) for name in columns}, range_band=band)


def bits(value: Any) -> Any:
    """Return every value of nested dataclasses and records of arrays, exactly."""
    if isinstance(value, TrackRecords):
        return bits(value.words)
    if dataclasses.is_dataclass(value):
        return tuple(bits(getattr(value, column.name)) for column in dataclasses.fields(value))
    if isinstance(value, np.ndarray):
        return value.tolist() if value.dtype == np.object_ else (value.shape, value.tobytes())
    return value
