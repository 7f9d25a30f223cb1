"""Stone Soup's tracker in its fastest honest configuration: GNN-2D with a KD-tree of detections and an EKF."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from stonesoup.dataassociator.tree import DetectionKDTreeGNN2D
from stonesoup.deleter.time import UpdateTimeStepsDeleter
from stonesoup.hypothesiser.distance import DistanceHypothesiser
from stonesoup.initiator.simple import MultiMeasurementInitiator
from stonesoup.measures import Mahalanobis
from stonesoup.models.measurement.nonlinear import CartesianToBearingRange
from stonesoup.models.transition.linear import (
    CombinedLinearGaussianTransitionModel,
    ConstantVelocity,
    LinearGaussianTimeInvariantTransitionModel,
)
from stonesoup.predictor.kalman import ExtendedKalmanPredictor
from stonesoup.types.angle import Bearing
from stonesoup.types.array import StateVector
from stonesoup.types.detection import Detection
from stonesoup.types.state import GaussianState
from stonesoup.updater.kalman import ExtendedKalmanUpdater

from bench.tracker.scenes.air_traffic import RANGE_SIGMA_M, Scene
from bench.tracker.scenes.population import SCAN_S, SPEED_MPS
from bench.tracker.scenes.scan import SceneScan
from bench.tracker.trackers.runner import Estimates

_START: Final = datetime(2026, 1, 1)
# Order of Stone Soup's state, x, vx, y, vy, rearranged to x, y, vx, vy.
_ORDER: Final = np.array([0, 2, 1, 3])


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the sweep: process noise, points to confirm a track, misses to delete one, and its gate."""

    noise_m2ps3: float = 1.0
    min_points: int = 4
    deleted_after: int = 3
    tentative_deleted_after: int = 2
    gate_sigmas: float = 3.5
    tree_radius_sigmas: float = 25.0


@dataclass(frozen=True, slots=True)
class Radar:
    """Radar and target model configured in Stone Soup; each component of a velocity has this sigma."""

    range_sigma_m: float
    bearing_sigma_rad: float
    speed_sigma_mps: float


def radar_of(scene: Scene) -> Radar:
    """Return the scene's radar; the speeds are uniform between their limits, the courses too."""
    low, high = SPEED_MPS
    component = float(np.sqrt((low**2 + low * high + high**2) / 6.0))
    return Radar(RANGE_SIGMA_M, float(np.radians(scene.variant.bearing_sigma_deg)), component)


class StoneSoup:
    """MultiTargetTracker's cycle with Stone Soup's parts.

    Its tree measures plain distances between (bearing, range). So that one radius suits both, lengths are in units of
    sigma_r / sigma_bearing: then either's noise is equally large. The scan period is fixed, so F and Q are fixed too,
    which saves recomputing them for every prediction. Both were measured to be faster than the defaults.
    """

    name = "Stone Soup"

    def __init__(self, radar: Radar, settings: Settings) -> None:
        self._unit_m = radar.range_sigma_m / radar.bearing_sigma_rad
        self._sensor = CartesianToBearingRange(4, (0, 2), np.diag([radar.bearing_sigma_rad**2] * 2))
        self.updater = ExtendedKalmanUpdater(None)
        self.predictor = ExtendedKalmanPredictor(_motion(settings.noise_m2ps3 / self._unit_m**2))
        hypothesiser = DistanceHypothesiser(self.predictor, self.updater, Mahalanobis(), settings.gate_sigmas)
        radius = settings.tree_radius_sigmas * radar.bearing_sigma_rad
        self._associator = DetectionKDTreeGNN2D(hypothesiser, self.predictor, self.updater, max_distance=radius)
        self.deleter = UpdateTimeStepsDeleter(settings.deleted_after)
        speed_variance = (radar.speed_sigma_mps / self._unit_m) ** 2
        self.initiator = MultiMeasurementInitiator(
            prior_state=GaussianState(np.zeros((4, 1)), np.diag([0.0, speed_variance] * 2), timestamp=_START),
            deleter=UpdateTimeStepsDeleter(settings.tentative_deleted_after),
            data_associator=DetectionKDTreeGNN2D(hypothesiser, self.predictor, self.updater, max_distance=radius),
            updater=self.updater,
            min_points=settings.min_points,
        )
        self.tracks: set[Any] = set()
        self._numbers: dict[str, int] = {}

    def prepare(self, scan: SceneScan) -> tuple[datetime, set[Any]]:
        """Return the scan's time and Stone Soup's detections; its bearings turn from east to north."""
        time = _START + timedelta(seconds=scan.time_s)
        angle = np.pi / 2.0 - np.radians(scan.bearing_deg)
        return time, {
            Detection(StateVector([Bearing(b), r]), timestamp=time, measurement_model=self._sensor)
            for b, r in zip(angle.tolist(), (scan.range_m / self._unit_m).tolist(), strict=True)
        }

    def step(self, prepared: tuple[datetime, set[Any]]) -> None:
        """Process a scan, as MultiTargetTracker does."""
        time, detections = prepared
        associated = self.associate(time, detections)
        self.tracks -= self.deleter.delete_tracks(self.tracks)
        self.tracks |= self.initiator.initiate(detections - associated, time)

    def associate(self, time: datetime, detections: set[Any]) -> set[Any]:
        """Update the tracks with the scan and return the associated detections."""
        associated = set()
        for track, hypothesis in self._associator.associate(self.tracks, detections, time).items():
            if hypothesis:
                track.append(self.updater.update(hypothesis))
                associated.add(hypothesis.measurement)
            else:
                track.append(hypothesis.prediction)
        return associated

    def estimates(self) -> Estimates:
        """Return its tracks, without those that it does not report yet."""
        tracks = list(self.tracks)
        ids = [self._numbers.setdefault(track.id, len(self._numbers)) for track in tracks]
        mean = np.array([np.asarray(track.mean, dtype=float)[:, 0] for track in tracks]).reshape(-1, 4)
        covariance = np.array([np.asarray(track.covar, dtype=float) for track in tracks]).reshape(-1, 4, 4)
        mean = self._unit_m * mean[:, _ORDER]
        covariance = self._unit_m**2 * covariance[:, _ORDER[:, None], _ORDER]
        return Estimates(np.array(ids, dtype=np.int64), mean[:, :2], mean[:, 2:], covariance)


def _motion(noise: float) -> LinearGaussianTimeInvariantTransitionModel:
    general = CombinedLinearGaussianTransitionModel([ConstantVelocity(noise)] * 2)
    scan = timedelta(seconds=SCAN_S)
    return LinearGaussianTimeInvariantTransitionModel(
        transition_matrix=np.asarray(general.matrix(time_interval=scan)),
        covariance_matrix=np.asarray(general.covar(time_interval=scan)),
    )
