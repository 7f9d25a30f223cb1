"""Measurement model: the measured quantities of a sensor, their errors, and the prior of what it does not measure.

A sensor measures range, bearing, elevation unless it is 2D, and radial velocity unless it has none: k components, in
m, rad, rad and m/s. Innovations are scaled to metres across the line of sight, so that all positions share one unit.
"""

from typing import Final

import numpy as np

from svc_tracker.domain.filter.motion import stationary_probability
from svc_tracker.domain.frame import Frame, FrameError
from svc_tracker.domain.model import TrackerModel
from svc_tracker.domain.state.types import BEARING, ELEVATION, RANGE, Floats, Layout, Measurements, Prior, Sensor

# Lower bounds of the sigmas: below them a covariance would hold rounding errors.
MIN_RANGE_SIGMA_M: Final = 1e-2
MIN_ANGLE_SIGMA_RAD: Final = 1e-6
MIN_VR_SIGMA_MPS: Final = 1e-2
# False detections spread over radial velocities up to this where the sensor model gives none: the speed of sound.
CLUTTER_MAX_VR_MPS: Final = 300.0


def to_measurements(frame: Frame, layout: Layout) -> Measurements:
    """Return the frame's detections as measurements; raises FrameError if a tracker in the plane gets elevations."""
    model, detections = frame.sensor_model, frame.detections
    elevation, radial_velocity = not model.no_elevation, not model.no_radial_velocity
    if elevation and layout.axes == 2:
        raise FrameError("sensor_model.no_elevation", "must be true: a tracker in the plane takes 2D radars alone")
    z = np.empty((2 + elevation + radial_velocity, len(detections)))
    variance = np.empty_like(z)
    z[RANGE], z[BEARING] = detections.range_m, np.radians(detections.bearing_deg)
    variance[RANGE] = _variance(detections.range_sigma_m, model.range_sigma_m, MIN_RANGE_SIGMA_M)
    common = np.radians(frame.sensor_north_sigma_deg) ** 2
    variance[BEARING] = _angle_variance(detections.bearing_sigma_deg, model.bearing_sigma_deg) + common
    widths = [max(model.max_range_m - model.min_range_m, MIN_RANGE_SIGMA_M), np.radians(model.coverage.width_deg)]
    if elevation:
        z[ELEVATION] = np.radians(detections.elev_deg)
        variance[ELEVATION] = _angle_variance(detections.elev_sigma_deg, model.elev_sigma_deg)
        widths.append(max(np.radians(model.max_elev_deg - model.min_elev_deg), MIN_ANGLE_SIGMA_RAD))
    if radial_velocity:
        z[-1] = detections.vr_mps
        variance[-1] = _variance(detections.vr_sigma_mps, model.vr_sigma_mps, MIN_VR_SIGMA_MPS)
        widths.append(2.0 * (model.clutter_max_vr_mps or CLUTTER_MAX_VR_MPS))
    offset = detections.time_offset_s if detections.time_offset_s.any() else np.empty(0)
    return Measurements(z, variance, offset, float(np.log(widths).sum()), elevation, radial_velocity)


def _variance(reported: Floats, default: float, least: float) -> Floats | float:
    """Return the variances of the reported sigmas, (m,) or empty; a sigma of 0 stands for the sensor model's."""
    if not len(reported):
        return max(default, least) ** 2
    variance: Floats = np.square(np.maximum(np.where(reported > 0.0, reported, default), least))
    return variance


def _angle_variance(reported_deg: Floats, default_deg: float) -> Floats | float:
    return _variance(np.radians(reported_deg), float(np.radians(default_deg)), MIN_ANGLE_SIGMA_RAD)


def to_sensor(frame: Frame, layout: Layout) -> Sensor:
    """Return the position and velocity of the frame's sensor along the tracker's axes."""
    d = layout.axes
    covariance = np.ascontiguousarray(frame.sensor_position_covariance[:d, :d])
    return Sensor(frame.sensor_position_m[:d], frame.sensor_velocity_mps[:d], covariance)


def to_prior(frame: Frame, model: TrackerModel) -> Prior:
    """Return the prior of the targets this sensor detects: their elevation is uniform within its limits."""
    sigmas = (model.horizontal_speed_sigma_mps, model.horizontal_speed_sigma_mps, model.vertical_speed_sigma_mps)
    velocity_variance = np.square(sigmas[: model.axes])
    if model.axes == 2:
        return Prior(velocity_variance, stationary_probability(model), 0.0, 0.0)
    low, high = np.radians((frame.sensor_model.min_elev_deg, frame.sensor_model.max_elev_deg)).tolist()
    return Prior(velocity_variance, stationary_probability(model), (low + high) / 2.0, (high - low) ** 2 / 12.0)
