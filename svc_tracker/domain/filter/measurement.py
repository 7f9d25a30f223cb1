"""What a sensor measures, with which errors, and what it is expected to measure of each track.

Measured are range, bearing, elevation unless the sensor is 2D, and radial velocity unless it has none: k components, in
m, rad, rad, m/s. Innovations are scaled to metres across the line of sight, so that one covariance is of one kind.
BLK is Bar-Shalom, Li and Kirubarajan, "Estimation with Applications to Tracking and Navigation", 2001.
"""

from typing import Final

import numpy as np

from svc_tracker.domain.filter.motion import long_run
from svc_tracker.domain.frame import Frame, FrameError
from svc_tracker.domain.model import TrackerModel
from svc_tracker.domain.state.types import BEARING, ELEVATION, RANGE, Floats, Layout, Measurements, Prior, Sensor

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
    z = np.empty((2 + elevation + radial_velocity, len(seen)))
    variance = np.empty_like(z)
    z[RANGE], z[BEARING] = seen.range_m, np.radians(seen.bearing_deg)
    variance[RANGE] = _variance(seen.range_sigma_m, model.range_sigma_m, LEAST_RANGE_SIGMA_M)
    common = np.radians(frame.sensor_north_sigma_deg) ** 2
    variance[BEARING] = _angle_variance(seen.bearing_sigma_deg, model.bearing_sigma_deg) + common
    widths = [max(model.max_range_m - model.min_range_m, LEAST_RANGE_SIGMA_M), np.radians(model.coverage.width_deg)]
    if elevation:
        z[ELEVATION] = np.radians(seen.elev_deg)
        variance[ELEVATION] = _angle_variance(seen.elev_sigma_deg, model.elev_sigma_deg)
        widths.append(max(np.radians(model.max_elev_deg - model.min_elev_deg), LEAST_ANGLE_SIGMA_RAD))
    if radial_velocity:
        z[-1], variance[-1] = seen.vr_mps, _variance(seen.vr_sigma_mps, model.vr_sigma_mps, LEAST_VR_SIGMA_MPS)
        widths.append(2.0 * (model.clutter_max_vr_mps or CLUTTER_MAX_VR_MPS))
    offset = seen.time_offset_s if seen.time_offset_s.any() else np.empty(0)
    return Measurements(z, variance, offset, float(np.log(widths).sum()), elevation, radial_velocity)


def _variance(told: Floats, otherwise: float, least: float) -> Floats | float:
    """Return the variances of the sigmas told, one for each detection or none; what is not told is as of the model."""
    if not len(told):
        return max(otherwise, least) ** 2
    variance: Floats = np.square(np.maximum(np.where(told > 0.0, told, otherwise), least))
    return variance


def _angle_variance(told_deg: Floats, otherwise_deg: float) -> Floats | float:
    return _variance(np.radians(told_deg), float(np.radians(otherwise_deg)), LEAST_ANGLE_SIGMA_RAD)


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
