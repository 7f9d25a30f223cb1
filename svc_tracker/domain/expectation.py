"""What a sensor is expected to measure of tracks.

Components come first, then M modes, then n things: states are (s, M, n), packed covariances (p, M, n). Loops are over
components and modes, never over things: elementwise NumPy, which numba compiles as it is. BLK is Bar-Shalom, Li and
Kirubarajan, "Estimation with Applications to Tracking and Navigation", 2001.
"""

import numpy as np

from svc_tracker.domain.arrays import Floats
from svc_tracker.domain.imm import moments
from svc_tracker.domain.layout import (
    BEARING,
    ELEVATION,
    RANGE,
    Belief,
    Expected,
    Measurements,
    Mixture,
    Packing,
    Sensor,
)

# Nearer than that a thing has no direction.
LEAST_DISTANCE_M = 1e-3


def expect(belief: Belief, measurements: Measurements, sensor: Sensor, packing: Packing) -> Expected:
    """Return what the sensor is expected to measure of the tracks, linearised at the mean of each.

    The gradients of range, bearing and elevation, scaled, are the unit vectors along the line of sight, across it to
    the right, and across it upwards. A range bends away from the plane across the line of sight: by half the variance
    there over the range, and as much again is uncertain (BLK section 10.3.2); beyond the range itself the expansion
    ends.
    """
    # Velocities play a part only where they are measured, or where times differ.
    d, k = len(sensor.position), len(measurements.z)
    with_velocity = measurements.radial_velocity or len(measurements.time_offset_s) > 0
    mixture = moments(belief, packing, 2 * d if with_velocity else d)
    mean, spread = mixture
    count = mean.shape[1]
    z, scale = np.empty((k, count)), np.ones((k, count))
    H = np.zeros((k, 2 * d if measurements.radial_velocity else d, count))
    positions = 3 if measurements.elevation else 2
    distance = line_of_sight(z[:positions], scale[:positions], H[:positions], mean, sensor)
    excess, drift = np.zeros((k, k, count)), np.zeros((k, count))
    turning = distance
    if measurements.radial_velocity:
        z[-1], excess[-1, -1], turning = expect_radial_velocity(H, distance, mixture, sensor, packing)
    S = through(H, spread, packing)
    beside = -S[RANGE, RANGE]
    for a in range(d):
        beside += spread[packing.place[a, a]]
    beside = np.maximum(beside, 0.0)
    bent = beside / (2.0 * np.sqrt(distance**2 + beside))
    z[RANGE] = distance + bent
    excess[RANGE, RANGE] = 2.0 * bent**2
    if sensor.covariance.any():
        for a in range(d):
            for b in range(d):
                # Broadcast over the rows: of positions alone, and H of a radial velocity is not asked.
                for i in range(positions):
                    excess[i, :positions] += H[i, a] * sensor.covariance[a, b] * H[:positions, b]
    with_z, with_drift = np.zeros_like(excess), np.zeros_like(excess)
    if len(measurements.time_offset_s) > 0:
        move_in_scan((drift, with_z, with_drift), H, mixture, sensor, packing)
        if measurements.radial_velocity:
            drift[-1] = turning
    return Expected(mean, z, scale, H, S + excess, excess, drift, with_z, with_drift)


def line_of_sight(z: Floats, scale: Floats, H: Floats, mean: Floats, sensor: Sensor) -> Floats:
    """Return the distances; fill in what is expected of the angles, the scales, and the gradients of the scaled."""
    east, north = mean[0] - sensor.position[0], mean[1] - sensor.position[1]
    ground: Floats = np.maximum(np.hypot(east, north), LEAST_DISTANCE_M)
    distance = ground
    if len(sensor.position) == 3:
        up = mean[2] - sensor.position[2]
        distance = np.hypot(ground, up)
        H[RANGE, 2] = up / distance
        if len(z) > ELEVATION:
            z[ELEVATION], scale[ELEVATION] = np.arctan2(up, ground), distance
            H[ELEVATION, 0] = -up / distance * east / ground
            H[ELEVATION, 1] = -up / distance * north / ground
            H[ELEVATION, 2] = ground / distance
    H[RANGE, 0], H[RANGE, 1] = east / distance, north / distance
    H[BEARING, 0], H[BEARING, 1] = north / ground, -east / ground
    z[BEARING], scale[BEARING] = np.arctan2(east, north), ground
    return distance


def move_in_scan(
    moved: tuple[Floats, Floats, Floats], H: Floats, mixture: Mixture, sensor: Sensor, packing: Packing
) -> None:
    """Fill in the drift of what is expected in a scan, its covariance with that, and its own.

    With rows D of the drift's gradient these are H P D^T + D P H^T and D P D^T. A drift is the gradient of the position
    times the velocity; with the line of sight a radial velocity turns as much again.
    """
    drift, with_z, with_drift = moved
    (k, c, count), d = H.shape, len(sensor.position)
    D, wide = np.zeros((k, 2 * d, count)), np.zeros((k, 2 * d, count))
    wide[:, :c] = H
    for i in range(k):
        for a in range(d):
            drift[i] += H[i, a] * (mixture.mean[d + a] - sensor.velocity[a])
            D[i, d + a] = H[i, a]
    if c > d:
        D[-1] *= 2.0
    for a in range(2 * d):
        for b in range(2 * d):
            element = mixture.spread[packing.place[a, b]]
            for i in range(k):
                for j in range(k):
                    with_z[i, j] += (wide[i, a] * D[j, b] + D[i, a] * wide[j, b]) * element
                    with_drift[i, j] += D[i, a] * D[j, b] * element


def through(H: Floats, P: Floats, packing: Packing) -> Floats:
    """Return H P H^T (k, k, n) of rows H (k, c, n) over the first c components of packed P (p, n)."""
    k, c, count = H.shape
    HP, product = np.zeros(H.shape), np.empty((k, k, count))
    for b in range(c):
        column = P[packing.place[:c, b]]
        for i in range(k):
            HP[i] += column * H[i, b]
    for i in range(k):
        for j in range(i + 1):
            product[i, j] = (HP[i] * H[j]).sum(axis=0)
            product[j, i] = product[i, j]
    return product


def expect_radial_velocity(
    H: Floats, distance: Floats, mixture: Mixture, sensor: Sensor, packing: Packing
) -> tuple[Floats, Floats, Floats]:
    """Return the expected radial velocity and what the second order adds to its variance; fill the last row of H.

    Also the former's rate, while the line of sight turns.

    With u along the line of sight, R the distance and w the relative velocity: vr = u . w, and its gradient is [(w -
    vr u) / R, u]. Across the line of sight, where B = I - u u^T, position and velocity multiply: the second derivative
    B / R adds tr(B C) / R to the mean and (tr(B C B C) + tr(B Ppp B Pvv)) / R^2 to the variance, with C the covariance
    of position and velocity (BLK section 10.3.2). The smaller
    second derivative in position alone is left out. Where derivatives are divided by R, R^2 + tr(B Ppp) stands for
    R^2: beyond it the expansion ends.
    """
    mean, P = mixture
    d, place, count = len(sensor.position), packing.place, len(distance)
    u, w = H[0, :d], np.empty((d, count))
    vr = np.zeros(count)
    for a in range(d):
        w[a] = mean[d + a] - sensor.velocity[a]
        vr += u[a] * w[a]
    # u^T P, u^T V, u^T C and C u, and what is left of each matrix across the line of sight.
    across = np.zeros((3, d, d, count))
    for which in range(3):
        row, column = (0 if which < 2 else d), (d if which > 0 else 0)
        left, right, both = np.zeros((d, count)), np.zeros((d, count)), np.zeros(count)
        for a in range(d):
            for b in range(d):
                element = P[place[row + a, column + b]]
                left[b] += u[a] * element
                right[a] += element * u[b]
                both += u[a] * element * u[b]
        for a in range(d):
            for b in range(d):
                element = P[place[row + a, column + b]]
                across[which, a, b] = element - u[a] * left[b] - right[a] * u[b] + u[a] * both * u[b]
    bend, twice, position = np.zeros(count), np.zeros(count), np.zeros(count)
    turn = -(vr**2)
    for a in range(d):
        position += across[0, a, a]
        bend += across[1, a, a]
        turn += w[a] ** 2 + across[2, a, a]
        for b in range(d):
            twice += across[1, a, b] * across[1, b, a] + across[0, a, b] * across[2, b, a]
    R = np.sqrt(distance**2 + np.maximum(position, 0.0))
    for a in range(d):
        H[-1, a], H[-1, d + a] = (w[a] - vr * u[a]) / R, u[a]
    # Rounding may leave a zero slightly negative.
    return vr + bend / R, np.maximum(twice, 0.0) / R**2, turn / R
