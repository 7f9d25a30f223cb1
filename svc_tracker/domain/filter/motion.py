"""Motion models: the transition of each mode over a time step, and the switching between modes.

BLK is Bar-Shalom, Li and Kirubarajan, "Estimation with Applications to Tracking and Navigation", 2001.
"""

import numpy as np
from scipy.linalg import expm

from svc_tracker.domain.model import Mode, TrackerModel
from svc_tracker.domain.state.types import Floats, Layout, MotionStep


def motion_step(dt_s: float, model: TrackerModel, layout: Layout) -> MotionStep:
    """Return the motion models over `dt_s` seconds."""
    F = np.stack([_transition_matrix(mode, dt_s, layout) for mode in model.modes])
    return MotionStep(
        F=F,
        covariance_map=np.stack([layout.covariance_map(matrix) for matrix in F]),
        Q=np.stack([layout.pack(_process_noise(mode, dt_s, layout)) for mode in model.modes]),
        mode_transition=expm(mode_switching_rates(model) * dt_s),
    )


def mode_switching_rates(model: TrackerModel) -> Floats:
    """Return the generator (M, M) of the Markov chain of modes, in 1/s: a mode is left for all others alike."""
    stays = np.array([mode.mean_stay_s for mode in model.modes])
    count = len(stays)
    if count == 1:
        return np.zeros((1, 1))
    rates: Floats = (1.0 / (count - 1) * (1.0 - np.eye(count)) - np.eye(count)) / stays[:, None]
    return rates


def stationary_probability(model: TrackerModel) -> Floats:
    """Return the stationary distribution (M,) of the Markov chain of modes: in proportion to their mean stays.

    That holds because a mode is left for all others alike.
    """
    stays = np.array([mode.mean_stay_s for mode in model.modes])
    probability: Floats = stays / stays.sum()
    return probability


def _transition_matrix(mode: Mode, dt_s: float, layout: Layout) -> Floats:
    """Return F (s, s): constant velocity, or a coordinated turn of known rate (BLK 11.7.1), vertical unchanged.

    With w the turn rate, counter-clockwise: [[sin wt / w, -(1 - cos wt) / w], [(1 - cos wt) / w, sin wt / w]] takes
    velocity to displacement, [[cos wt, -sin wt], [sin wt, cos wt]] velocity to velocity.
    """
    d = layout.axes
    F = np.eye(2 * d)
    F[:d, d:] = dt_s * np.eye(d)
    turned = -np.radians(mode.turn_rate_dps) * dt_s
    # sinc(x / pi) = sin x / x: no division by zero at turn rate 0.
    along, across = dt_s * np.sinc(turned / np.pi), dt_s * np.sin(turned / 2.0) * np.sinc(turned / 2.0 / np.pi)
    F[:2, d : d + 2] = [[along, -across], [across, along]]
    F[d : d + 2, d : d + 2] = [[np.cos(turned), -np.sin(turned)], [np.sin(turned), np.cos(turned)]]
    return F


def _process_noise(mode: Mode, dt_s: float, layout: Layout) -> Floats:
    """Return Q (s, s) of white acceleration noise of the mode's spectral densities q (BLK 6.2.2).

    On each axis q [[dt^3 / 3, dt^2 / 2], [dt^2 / 2, dt]].
    """
    q = np.diag([mode.horizontal_noise_m2ps3, mode.horizontal_noise_m2ps3, mode.vertical_noise_m2ps3][: layout.axes])
    return np.block([[q * dt_s**3 / 3.0, q * dt_s**2 / 2.0], [q * dt_s**2 / 2.0, q * dt_s]])
