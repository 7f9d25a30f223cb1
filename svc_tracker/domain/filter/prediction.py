"""What a sensor is expected to measure of tracks.

Components come first, then M modes, then n things: states are (s, M, n), packed covariances (p, M, n). What is done to
`each` thing is elementwise NumPy, and one loop where numba compiles it as it is. BLK is Bar-Shalom, Li and
Kirubarajan, "Estimation with Applications to Tracking and Navigation", 2001.
"""

import numpy as np

from svc_tracker.domain.filter.imm import moments
from svc_tracker.domain.state.types import (
    BEARING,
    ELEVATION,
    RANGE,
    Belief,
    Expected,
    Floats,
    Indices,
    Measurements,
    Mixture,
    Packing,
    Sensor,
    each,
)

# Nearer than that a thing has no direction.
LEAST_DISTANCE_M = 1e-3


def expect(belief: Belief, measurements: Measurements, sensor: Sensor, packing: Packing) -> Expected:
    """Return what the sensor is expected to measure of the tracks, linearised at the mean of each.

    The gradients of range, bearing and elevation, scaled, are the unit vectors along the line of sight, across it to
    the right, and across it upwards.
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
    excess, turning = np.zeros((k, k, count)), distance
    if measurements.radial_velocity:
        z[-1], excess[-1, -1], turning = expect_radial_velocity(H, distance, mixture, sensor, packing)
    S = through(H, spread, packing)
    bent = bent_away(distance, S[RANGE, RANGE], spread, packing)
    for n in each(count):
        z[RANGE, n], excess[RANGE, RANGE, n] = distance[n] + bent[n], 2.0 * bent[n] ** 2
    if sensor.covariance.any():
        add_of_sensor(excess[:positions, :positions], H, sensor)
    timed = count if len(measurements.time_offset_s) > 0 else 0
    drift, with_z, with_drift = np.zeros((k, timed)), np.zeros((k, k, timed)), np.zeros((k, k, timed))
    if timed > 0:
        move_in_scan((drift, with_z, with_drift), H, mixture, sensor, packing)
        if measurements.radial_velocity:
            drift[-1] = turning
    for i in range(k):
        for j in each(k):
            for n in each(count):
                S[i, j, n] += excess[i, j, n]
    return Expected(mean, z, scale, H, S, excess, drift, with_z, with_drift)


def line_of_sight(z: Floats, scale: Floats, H: Floats, mean: Floats, sensor: Sensor) -> Floats:
    """Return the distances; fill in what is expected of the angles, the scales, and the gradients of the scaled."""
    in_space, with_elevation = len(sensor.position) == 3, len(z) > ELEVATION
    distance: Floats = np.empty_like(mean[0])
    for n in each(len(distance)):
        east, north = mean[0, n] - sensor.position[0], mean[1, n] - sensor.position[1]
        ground = np.maximum(np.sqrt(east * east + north * north), LEAST_DISTANCE_M)
        distance[n] = ground
        H[RANGE, 0, n], H[RANGE, 1, n] = east / ground, north / ground
        H[BEARING, 0, n], H[BEARING, 1, n] = north / ground, -east / ground
        z[BEARING, n], scale[BEARING, n] = np.arctan2(east, north), ground
    if in_space:
        for n in each(len(distance)):
            ground, up = scale[BEARING, n], mean[2, n] - sensor.position[2]
            slant = np.sqrt(ground * ground + up * up)
            H[RANGE, 0, n] *= ground / slant
            H[RANGE, 1, n] *= ground / slant
            H[RANGE, 2, n] = up / slant
            if with_elevation:
                z[ELEVATION, n], scale[ELEVATION, n] = np.arctan2(up, ground), slant
                H[ELEVATION, 0, n] = up / slant * H[BEARING, 1, n]
                H[ELEVATION, 1, n] = -up / slant * H[BEARING, 0, n]
                H[ELEVATION, 2, n] = ground / slant
            distance[n] = slant
    return distance


def add_of_sensor(excess: Floats, H: Floats, sensor: Sensor) -> None:
    """Add what the sensor's own position makes uncertain: of positions alone, H of a radial velocity is not asked."""
    d = len(sensor.position)
    for i in range(len(excess)):
        for j in range(len(excess)):
            for a in range(d):
                for b in range(d):
                    for n in each(excess.shape[2]):
                        excess[i, j, n] += H[i, a, n] * sensor.covariance[a, b] * H[j, b, n]


def bent_away(distance: Floats, along: Floats, spread: Floats, packing: Packing) -> Floats:
    """Return by how much the ranges (n,) are longer than the distances, `along` being their variances.

    A range bends away from the plane across the line of sight: by half the variance there over the range, and as much
    again is uncertain (BLK section 10.3.2); beyond the range itself the expansion ends.
    """
    bent = np.empty_like(distance)
    for n in each(len(distance)):
        beside = -along[n]
        for a in range(len(packing.place) // 2):
            beside = beside + spread[packing.place[a, a], n]
        beside = np.maximum(beside, 0.0)
        bent[n] = beside / (2.0 * np.sqrt(distance[n] ** 2 + beside))
    return bent


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
        twice = 2.0 if c > d and i == k - 1 else 1.0
        for a in range(d):
            for n in each(count):
                drift[i, n] += H[i, a, n] * (mixture.mean[d + a, n] - sensor.velocity[a])
                D[i, d + a, n] = twice * H[i, a, n]
    for b in range(d, 2 * d):
        for a in range(2 * d):
            e = packing.place[a, b]
            for i in range(k):
                for j in range(k):
                    for n in each(count):
                        product = wide[i, a, n] * D[j, b, n] * mixture.spread[e, n]
                        with_z[i, j, n] += product
                        with_z[j, i, n] += product
                        with_drift[i, j, n] += D[i, a, n] * D[j, b, n] * mixture.spread[e, n]


def through(H: Floats, P: Floats, packing: Packing) -> Floats:
    """Return H P H^T (k, k, n) of rows H (k, c, n) over the first c components of packed P (p, n)."""
    k, c, count = H.shape
    HP, product = np.zeros(H.shape), np.zeros((k, k, count))
    for i in range(k):
        for b in range(c):
            for a in range(c):
                for n in each(count):
                    HP[i, a, n] += P[packing.place[a, b], n] * H[i, b, n]
    for i in range(k):
        for j in range(i + 1):
            for a in range(c):
                for n in each(count):
                    product[i, j, n] += HP[i, a, n] * H[j, a, n]
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
    w, vr, turn = np.empty((d, count)), np.zeros(count), np.zeros(count)
    for a in range(d):
        for n in each(count):
            w[a, n] = mean[d + a, n] - sensor.velocity[a]
            vr[n] += H[0, a, n] * w[a, n]
            turn[n] += w[a, n] ** 2
    # What is left across the line of sight of the covariance of positions, of both, and of velocities.
    across = np.empty((3, d, d, count))
    for which in range(3):
        row, column = (0 if which < 2 else d), (d if which > 0 else 0)
        leave_across(across[which], H[0, :d], P, place[row : row + d, column : column + d])
    bend, twice, position = np.zeros(count), np.zeros(count), np.zeros(count)
    for a in range(d):
        for n in each(count):
            position[n] += across[0, a, a, n]
            bend[n] += across[1, a, a, n]
            turn[n] += across[2, a, a, n]
        for b in range(d):
            for n in each(count):
                twice[n] += across[1, a, b, n] * across[1, b, a, n] + across[0, a, b, n] * across[2, b, a, n]
    for n in each(count):
        R = np.sqrt(distance[n] ** 2 + np.maximum(position[n], 0.0))
        turn[n] = (turn[n] - vr[n] ** 2) / R
        bend[n] = vr[n] + bend[n] / R
        # Rounding may leave a zero slightly negative.
        twice[n] = np.maximum(twice[n], 0.0) / R**2
        for a in range(d):
            H[-1, a, n], H[-1, d + a, n] = (w[a, n] - vr[n] * H[0, a, n]) / R, H[0, a, n]
    return bend, twice, turn


def leave_across(left: Floats, u: Floats, P: Floats, place: Indices) -> None:
    """Fill in B M B (d, d, n) with B = I - u u^T, of u (d, n) and matrices M at the places (d, d) in packed P."""
    d, count = u.shape
    uM, Mu, uMu = np.zeros((d, count)), np.zeros((d, count)), np.zeros(count)
    for a in range(d):
        for b in range(d):
            for n in each(count):
                element = P[place[a, b], n]
                uM[b, n] += u[a, n] * element
                Mu[a, n] += element * u[b, n]
                uMu[n] += u[a, n] * element * u[b, n]
    for a in range(d):
        for b in range(d):
            for n in each(count):
                beside = P[place[a, b], n] - u[a, n] * uM[b, n] - Mu[a, n] * u[b, n]
                left[a, b, n] = beside + u[a, n] * uMu[n] * u[b, n]
