"""Track initiation: the first estimates of a target, from one detection.

Arrays have components first, then M modes, then the batch of q detections.
"""

import numpy as np

from svc_tracker.domain.state.types import (
    BEARING,
    ELEVATION,
    MIN_PIVOT,
    RANGE,
    Floats,
    Indices,
    Measurements,
    ModeEstimates,
    Packing,
    Prior,
    Sensor,
    batch_axis,
)


def initiate(
    measurements: Measurements, rows: Indices, sensor: Sensor, prior: Prior, packing: Packing
) -> ModeEstimates:
    """Return the first estimates (q) from these measurements, one each.

    The position is the measured one, moved from the detection's time to the frame's. Of the velocity only
    the radial component is measured; the others keep the prior.
    """
    d, modes, count = len(sensor.position), len(prior.mode_probability), len(rows)
    axes, errors = position_errors(measurements, rows, prior)
    velocity, V = initial_velocity(measurements, rows, sensor, prior, axes[0])
    tau = np.zeros(count)
    if len(measurements.time_offset_s) > 0:
        tau = measurements.time_offset_s[rows]
    probability, x = np.empty((modes, count)), np.empty((2 * d, modes, count))
    P = np.empty((len(packing.row), modes, count))
    for j in range(modes):
        probability[j] = prior.mode_probability[j]
    for a in range(d):
        for m in batch_axis(modes):
            for q in batch_axis(count):
                measured = sensor.position[a] + measurements.z[RANGE, rows[q]] * axes[0, a, q]
                x[a, m, q] = measured - tau[q] * (velocity[a, q] - sensor.velocity[a])
                x[d + a, m, q] = velocity[a, q]
        for b in range(d):
            pp, pv, vv = packing.element[a, b], packing.element[a, d + b], packing.element[d + a, d + b]
            for m in batch_axis(modes):
                for q in batch_axis(count):
                    error = tau[q] ** 2 * V[a, b, q]
                    for i in range(3):
                        error = error + axes[i, a, q] * errors[i, q] * axes[i, b, q]
                    P[pp, m, q], P[pv, m, q], P[vv, m, q] = error, -tau[q] * V[a, b, q], V[a, b, q]
    return ModeEstimates(probability, x, P)


def position_errors(measurements: Measurements, rows: Indices, prior: Prior) -> tuple[Floats, Floats]:
    """Return the axes (3, 3, q) of each line of sight and the variances (3, q) of the measured position along these.

    The axes are unit vectors along it, across it to the right, and across it upwards. The
    variances include the second-order terms of the conversion to Cartesian coordinates.
    """
    z, variance, count = measurements.z, measurements.variance, len(rows)
    elevation, e_variance = np.full(count, prior.elevation), np.full(count, prior.elevation_variance)
    if measurements.elevation:
        for q in batch_axis(count):
            elevation[q], e_variance[q] = z[ELEVATION, rows[q]], variance[ELEVATION, rows[q]]
    axes, errors = np.zeros((3, 3, count)), np.empty((3, count))
    for q in batch_axis(count):
        b, squared, b_variance = z[BEARING, rows[q]], z[RANGE, rows[q]] ** 2, variance[BEARING, rows[q]]
        sin_b, cos_b, sin_e, cos_e = np.sin(b), np.cos(b), np.sin(elevation[q]), np.cos(elevation[q])
        axes[0, 0, q], axes[0, 1, q], axes[0, 2, q] = sin_b * cos_e, cos_b * cos_e, sin_e
        axes[1, 0, q], axes[1, 1, q] = cos_b, -sin_b
        axes[2, 0, q], axes[2, 1, q], axes[2, 2, q] = -sin_b * sin_e, -cos_b * sin_e, cos_e
        along = variance[RANGE, rows[q]] + squared * (b_variance**2 * cos_e**4 + e_variance[q] ** 2) / 2.0
        aside, above = squared * b_variance * (cos_e**2 + e_variance[q]), squared * e_variance[q]
        # A larger ratio of variances would be lost to rounding.
        least = MIN_PIVOT * np.maximum(np.maximum(along, aside), above)
        errors[0, q], errors[1, q] = np.maximum(along, least), np.maximum(aside, least)
        errors[2, q] = np.maximum(above, least)
    return axes, errors


def initial_velocity(
    measurements: Measurements, rows: Indices, sensor: Sensor, prior: Prior, u: Floats
) -> tuple[Floats, Floats]:
    """Return velocities (d, q) and their covariances V (d, d, q): the prior V0, updated by the radial velocity.

    The Kalman update by vr = u . (v - v_sensor) along the lines of sight u (3, q): v = V0 u nu / s and
    V = V0 - V0 u u^T V0 / s, with s = u^T V0 u + r.
    """
    d, count = len(sensor.position), len(rows)
    V, velocity = np.zeros((d, d, count)), np.zeros((d, count))
    for a in range(d):
        V[a, a] = prior.velocity_variance[a]
    if measurements.radial_velocity:
        e_variance = np.full(count, prior.elevation_variance)
        if measurements.elevation:
            e_variance = measurements.variance[ELEVATION][rows]
        # The errors of the angles let velocity across the line of sight appear along it.
        angles = measurements.variance[BEARING][rows] + e_variance
        s = measurements.variance[-1][rows] + angles * prior.velocity_variance[0]
        nu = measurements.z[-1][rows]
        for a in range(d):
            s += u[a] ** 2 * prior.velocity_variance[a]
            nu += u[a] * sensor.velocity[a]
        for a in range(d):
            velocity[a] = prior.velocity_variance[a] * u[a] * nu / s
            for b in range(d):
                V[a, b] -= prior.velocity_variance[a] * u[a] * prior.velocity_variance[b] * u[b] / s
    return velocity, V
