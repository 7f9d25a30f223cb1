"""What a sensor measures, with which errors, and what it is expected to measure of each track.

Measured are range, bearing, elevation unless the sensor is 2D, and radial velocity unless it has none: k components, in
m, rad, rad, m/s. Innovations are scaled to metres across the line of sight, so that one covariance is of one kind.
BLK is Bar-Shalom, Li and Kirubarajan, "Estimation with Applications to Tracking and Navigation", 2001.
"""

from typing import Final

import numpy as np

from svc_tracker.domain.arrays import Floats
from svc_tracker.domain.frame import Frame, FrameError
from svc_tracker.domain.layout import Layout, Measurements, Prior, Sensor
from svc_tracker.domain.model import TrackerModel
from svc_tracker.domain.motion import long_run

# What no sensor is held capable of: below it a covariance would hold rounding errors instead.
LEAST_RANGE_SIGMA_M: Final = 1e-2
LEAST_ANGLE_SIGMA_RAD: Final = 1e-6
LEAST_VR_SIGMA_MPS: Final = 1e-2
# The radial velocities over which false detections spread where the sensor does not say: the speed of sound each way.
CLUTTER_MAX_VR_MPS: Final = 300.0


def measured(frame: Frame, layout: Layout) -> Measurements:
    """Return the frame's detections; raises FrameError for a sensor that a tracker in the plane cannot follow."""
    model, seen = frame.sensor_model, frame.detections
    elevation, radial_velocity = not model.no_elevation, not model.no_radial_velocity
    if elevation and layout.axes == 2:
        raise FrameError("sensor_model.no_elevation", "must be true: a tracker in the plane takes 2D radars alone")
    common = np.radians(frame.sensor_north_sigma_deg)
    rows = [seen.range_m, np.radians(seen.bearing_deg)]
    sigmas = [
        _sigma(seen.range_sigma_m, model.range_sigma_m, LEAST_RANGE_SIGMA_M, len(seen)),
        np.hypot(_angle_sigma(seen.bearing_sigma_deg, model.bearing_sigma_deg, len(seen)), common),
    ]
    widths = [max(model.max_range_m - model.min_range_m, LEAST_RANGE_SIGMA_M), np.radians(model.coverage.width_deg)]
    if elevation:
        rows.append(np.radians(seen.elev_deg))
        sigmas.append(_angle_sigma(seen.elev_sigma_deg, model.elev_sigma_deg, len(seen)))
        widths.append(max(np.radians(model.max_elev_deg - model.min_elev_deg), LEAST_ANGLE_SIGMA_RAD))
    if radial_velocity:
        rows.append(seen.vr_mps)
        sigmas.append(_sigma(seen.vr_sigma_mps, model.vr_sigma_mps, LEAST_VR_SIGMA_MPS, len(seen)))
        widths.append(2.0 * (model.clutter_max_vr_mps or CLUTTER_MAX_VR_MPS))
    offset = seen.time_offset_s if seen.time_offset_s.any() else np.empty(0)
    volume = float(np.log(widths).sum())
    return Measurements(np.stack(rows), np.square(np.stack(sigmas)), offset, volume, elevation, radial_velocity)


def _sigma(told: Floats, otherwise: float, least: float, count: int) -> Floats:
    if not len(told):
        return np.full(count, max(otherwise, least))
    return np.maximum(np.where(told > 0.0, told, otherwise), least)


def _angle_sigma(told_deg: Floats, otherwise_deg: float, count: int) -> Floats:
    return _sigma(np.radians(told_deg), float(np.radians(otherwise_deg)), LEAST_ANGLE_SIGMA_RAD, count)


def sensor_of(frame: Frame, layout: Layout) -> Sensor:
    """Return where the frame's sensor is."""
    d = layout.axes
    covariance = np.ascontiguousarray(frame.sensor_position_covariance[:d, :d])
    return Sensor(frame.sensor_position_m[:d], frame.sensor_velocity_mps[:d], covariance)


def prior_of(frame: Frame, model: TrackerModel) -> Prior:
    """Return what is known of things before this sensor has measured them: their elevation is within its limits."""
    sigmas = (model.horizontal_speed_sigma_mps, model.horizontal_speed_sigma_mps, model.vertical_speed_sigma_mps)
    speed_variance = np.square(sigmas[: model.axes])
    if model.axes == 2:
        return Prior(speed_variance, long_run(model), 0.0, 0.0)
    low, high = np.radians((frame.sensor_model.min_elev_deg, frame.sensor_model.max_elev_deg)).tolist()
    return Prior(speed_variance, long_run(model), (low + high) / 2.0, (high - low) ** 2 / 12.0)
