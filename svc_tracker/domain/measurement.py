"""Detections as points in space with their errors, and what of space a sensor sees."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from svc_tracker.domain.arrays import Booleans, Floats, Indices
from svc_tracker.domain.frame import Frame

# What no sensor is held capable of: below it a covariance in ENU would hold rounding errors instead.
LEAST_RANGE_SIGMA_M: Final = 1e-2
LEAST_ANGLE_SIGMA_RAD: Final = 1e-5
LEAST_VR_SIGMA_MPS: Final = 1e-2
_LEAST_SIGMA_RATIO: Final = 1e-6

# The radial velocities over which false detections spread: about the speed of sound each way.
CLUTTER_MAX_VR_MPS: Final = 300.0


@dataclass(frozen=True, slots=True, eq=False)
class Measurements:
    """m detections: points in ENU (3, m), the axes of their errors (3, 3, m) and variances along these (3, m).

    `axes[:, k]` is the unit vector of axis k: along the line of sight, across it horizontally, across it upwards.
    `log_volume` (m,) is the logarithm of how much space, in m^3, a unit of (m, rad, rad) takes up there.
    """

    point_m: Floats
    axes: Floats
    variance_m2: Floats
    vr_mps: Floats
    vr_variance_m2ps2: Floats
    log_volume: Floats

    def __len__(self) -> int:
        return len(self.vr_mps)

    def chosen(self, which: Indices) -> Self:
        """Return some of the measurements, by index."""
        columns = (self.point_m, self.axes, self.variance_m2, self.vr_mps, self.vr_variance_m2ps2, self.log_volume)
        return type(self)(*(column[..., which] for column in columns))

    def covariance_m2(self) -> Floats:
        """Return the covariances (3, 3, m) of the points: the sum of variance times axis times axis^T."""
        scaled = self.axes * np.sqrt(self.variance_m2)
        covariance: Floats = np.einsum("ikm,jkm->ijm", scaled, scaled)
        return covariance


def measure(frame: Frame) -> Measurements:
    """Return the frame's detections converted to points, without the conversion's bias.

    The point at range r, bearing b, elevation e is r (sin b cos e, cos b cos e, sin e). Where the thing is, given what
    was measured, is on average nearer: noise in an angle multiplies mean sines and cosines by exp(-sigma^2 / 2) (Duan,
    Han and Li, "Comments on 'Unbiased converted measurements for tracking'", IEEE Trans. AES 40(4), 2004). The
    variances along the axes are sigma_r^2 + r^2 (sigma_b^4 cos^4 e + sigma_e^4) / 2, r^2 sigma_b^2 (cos^2 e +
    sigma_e^2) and r^2 sigma_e^2: the second order of the same expansion, which does not claim too much at the zenith.
    """
    model, detections = frame.sensor_model, frame.detections
    r = detections.range_m
    b, e = np.radians(detections.bearing_deg), np.radians(detections.elev_deg)
    sin_b, cos_b, sin_e, cos_e = np.sin(b), np.cos(b), np.sin(e), np.cos(e)
    sigma_b, sigma_e = angle_sigmas_rad(frame)
    level, upright = np.exp(-(sigma_b**2 + sigma_e**2) / 2.0), np.exp(-(sigma_e**2) / 2.0)
    offset = r * np.stack([sin_b * cos_e * level, cos_b * cos_e * level, sin_e * upright])

    across_b = r**2 * sigma_b**2 * (cos_e**2 + sigma_e**2)
    across_e = r**2 * sigma_e**2
    along = range_sigma_m(frame) ** 2 + r**2 * (sigma_b**4 * cos_e**4 + sigma_e**4) / 2.0
    variance = np.stack([along, across_b, across_e])
    zero = np.zeros_like(b)
    return Measurements(
        point_m=frame.sensor_position_m[:, None] + offset,
        axes=np.stack(
            [
                np.stack([sin_b * cos_e, cos_b * cos_e, sin_e]),
                np.stack([cos_b, -sin_b, zero]),
                np.stack([-sin_b * sin_e, -cos_b * sin_e, cos_e]),
            ],
            axis=1,
        ),
        variance_m2=np.maximum(variance, _LEAST_SIGMA_RATIO**2 * variance.max(axis=0)),
        vr_mps=detections.vr_mps,
        vr_variance_m2ps2=np.full(len(detections), max(model.vr_sigma_mps, LEAST_VR_SIGMA_MPS) ** 2),
        log_volume=2.0 * np.log(r) + np.log(np.maximum(np.abs(cos_e), sigma_e)),
    )


def range_sigma_m(frame: Frame) -> float:
    """Return the standard deviation of the sensor's ranges."""
    return max(frame.sensor_model.range_sigma_m, LEAST_RANGE_SIGMA_M)


def angle_sigmas_rad(frame: Frame) -> tuple[float, float]:
    """Return the standard deviations of the sensor's bearings and elevations."""
    bearing, elev = np.radians(frame.sensor_model.bearing_sigma_deg), np.radians(frame.sensor_model.elev_sigma_deg)
    return max(float(bearing), LEAST_ANGLE_SIGMA_RAD), max(float(elev), LEAST_ANGLE_SIGMA_RAD)


def log_scan_volume(frame: Frame) -> float:
    """Return the logarithm of what a scan measures over: range x bearing x elevation x radial velocity, in SI units.

    False detections are uniform in it, so their density is their expected number divided by this volume.
    """
    model = frame.sensor_model
    elev_rad = max(float(np.radians(model.max_elev_deg - model.min_elev_deg)), LEAST_ANGLE_SIGMA_RAD)
    span_m = max(model.max_range_m - model.min_range_m, LEAST_RANGE_SIGMA_M)
    return float(np.log(span_m) + np.log(2.0 * np.pi * elev_rad) + np.log(2.0 * CLUTTER_MAX_VR_MPS))


def in_view(position_m: Floats, frame: Frame) -> Booleans:
    """Return which of the positions (3, n) the sensor sees: those within its limits of range and elevation."""
    model = frame.sensor_model
    east, north, up = position_m - frame.sensor_position_m[:, None]
    ground_m = np.hypot(east, north)
    range_m = np.hypot(ground_m, up)
    elev_deg = np.degrees(np.arctan2(up, ground_m))
    in_range = (range_m >= model.min_range_m) & (range_m <= model.max_range_m)
    within: Booleans = in_range & (elev_deg >= model.min_elev_deg) & (elev_deg <= model.max_elev_deg)
    return within
