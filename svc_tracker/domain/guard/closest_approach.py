"""Closest point of approach of each track to the own ship, at constant velocities, with its uncertainty.

With r and v the track's position and velocity relative to the own ship's, |r + v t| is least at t = -(r . v) / |v|^2;
with d = r + v t at that time, the distance is |d|. t = 0 where the two move apart or not at all relative to each other.

To first order in the track's errors, with covariance P of r and v together and u = d / |d| (d is normal to v, so an
error of t moves it along v only, which does not change its length):

    M = P_rr + t (P_rv + P_vr) + t^2 P_vv,    dt = -(v . dr + (d + t v) . dv) / |v|^2

a = u'Mu is the variance of the distance. The variance across u and v, b = tr M - a - w'Mw with w = v / |v|, lengthens
the distance to second order, by b / (2 |d|). That expansion fails where |d| does not exceed the errors, so the distance
is given as sqrt(|d|^2 + b): the same far away, and with the variance a its second moment is correct everywhere,
|d|^2 + a + b. At d = 0 there is no direction u: then a = b, half of the variance across v, and the distance is not 0
but of the size of its errors. The own ship's position and velocity are taken as exact.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from svc_tracker.domain.state.linear_algebra import quadratic_form
from svc_tracker.domain.state.types import Floats

# Eleven days: no velocity stays constant for longer, and the time must be finite.
MAX_TIME_S: Final = 1e6
# Slower than this the distance changes by less than a kilometre in MAX_TIME_S.
_MIN_SPEED_MPS: Final = 1e-3
_MIN_DISTANCE_M: Final = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class ClosestApproaches:
    """The closest approaches of n tracks, each array (n,) and finite: expected distance, time from now, sigmas."""

    distance_m: Floats
    distance_sigma_m: Floats
    time_s: Floats
    time_sigma_s: Floats


def closest_approach(
    position_m: Floats, velocity_mps: Floats, covariance: Floats, own_position_m: Floats, own_velocity_mps: Floats
) -> ClosestApproaches:
    """Return the closest approaches of `position_m`, `velocity_mps` (n, 3) and `covariance` (n, 6, 6); own (3,)."""
    # Contiguous components make elementwise arithmetic several times as fast.
    r = np.ascontiguousarray((position_m - own_position_m).T)
    v = np.ascontiguousarray((velocity_mps - own_velocity_mps).T)
    P = np.ascontiguousarray(covariance.transpose(1, 2, 0))
    square = (v * v).sum(axis=0)
    static = square < _MIN_SPEED_MPS**2
    square = np.where(static, 1.0, square)
    t = np.where(static, 0.0, np.clip(-(r * v).sum(axis=0) / square, 0.0, MAX_TIME_S))
    d = r + v * t
    length = np.sqrt((d * d).sum(axis=0))

    cross = P[:3, 3:]
    M = P[:3, :3] + t * (cross + cross.transpose(1, 0, 2)) + t * t * P[3:, 3:]
    approaching = t > 0.0
    along_v = np.where(approaching, quadratic_form(v, M) / square, 0.0)
    across = np.maximum(M[0, 0] + M[1, 1] + M[2, 2] - along_v, 0.0)
    separate = length > _MIN_DISTANCE_M
    a = np.where(separate, quadratic_form(d, M) / np.where(separate, length, 1.0) ** 2, across / 2.0)
    a = np.clip(a, 0.0, across)

    # The gradient of t by r is -v / |v|^2, by v -(d + t v) / |v|^2.
    gradient = np.concatenate([v, d + v * t]) / square
    time_variance = np.where(approaching, np.maximum(quadratic_form(gradient, P), 0.0), 0.0)
    return ClosestApproaches(
        distance_m=np.sqrt(length**2 + across - a),
        distance_sigma_m=np.sqrt(a),
        time_s=t,
        time_sigma_s=np.minimum(np.sqrt(time_variance), MAX_TIME_S),
    )
