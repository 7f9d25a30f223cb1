"""The Kalman filter of a nearly constant velocity, elementwise over all tracks.

Throughout, a state x is (6, n), position then velocity in ENU, and a covariance P is (6, 6, n). Nothing is inverted: a
measurement is taken up one scalar at a time, which for independent errors gives what all at once would give. BLK is
Bar-Shalom, Li and Kirubarajan, "Estimation with Applications to Tracking and Navigation", 2001.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from svc_tracker.domain.arrays import Floats
from svc_tracker.domain.model import TrackerModel

# A measurement this much sharper than what was known leaves nothing but rounding errors in the covariance.
_LEAST_RELATIVE_VARIANCE: Final = 1e-12
# Nearer than that a thing has no direction.
_LEAST_DISTANCE_M: Final = 1e-3


def predict(x: Floats, P: Floats, dt_s: float, model: TrackerModel) -> tuple[Floats, Floats]:
    """Return state and covariance dt_s later: x' = F x, P' = F P F^T + Q (BLK section 6.2.2).

    F = [[I, dt I], [0, I]]; with q the spectral density of the acceleration's white noise on an axis,
    Q = q [[dt^3/3, dt^2/2], [dt^2/2, dt]] on that axis.
    """
    if dt_s == 0.0:
        return x, P
    q = np.array([model.horizontal_noise_m2ps3, model.horizontal_noise_m2ps3, model.vertical_noise_m2ps3])
    axis = np.arange(3)
    pp, pv, vv = P[:3, :3], P[:3, 3:], P[3:, 3:]
    later_pp = pp + dt_s * (pv + pv.transpose(1, 0, 2)) + dt_s**2 * vv
    later_pv = pv + dt_s * vv
    later_vv = vv.copy()
    later_pp[axis, axis] += (q * dt_s**3 / 3.0)[:, None]
    later_pv[axis, axis] += (q * dt_s**2 / 2.0)[:, None]
    later_vv[axis, axis] += (q * dt_s)[:, None]
    later = np.empty_like(P)
    later[:3, :3], later[:3, 3:] = later_pp, later_pv
    later[3:, :3], later[3:, 3:] = later_pv.transpose(1, 0, 2), later_vv
    return np.concatenate([x[:3] + dt_s * x[3:], x[3:]]), later


def update(x: Floats, P: Floats, h: Floats, innovation: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Return state and covariance after one scalar measurement with row h (6, n) and `variance` (n,) of its error.

    With s = h P h^T + variance: x' = x + P h^T innovation / s, P' = P - (P h^T)(P h^T)^T / s (BLK section 5.2.3). The
    subtracted product is symmetric to the last bit, so P' is too.
    """
    Ph = np.einsum("ijn,jn->in", P, h)
    known = np.einsum("in,in->n", h, Ph)
    s = known + np.maximum(variance, _LEAST_RELATIVE_VARIANCE * known)
    share = Ph / np.sqrt(s)
    return x + Ph * (innovation / s), P - share[:, None] * share[None, :]


@dataclass(frozen=True, slots=True, eq=False)
class RadialVelocity:
    """The radial velocity that states predict: its mean (n,), row h (6, n), and excess variance (n,)."""

    mean_mps: Floats
    h: Floats
    excess_m2ps2: Floats


def radial_velocity(x: Floats, P: Floats, position_m: Floats, velocity_mps: Floats) -> RadialVelocity:
    """Return the radial velocity seen by a sensor there, by a filter of second order (BLK section 10.3.2).

    With d and w position and velocity relative to the sensor, R = |d| and u = d / R: vr = u . w, and its gradient is
    h = [(w - vr u) / R, u]. Across the line of sight, where B = I - u u^T, position and velocity multiply: the second
    derivative B / R adds tr(B C) / R to the mean and (tr(B C B C) + tr(B Ppp B Pvv)) / R^2 to the variance, with C the
    covariance of position and velocity. The smaller second derivative in position alone is left out. Where derivatives
    are divided by R, R^2 + tr(B Ppp) stands for R^2: the expansion ends where the position's own error reaches R.
    """
    d, w = x[:3] - position_m[:, None], x[3:] - velocity_mps[:, None]
    distance = np.maximum(np.sqrt(np.einsum("in,in->n", d, d)), _LEAST_DISTANCE_M)
    u = d / distance
    vr = np.einsum("in,in->n", u, w)
    across = np.eye(3)[:, :, None] - u[:, None] * u[None, :]
    BPp, BC, BPv = (np.einsum("ijn,jkn->ikn", across, block) for block in (P[:3, :3], P[:3, 3:], P[3:, 3:]))
    R = np.sqrt(distance**2 + np.maximum(np.einsum("iin->n", BPp), 0.0))
    spread = np.einsum("ijn,jin->n", BC, BC) + np.einsum("ijn,jin->n", BPp, BPv)
    return RadialVelocity(
        mean_mps=vr + np.einsum("iin->n", BC) / R,
        h=np.concatenate([(w - vr * u) / R, u]),
        # Rounding may leave a zero slightly negative.
        excess_m2ps2=np.maximum(spread, 0.0) / R**2,
    )
