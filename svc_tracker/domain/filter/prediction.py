"""Predicted measurement: h(x), its gradient H, and the innovation covariance before measurement errors.

Arrays have components first and the batch of n tracks last. BLK is Bar-Shalom, Li and Kirubarajan, "Estimation with
Applications to Tracking and Navigation", 2001.
"""

import numpy as np

from svc_tracker.domain.filter.imm import mixture_moments
from svc_tracker.domain.state.linear_algebra import add_projection, project_across, project_covariance
from svc_tracker.domain.state.types import (
    BEARING,
    ELEVATION,
    RANGE,
    Floats,
    Measurements,
    Mixture,
    ModeEstimates,
    Packing,
    PredictedMeasurement,
    Sensor,
    batch_axis,
)

# A target nearer than this has no direction.
MIN_DISTANCE_M = 1e-3


def predict_measurement(
    estimates: ModeEstimates, measurements: Measurements, sensor: Sensor, packing: Packing
) -> PredictedMeasurement:
    """Return the predicted measurement of each track, linearised at the mean of its modes (BLK 10.3.2).

    z = h(x) + second-order bias, S = H P H^T + added covariance. The scaled gradients of range, bearing and elevation
    are the unit vectors along the line of sight, across it to the right, and across it upwards.
    """
    d, k = len(sensor.position), len(measurements.z)
    # Velocities have an effect only where they are measured, or where times differ.
    with_velocity = measurements.radial_velocity or len(measurements.time_offset_s) > 0
    mixture = mixture_moments(estimates, packing, 2 * d if with_velocity else d)
    mean, covariance = mixture
    count = mean.shape[1]
    z, scale = np.empty((k, count)), np.ones((k, count))
    H = np.zeros((k, 2 * d if measurements.radial_velocity else d, count))
    positions = 3 if measurements.elevation else 2
    distance = line_of_sight(z[:positions], scale[:positions], H[:positions], mean, sensor)
    added, vr_rate = np.zeros((k, k, count)), distance
    if measurements.radial_velocity:
        z[-1], added[-1, -1], vr_rate = predict_radial_velocity(H, distance, mixture, sensor, packing)
    S = project_covariance(H, covariance, packing)
    bias = range_bias(distance, S[RANGE, RANGE], covariance, packing)
    for n in batch_axis(count):
        z[RANGE, n], added[RANGE, RANGE, n] = distance[n] + bias[n], 2.0 * bias[n] ** 2
    if sensor.covariance.any():
        add_projection(added[:positions, :positions], H, sensor.covariance)
    timed = count if len(measurements.time_offset_s) > 0 else 0
    rate, cross, rate_covariance = np.zeros((k, timed)), np.zeros((k, k, timed)), np.zeros((k, k, timed))
    if timed > 0:
        measurement_rate((rate, cross, rate_covariance), H, mixture, sensor, packing)
        if measurements.radial_velocity:
            rate[-1] = vr_rate
    for i in range(k):
        for j in batch_axis(k):
            for n in batch_axis(count):
                S[i, j, n] += added[i, j, n]
    return PredictedMeasurement(mean, z, scale, H, S, added, rate, cross, rate_covariance)


def line_of_sight(z: Floats, scale: Floats, H: Floats, mean: Floats, sensor: Sensor) -> Floats:
    """Return the distances (n,) of means (s, n); fill in the predicted angles, the scales and the scaled gradients.

    Bearing = atan2(east, north), elevation = atan2(up, |(east, north)|).
    """
    in_space, with_elevation = len(sensor.position) == 3, len(z) > ELEVATION
    distance: Floats = np.empty_like(mean[0])
    for n in batch_axis(len(distance)):
        east, north = mean[0, n] - sensor.position[0], mean[1, n] - sensor.position[1]
        ground = np.maximum(np.sqrt(east * east + north * north), MIN_DISTANCE_M)
        distance[n] = ground
        H[RANGE, 0, n], H[RANGE, 1, n] = east / ground, north / ground
        H[BEARING, 0, n], H[BEARING, 1, n] = north / ground, -east / ground
        z[BEARING, n], scale[BEARING, n] = np.arctan2(east, north), ground
    if in_space:
        for n in batch_axis(len(distance)):
            level, up = scale[BEARING, n], mean[2, n] - sensor.position[2]
            slant = np.sqrt(level * level + up * up)
            H[RANGE, 0, n] *= level / slant
            H[RANGE, 1, n] *= level / slant
            H[RANGE, 2, n] = up / slant
            if with_elevation:
                z[ELEVATION, n], scale[ELEVATION, n] = np.arctan2(up, level), slant
                H[ELEVATION, 0, n] = up / slant * H[BEARING, 1, n]
                H[ELEVATION, 1, n] = -up / slant * H[BEARING, 0, n]
                H[ELEVATION, 2, n] = level / slant
            distance[n] = slant
    return distance


def range_bias(distance: Floats, along: Floats, covariance: Floats, packing: Packing) -> Floats:
    """Return the second-order bias (n,) of the range: E |x| - |E x| for position covariances P.

    tr(B P) / (2 R), B = I - u u^T: half the variance across the line of sight over the range; the same size is added to
    the range's standard deviation (BLK 10.3.2). `along` (n,) is u^T P u. R^2 + tr(B P) replaces R^2 in the denominator,
    as the expansion fails where the errors exceed the range.
    """
    bias = np.empty_like(distance)
    for n in batch_axis(len(distance)):
        across = -along[n]
        for a in range(len(packing.element) // 2):
            across = across + covariance[packing.element[a, a], n]
        across = np.maximum(across, 0.0)
        bias[n] = across / (2.0 * np.sqrt(distance[n] ** 2 + across))
    return bias


def measurement_rate(
    rates: tuple[Floats, Floats, Floats], H: Floats, mixture: Mixture, sensor: Sensor, packing: Packing
) -> None:
    """Fill in dz/dt (k, n), its cross-covariance with z and its covariance, (k, k, n) each.

    dz/dt = H_position w with w the relative velocity, so that its gradient is D = [0, H_position]; H P D^T + D P H^T
    and D P D^T. A radial velocity counts twice: its gradient in position turns with the line of sight as well.
    """
    rate, cross, covariance = rates
    (k, c, count), d = H.shape, len(sensor.position)
    D, wide = np.zeros((k, 2 * d, count)), np.zeros((k, 2 * d, count))
    wide[:, :c] = H
    for i in range(k):
        factor = 2.0 if c > d and i == k - 1 else 1.0
        for a in range(d):
            for n in batch_axis(count):
                rate[i, n] += H[i, a, n] * (mixture.mean[d + a, n] - sensor.velocity[a])
                D[i, d + a, n] = factor * H[i, a, n]
    for b in range(d, 2 * d):
        for a in range(2 * d):
            e = packing.element[a, b]
            for i in range(k):
                for j in range(k):
                    for n in batch_axis(count):
                        product = wide[i, a, n] * D[j, b, n] * mixture.covariance[e, n]
                        cross[i, j, n] += product
                        cross[j, i, n] += product
                        covariance[i, j, n] += D[i, a, n] * D[j, b, n] * mixture.covariance[e, n]


def predict_radial_velocity(
    H: Floats, distance: Floats, mixture: Mixture, sensor: Sensor, packing: Packing
) -> tuple[Floats, Floats, Floats]:
    """Return the predicted radial velocity, the variance its second order adds, and its rate, each (n,); fill in H[-1].

    With u along the line of sight, R the distance, w the relative velocity: vr = u . w, with gradient [(w - vr u) / R,
    u], and rate (|w|^2 - vr^2) / R. The second derivative in position and velocity, B / R with B = I - u u^T, adds
    tr(B C) / R to the mean and (tr(B C B C) + tr(B Ppp B Pvv)) / R^2 to the variance, C = Ppv (BLK 10.3.2); that in
    position alone is smaller and left out. R^2 + tr(B Ppp) replaces R^2, as in `range_bias`.
    """
    mean, P = mixture
    d, element, count = len(sensor.position), packing.element, len(distance)
    w, vr, rate = np.empty((d, count)), np.zeros(count), np.zeros(count)
    for a in range(d):
        for n in batch_axis(count):
            w[a, n] = mean[d + a, n] - sensor.velocity[a]
            vr[n] += H[0, a, n] * w[a, n]
            rate[n] += w[a, n] ** 2
    # B Ppp B, B Ppv B and B Pvv B.
    across = np.empty((3, d, d, count))
    for block in range(3):
        row, column = (0 if block < 2 else d), (d if block > 0 else 0)
        project_across(across[block], H[0, :d], P, element[row : row + d, column : column + d])
    vr_mean, variance, position = np.zeros(count), np.zeros(count), np.zeros(count)
    for a in range(d):
        for n in batch_axis(count):
            position[n] += across[0, a, a, n]
            vr_mean[n] += across[1, a, a, n]
            rate[n] += across[2, a, a, n]
        for b in range(d):
            for n in batch_axis(count):
                variance[n] += across[1, a, b, n] * across[1, b, a, n] + across[0, a, b, n] * across[2, b, a, n]
    for n in batch_axis(count):
        R = np.sqrt(distance[n] ** 2 + np.maximum(position[n], 0.0))
        rate[n] = (rate[n] - vr[n] ** 2) / R
        vr_mean[n] = vr[n] + vr_mean[n] / R
        # Rounding may leave a zero slightly negative.
        variance[n] = np.maximum(variance[n], 0.0) / R**2
        for a in range(d):
            H[-1, a, n], H[-1, d + a, n] = (w[a, n] - vr[n] * H[0, a, n]) / R, H[0, a, n]
    return vr_mean, variance, rate
