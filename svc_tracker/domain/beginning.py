"""First beliefs, from one detection each.

Components come first, then M modes, then n things: states are (s, M, n), packed covariances (p, M, n). Loops are over
components and modes, never over things: elementwise NumPy, which numba compiles as it is. BLK is Bar-Shalom, Li and
Kirubarajan, "Estimation with Applications to Tracking and Navigation", 2001.
"""

import numpy as np

from svc_tracker.domain.arrays import Indices
from svc_tracker.domain.layout import (
    BEARING,
    ELEVATION,
    LEAST_PIVOT,
    RANGE,
    Belief,
    Measurements,
    Packing,
    Prior,
    Sensor,
)


def begin(measurements: Measurements, which: Indices, sensor: Sensor, prior: Prior, packing: Packing) -> Belief:
    """Return first beliefs (q) from one detection each.

    The position is the measured one, of errors along the axes of the line of sight. Of the velocity only its radial
    part is measured; the rest stays as uncertain as it was before anything was seen.
    """
    d, count = len(sensor.position), len(which)
    z, variance = measurements.z[:, which], measurements.variance[:, which]
    r, b = z[RANGE], z[BEARING]
    e, e_variance = np.full(count, prior.elevation), np.full(count, prior.elevation_variance)
    if measurements.elevation:
        e, e_variance = z[ELEVATION], variance[ELEVATION]
    sin_b, cos_b, sin_e, cos_e = np.sin(b), np.cos(b), np.sin(e), np.cos(e)
    axes, errors = np.zeros((3, 3, count)), np.empty((3, count))
    axes[0, 0], axes[0, 1], axes[0, 2] = sin_b * cos_e, cos_b * cos_e, sin_e
    axes[1, 0], axes[1, 1] = cos_b, -sin_b
    axes[2, 0], axes[2, 1], axes[2, 2] = -sin_b * sin_e, -cos_b * sin_e, cos_e
    squared = r**2
    errors[0] = variance[RANGE] + squared * (variance[BEARING] ** 2 * cos_e**4 + e_variance**2) / 2.0
    errors[1] = squared * variance[BEARING] * (cos_e**2 + e_variance)
    errors[2] = squared * e_variance
    # No axis is known so much better than another that rounding could not tell.
    largest = np.maximum(np.maximum(errors[0], errors[1]), errors[2])
    for i in range(3):
        errors[i] = np.maximum(errors[i], LEAST_PIVOT * largest)
    V, velocity = np.zeros((d, d, count)), np.zeros((d, count))
    for a in range(d):
        V[a, a] = prior.speed_variance[a]
    if measurements.radial_velocity:
        # The line of sight is only known to the errors of the angles, across which the thing may move.
        s = variance[-1] + (variance[BEARING] + e_variance) * prior.speed_variance[0]
        left = z[-1].copy()
        for a in range(d):
            s += axes[0, a] ** 2 * prior.speed_variance[a]
            left += axes[0, a] * sensor.velocity[a]
        for a in range(d):
            velocity[a] = prior.speed_variance[a] * axes[0, a] * left / s
            for j in range(d):
                V[a, j] -= prior.speed_variance[a] * axes[0, a] * prior.speed_variance[j] * axes[0, j] / s
    tau = np.zeros(count)
    if len(measurements.time_offset_s) > 0:
        tau = measurements.time_offset_s[which]
    modes = len(prior.modes)
    probability, x, P = (
        np.empty((modes, count)),
        np.empty((2 * d, modes, count)),
        np.empty((len(packing.row), modes, count)),
    )
    for m in range(modes):
        probability[m] = prior.modes[m]
    for a in range(d):
        x[a] = sensor.position[a] + r * axes[0, a] - tau * (velocity[a] - sensor.velocity[a])
        x[d + a] = velocity[a]
        for j in range(d):
            P[packing.place[d + a, d + j]] = V[a, j]
            P[packing.place[a, d + j]] = -tau * V[a, j]
            error = tau**2 * V[a, j]
            for i in range(d):
                error += axes[i, a] * errors[i] * axes[i, j]
            P[packing.place[a, j]] = error
    return Belief(probability, x, P)
