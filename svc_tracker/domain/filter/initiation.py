"""First beliefs, from one detection each.

Components come first, then M modes, then n things: states are (s, M, n), packed covariances (p, M, n). What is done to
`each` thing is elementwise NumPy, and one loop where numba compiles it as it is. BLK is Bar-Shalom, Li and
Kirubarajan, "Estimation with Applications to Tracking and Navigation", 2001.
"""

import numpy as np

from svc_tracker.domain.state.types import (
    BEARING,
    ELEVATION,
    LEAST_PIVOT,
    RANGE,
    Belief,
    Floats,
    Indices,
    Measurements,
    Packing,
    Prior,
    Sensor,
    each,
)


def begin(measurements: Measurements, which: Indices, sensor: Sensor, prior: Prior, packing: Packing) -> Belief:
    """Return first beliefs (q) from one detection each.

    The position is the measured one, of errors along the axes of the line of sight. Of the velocity only its radial
    part is measured; the rest stays as uncertain as it was before anything was seen.
    """
    d, modes, count = len(sensor.position), len(prior.modes), len(which)
    axes, errors = errors_of(measurements, which, prior)
    velocity, V = velocity_of(measurements, which, sensor, prior, axes[0])
    tau = np.zeros(count)
    if len(measurements.time_offset_s) > 0:
        tau = measurements.time_offset_s[which]
    probability, x, P = (
        np.empty((modes, count)),
        np.empty((2 * d, modes, count)),
        np.empty((len(packing.row), modes, count)),
    )
    for m in range(modes):
        probability[m] = prior.modes[m]
    for a in range(d):
        for m in each(modes):
            for q in each(count):
                there = sensor.position[a] + measurements.z[RANGE, which[q]] * axes[0, a, q]
                x[a, m, q] = there - tau[q] * (velocity[a, q] - sensor.velocity[a])
                x[d + a, m, q] = velocity[a, q]
        for b in range(d):
            both, mixed, rates = packing.place[a, b], packing.place[a, d + b], packing.place[d + a, d + b]
            for m in each(modes):
                for q in each(count):
                    error = tau[q] ** 2 * V[a, b, q]
                    for i in range(3):
                        error = error + axes[i, a, q] * errors[i, q] * axes[i, b, q]
                    P[both, m, q], P[mixed, m, q], P[rates, m, q] = error, -tau[q] * V[a, b, q], V[a, b, q]
    return Belief(probability, x, P)


def errors_of(measurements: Measurements, which: Indices, prior: Prior) -> tuple[Floats, Floats]:
    """Return unit vectors (3, 3, q) along each line of sight, across it to the right and across it upwards, and the
    variances (3, q) of a position measured there along these.
    """
    z, variance, count = measurements.z, measurements.variance, len(which)
    elevation, e_variance = np.full(count, prior.elevation), np.full(count, prior.elevation_variance)
    if measurements.elevation:
        for q in each(count):
            elevation[q], e_variance[q] = z[ELEVATION, which[q]], variance[ELEVATION, which[q]]
    axes, errors = np.zeros((3, 3, count)), np.empty((3, count))
    for q in each(count):
        b, squared, b_variance = z[BEARING, which[q]], z[RANGE, which[q]] ** 2, variance[BEARING, which[q]]
        sin_b, cos_b, sin_e, cos_e = np.sin(b), np.cos(b), np.sin(elevation[q]), np.cos(elevation[q])
        axes[0, 0, q], axes[0, 1, q], axes[0, 2, q] = sin_b * cos_e, cos_b * cos_e, sin_e
        axes[1, 0, q], axes[1, 1, q] = cos_b, -sin_b
        axes[2, 0, q], axes[2, 1, q], axes[2, 2, q] = -sin_b * sin_e, -cos_b * sin_e, cos_e
        along = variance[RANGE, which[q]] + squared * (b_variance**2 * cos_e**4 + e_variance[q] ** 2) / 2.0
        aside, above = squared * b_variance * (cos_e**2 + e_variance[q]), squared * e_variance[q]
        # No axis is known so much better than another that rounding could not tell.
        least = LEAST_PIVOT * np.maximum(np.maximum(along, aside), above)
        errors[0, q], errors[1, q] = np.maximum(along, least), np.maximum(aside, least)
        errors[2, q] = np.maximum(above, least)
    return axes, errors


def velocity_of(
    measurements: Measurements, which: Indices, sensor: Sensor, prior: Prior, u: Floats
) -> tuple[Floats, Floats]:
    """Return the velocities (d, q) and their covariances (d, d, q): of the prior, corrected by what is measured along
    the lines of sight u (3, q).
    """
    d, count = len(sensor.position), len(which)
    V, velocity = np.zeros((d, d, count)), np.zeros((d, count))
    for a in range(d):
        V[a, a] = prior.speed_variance[a]
    if measurements.radial_velocity:
        e_variance = np.full(count, prior.elevation_variance)
        if measurements.elevation:
            e_variance = measurements.variance[ELEVATION][which]
        # The line of sight is only known to the errors of the angles, across which the thing may move.
        angles = measurements.variance[BEARING][which] + e_variance
        s = measurements.variance[-1][which] + angles * prior.speed_variance[0]
        left = measurements.z[-1][which]
        for a in range(d):
            s += u[a] ** 2 * prior.speed_variance[a]
            left += u[a] * sensor.velocity[a]
        for a in range(d):
            velocity[a] = prior.speed_variance[a] * u[a] * left / s
            for b in range(d):
                V[a, b] -= prior.speed_variance[a] * u[a] * prior.speed_variance[b] * u[b] / s
    return velocity, V
