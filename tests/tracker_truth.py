"""Truth and textbook measurements for the filter's tests, independent of the radar's code."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from svc_tracker.domain import Detections, Frame, SensorModel, SensorStatus
from svc_tracker.domain.cycle import ScanResult, TrackingCycle
from svc_tracker.domain.model import Mode, TrackerModel
from svc_tracker.domain.state.types import ModeEstimates

Floats = npt.NDArray[np.float64]

NS_PER_S = 1_000_000_000
START_NS = 1_700_000_000 * NS_PER_S
STRAIGHT = (Mode("straight", 0.0, 0.7, 0.5, 60.0),)


@dataclass(frozen=True)
class Sensor:
    """A sensor: its errors, None for a quantity that it does not measure, its position and velocity."""

    range_sigma_m: float = 20.0
    bearing_sigma_deg: float = 0.2
    elev_sigma_deg: float | None = 0.2
    vr_sigma_mps: float | None = 0.5
    position_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    velocity_mps: tuple[float, float, float] = (0.0, 0.0, 0.0)
    sensor_id: str = "radar"
    max_range_m: float = 1e9
    detection_probability: float = 0.9
    clutter_per_scan: float = 0.01

    def model(self) -> SensorModel:
        return SensorModel(
            min_range_m=0.0,
            max_range_m=self.max_range_m,
            min_elev_deg=-90.0,
            max_elev_deg=90.0,
            range_sigma_m=self.range_sigma_m,
            bearing_sigma_deg=self.bearing_sigma_deg,
            elev_sigma_deg=self.elev_sigma_deg or 0.0,
            vr_sigma_mps=self.vr_sigma_mps or 0.0,
            detection_probability=self.detection_probability,
            clutter_per_scan=self.clutter_per_scan,
            no_elevation=self.elev_sigma_deg is None,
            no_radial_velocity=self.vr_sigma_mps is None,
        )

    def after(self, dt_s: float) -> "Sensor":
        moved = np.array(self.position_m) + dt_s * np.array(self.velocity_mps)
        return dataclasses.replace(self, position_m=tuple(moved.tolist()))

    def exact(self, position_m: Floats, velocity_mps: Floats) -> Floats:
        """Return range, bearing, elevation, radial velocity (4, n) of targets (n, 3), in m, rad and m/s."""
        away, moving = position_m - np.array(self.position_m), velocity_mps - np.array(self.velocity_mps)
        distance = np.linalg.norm(away, axis=1)
        bearing = np.arctan2(away[:, 0], away[:, 1])
        elev = np.arcsin(np.clip(away[:, 2] / distance, -1.0, 1.0))
        return np.stack([distance, bearing, elev, np.einsum("ni,ni->n", away, moving) / distance])

    def measure(self, position_m: Floats, velocity_mps: Floats, rng: np.random.Generator | None) -> Detections:
        """Return a detection of each target, in order; without `rng` free of errors."""
        sigma = [self.range_sigma_m, np.radians(self.bearing_sigma_deg)]
        sigma += [np.radians(self.elev_sigma_deg or 0.0), self.vr_sigma_mps or 0.0]
        z = self.exact(position_m, velocity_mps)
        if rng is not None:
            z += np.array(sigma)[:, None] * rng.standard_normal(z.shape)
        bearing_deg, elev_deg = np.degrees(z[1]), np.degrees(z[2])
        # Past the zenith a target appears on the other side.
        over = np.abs(elev_deg) > 90.0
        elev_deg = np.where(over, np.copysign(180.0, elev_deg) - elev_deg, elev_deg)
        return detections(z[0], bearing_deg + 180.0 * over, elev_deg, z[3])

    def frame(self, t_s: float, seen: Detections, **changes: Any) -> Frame:
        made = Frame(
            time_ns=START_NS + round(t_s * NS_PER_S),
            sensor_id=self.sensor_id,
            status=SensorStatus.OK,
            sensor_position_m=np.array(self.position_m),
            sensor_velocity_mps=np.array(self.velocity_mps),
            sensor_model=self.model(),
            detections=seen,
        )
        return dataclasses.replace(made, **changes)


def detections(range_m: Any, bearing_deg: Any, elev_deg: Any, vr_mps: Any, **columns: Any) -> Detections:
    """Return detections of these quantities alone."""
    range_m, bearing_deg, elev_deg, vr_mps = np.broadcast_arrays(
        *(np.atleast_1d(np.asarray(values, dtype=np.float64)) for values in (range_m, bearing_deg, elev_deg, vr_mps))
    )
    count = len(range_m)
    nothing, no, none = np.zeros(count), np.zeros(count, dtype=np.bool_), np.zeros(count, dtype=np.int64)
    bearing_deg = np.mod(bearing_deg, 360.0)
    return Detections(
        range_m=range_m.copy(),
        bearing_deg=np.where(bearing_deg < 360.0, bearing_deg, 0.0),
        elev_deg=elev_deg.copy(),
        vr_mps=vr_mps.copy(),
        snr_db=nothing,
        rcs_dbsm=nothing,
        transponder_on=no,
        transponder_mode=none,
        transponder_id=("",) * count,
        id_present=no,
        range_band=none,
        **columns,
    )


@dataclass
class Drift:
    """n targets moved by white acceleration noise of these densities, each (n, 3) in ENU; drawn from `rng`."""

    position_m: Floats
    velocity_mps: Floats
    noise_m2ps3: tuple[float, float, float]
    rng: np.random.Generator = field(repr=False)

    def move(self, dt_s: float) -> None:
        """Move them by the exact integral of white noise over a step, position and velocity together."""
        root = np.linalg.cholesky(np.array([[dt_s**3 / 3.0, dt_s**2 / 2.0], [dt_s**2 / 2.0, dt_s]]))
        kick = np.sqrt(self.noise_m2ps3) * self.rng.standard_normal((2, *self.position_m.shape))
        self.position_m = self.position_m + dt_s * self.velocity_mps + root[0, 0] * kick[0]
        self.velocity_mps = self.velocity_mps + root[1, 0] * kick[0] + root[1, 1] * kick[1]


def one_estimate(mean: Floats, covariance: Floats, modes: int = 1) -> ModeEstimates:
    """Return estimates of the same state (s, n) and covariance (s, s, n) in every mode, all equally probable."""
    row, column = np.triu_indices(len(mean))
    packed, count = covariance[row, column], mean.shape[1]
    x, P = np.repeat(mean[:, None], modes, axis=1), np.repeat(packed[:, None], modes, axis=1)
    return ModeEstimates(np.full((modes, count), 1.0 / modes), x, P)


def moments(estimates: ModeEstimates, which: Any = None) -> tuple[Floats, Floats]:
    """Return mean (s, n) and covariance (s, s, n) of the mixture of modes, of some of the targets."""
    rows = np.arange(estimates.x.shape[-1]) if which is None else which
    weight, x, P = estimates.probability[:, rows], estimates.x[:, :, rows], in_full(estimates.P[:, :, rows])
    mean = np.einsum("mn,smn->sn", weight, x)
    away = x - mean[:, None]
    return mean, np.einsum("mn,stmn->stn", weight, P) + np.einsum("mn,smn,tmn->stn", weight, away, away)


def in_full(packed: Floats) -> Floats:
    """Return packed covariances (p, ...) as (s, s, ...)."""
    size = int((np.sqrt(8 * len(packed) + 1) - 1) / 2)
    row, column = np.triu_indices(size)
    full = np.empty((size, size, *packed.shape[1:]))
    full[row, column] = full[column, row] = packed
    return full


def known(model: TrackerModel, sensor: Sensor, mean: Floats, covariance: Floats) -> TrackingCycle:
    """Return a cycle with tracks of these states (s, n) and covariances (s, s, n) at time 0."""
    axes, count = model.axes, mean.shape[1]
    position = np.zeros((count, 3))
    position[:, :axes] = mean[:axes].T
    cycle = TrackingCycle(model)
    cycle.step(sensor.frame(0.0, sensor.measure(position, np.zeros((count, 3)), None)))
    estimates = one_estimate(mean, covariance, len(model.modes))
    tracks = dataclasses.replace(cycle.state.tracks, estimates=estimates)
    return TrackingCycle(model, dataclasses.replace(cycle.state, tracks=tracks))


NOTHING = detections(np.empty(0), np.empty(0), np.empty(0), np.empty(0))


def assigned(result: ScanResult) -> list[int]:
    """Return the detection assigned to each existing track, -1 for none."""
    return [int(detection) for detection in result.tracks.records.detection]
