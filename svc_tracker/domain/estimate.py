"""States from measurements: a known state corrected by one, and a first one begun from one."""

import numpy as np

from svc_tracker.domain import kalman
from svc_tracker.domain.arrays import Floats
from svc_tracker.domain.frame import Frame
from svc_tracker.domain.measurement import Measurements
from svc_tracker.domain.model import TrackerModel


def corrected(x: Floats, P: Floats, measured: Measurements, frame: Frame) -> tuple[Floats, Floats]:
    """Return states (6, n) and covariances (6, 6, n) after one measurement each, (n,) in all.

    First the position, axis by axis, in which it is linear; then the radial velocity, as it looks from there.
    """
    still = np.zeros_like(measured.point_m)
    for axis in range(3):
        across = measured.axes[:, axis]
        innovation = np.einsum("in,in->n", across, measured.point_m - x[:3])
        x, P = kalman.update(x, P, np.concatenate([across, still]), innovation, measured.variance_m2[axis])
    return _with_radial_velocity(x, P, measured, frame)


def begun(measured: Measurements, frame: Frame, model: TrackerModel) -> tuple[Floats, Floats]:
    """Return first states (6, n) and covariances (6, 6, n) from one measurement each.

    The position is the measured one; of the velocity only its radial part is measured, the rest stays as uncertain as
    it was before anything was seen.
    """
    horizontal, vertical = model.horizontal_speed_sigma_mps**2, model.vertical_speed_sigma_mps**2
    x = np.concatenate([measured.point_m, np.zeros_like(measured.point_m)])
    P = np.zeros((6, 6, len(measured)))
    P[:3, :3] = measured.covariance_m2()
    P[3:, 3:] = np.diag([horizontal, horizontal, vertical])[:, :, None]
    return _with_radial_velocity(x, P, measured, frame)


def _with_radial_velocity(x: Floats, P: Floats, measured: Measurements, frame: Frame) -> tuple[Floats, Floats]:
    vr = kalman.radial_velocity(x, P, frame.sensor_position_m, frame.sensor_velocity_mps)
    variance = measured.vr_variance_m2ps2 + vr.excess_m2ps2
    return kalman.update(x, P, vr.h, measured.vr_mps - vr.mean_mps, variance)
