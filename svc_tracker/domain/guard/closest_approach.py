"""Where and when tracks come nearest to the own ship if both go straight on, and how sure that is.

With r and v the track's position and velocity less the own ship's, |r + v t| is least at t = -(r . v) / |v|^2; with
d = r + v t there, the distance is |d|. Where the two move apart, or do not move against each other, t = 0.

To first order in the track's errors, with covariance P of r and v together and u = d / |d| (d is normal to v, so that
an error of t moves it only along v, which does not change its length):

    M = P_rr + t (P_rv + P_vr) + t^2 P_vv,    dt = -(v . dr + (d + t v) . dv) / |v|^2

a = u'Mu is the variance of the distance. What lies across u (and across v), b = tr M - a - w'Mw with w = v / |v|, makes
the distance longer to second order, by b / (2 |d|). That fails where |d| is not large against the errors, so it is
told as sqrt(|d|^2 + b): the same far away, and with the variance a its second moment is that of the errors everywhere,
|d|^2 + a + b. At d = 0 no direction is u: then a = b, half of what lies across v, and the distance told is not 0 but of
the errors' own size. The own ship's position and velocity are taken for exact.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from svc_tracker.domain.state.types import Floats

# Eleven days: beyond it nothing goes straight on, and a time that is not finite tells nothing.
MAX_TIME_S: Final = 1e6
# Relative speeds below it are none: it would take longer than MAX_TIME_S to come a kilometre nearer.
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
    """Return when and how near tracks come: `position_m`, `velocity_mps` (n, 3), `covariance` (n, 6, 6), own (3,)."""
    # Every component in one piece: what is elementwise is several times as fast.
    r = np.ascontiguousarray((position_m - own_position_m).T)
    v = np.ascontiguousarray((velocity_mps - own_velocity_mps).T)
    P = np.ascontiguousarray(covariance.transpose(1, 2, 0))
    square = (v * v).sum(axis=0)
    still = square < _MIN_SPEED_MPS**2
    square = np.where(still, 1.0, square)
    t = np.where(still, 0.0, np.clip(-(r * v).sum(axis=0) / square, 0.0, MAX_TIME_S))
    d = r + v * t
    length = np.sqrt((d * d).sum(axis=0))

    cross = P[:3, 3:]
    M = P[:3, :3] + t * (cross + cross.transpose(1, 0, 2)) + t * t * P[3:, 3:]
    meeting = t > 0.0
    along_v = np.where(meeting, _quadratic(v, M) / square, 0.0)
    across = np.maximum(M[0, 0] + M[1, 1] + M[2, 2] - along_v, 0.0)
    apart = length > _MIN_DISTANCE_M
    a = np.where(apart, _quadratic(d, M) / np.where(apart, length, 1.0) ** 2, across / 2.0)
    a = np.clip(a, 0.0, across)

    # The gradient of t by r is -v / |v|^2, by v -(d + t v) / |v|^2.
    gradient = np.concatenate([v, d + v * t]) / square
    time_variance = np.where(meeting, np.maximum(_quadratic(gradient, P), 0.0), 0.0)
    return ClosestApproaches(
        distance_m=np.sqrt(length**2 + across - a),
        distance_sigma_m=np.sqrt(a),
        time_s=t,
        time_sigma_s=np.minimum(np.sqrt(time_variance), MAX_TIME_S),
    )


def _quadratic(vectors: Floats, matrices: Floats) -> Floats:
    """Return x'Ax of each of n vectors (k, n) and matrices (k, k, n)."""
    values: Floats = np.einsum("in,ijn,jn->n", vectors, matrices, vectors)
    return values
