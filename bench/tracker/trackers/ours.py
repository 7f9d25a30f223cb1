"""The mesh's tracker under the benchmark, in one configuration for all scenes."""

from dataclasses import replace
from typing import Final

import numpy as np

from bench.tracker.scenes.air_traffic import RANGE_SIGMA_M, Scene
from bench.tracker.scenes.scan import SceneScan
from bench.tracker.trackers.runner import Estimates
from svc_tracker.domain import (
    Frame,
    SensorModel,
    SensorStatus,
    TrackerModel,
    TrackStatus,
    bare_detections,
)
from svc_tracker.domain.cycle import ScanResult, TrackingCycle
from svc_tracker.domain.filter.imm import mixture_moments
from svc_tracker.domain.model import DEFAULT_MODES, Mode
from svc_tracker.domain.state.tracks import probability_of
from svc_tracker.domain.state.types import Booleans, Floats, Integers, Layout

_NS_PER_S: Final = 1_000_000_000
_PLANE: Final = np.array([0, 1, 3, 4])
REPORTED_FROM: Final = 0.5
"""The least existence probability of an evaluated track; tracks may be kept below it."""


def bench_model() -> TrackerModel:
    """Return the one evaluated configuration: births, lifetimes and turns as in the scenes."""
    straight, *turns = DEFAULT_MODES
    return TrackerModel(
        axes=2,
        modes=(replace(straight, horizontal_noise_m2ps3=0.3, mean_stay_s=300.0), *turns),
        new_target_probability=0.001,
        birth_rate_per_scan=2.2,
        mean_lifetime_s=200.0,
        confirm_probability=0.6,
        delete_probability=0.02,
        new_odds_kept=0.3,
        max_tracks=50_000,
        max_detections=50_000,
        compiled=True,
    )


def recorded_model(flat: bool) -> TrackerModel:
    """Return the configuration for aircraft: the tracker's defaults, except for scans that may be seconds apart."""
    return TrackerModel(axes=2 if flat else 3, max_coast_s=30.0)


def coalescing_model() -> TrackerModel:
    """Return the configuration for few slow targets that drift by metres on one course."""
    drift = Mode("straight", 0.0, horizontal_noise_m2ps3=0.01, vertical_noise_m2ps3=0.01, mean_stay_s=1_000.0)
    return replace(bench_model(), modes=(drift,), horizontal_speed_sigma_mps=1.0, birth_rate_per_scan=0.1)


def sensor_model(scene: Scene) -> SensorModel:
    """Return the sensor model of the scene's radar: full circle, 2D, without radial velocity."""
    variant = scene.variant
    return SensorModel(
        min_range_m=0.0,
        max_range_m=scene.radius_m,
        min_elev_deg=-90.0,
        max_elev_deg=90.0,
        range_sigma_m=RANGE_SIGMA_M,
        bearing_sigma_deg=variant.bearing_sigma_deg,
        elev_sigma_deg=0.0,
        vr_sigma_mps=0.0,
        detection_probability=variant.detection_probability,
        clutter_per_scan=scene.clutter_per_scan,
        no_elevation=True,
        no_radial_velocity=True,
    )


def reported(status: Integers, existence: Floats) -> Booleans:
    """Return which tracks are evaluated: confirmed ones with a sufficient existence probability."""
    confirmed: Booleans = (status == TrackStatus.TRACKED) | (status == TrackStatus.COASTING)
    return confirmed & (existence >= REPORTED_FROM)


class Ours:
    """The tracker of svc_tracker on a scene's scans; its confirmed tracks are evaluated."""

    name = "ours"

    def __init__(self, sensor: SensorModel, model: TrackerModel) -> None:
        self._sensor = sensor
        self._layout = Layout.of(model.axes)
        self._cycle = TrackingCycle(model)
        self._result: ScanResult | None = None

    def prepare(self, scan: SceneScan) -> Frame:
        """Return the scan as a frame of a radar at the origin."""
        return Frame(
            time_ns=round(scan.time_s * _NS_PER_S),
            sensor_id="bench",
            status=SensorStatus.OK,
            sensor_position_m=np.zeros(3),
            sensor_velocity_mps=np.zeros(3),
            sensor_model=self._sensor,
            detections=bare_detections(scan.range_m, scan.bearing_deg),
        )

    def step(self, prepared: Frame) -> None:
        """Process a frame."""
        self._result = self._cycle.step(prepared)

    def estimates(self) -> Estimates:
        """Return the confirmed tracks."""
        result = self._result
        if result is None:
            return Estimates(np.zeros(0, np.int64), np.zeros((0, 2)), np.zeros((0, 2)), np.zeros((0, 4, 4)))
        records = result.records()
        rows = reported(records.status, probability_of(records.score))
        mixture = mixture_moments(result.estimates(), self._layout.packing, self._layout.size)
        mean = mixture.mean[:, rows].T
        covariance = self._layout.unpack(mixture.covariance[:, rows]).transpose(2, 0, 1)
        return Estimates(records.number[rows], mean[:, :2], mean[:, 2:], covariance)


def in_plane(covariance: Floats) -> Floats:
    """Return the part of covariances (k, 6, 6) for east, north and their rates, (k, 4, 4)."""
    flat: Floats = covariance[:, _PLANE[:, None], _PLANE]
    return flat
