"""Textbook IMM filter on bearing and range in the plane, one matrix product after the other.

It shares no code with the tracker: an independent reference.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from svc_tracker.domain.state.types import Booleans, Floats, Integers

_LEAST_PROBABILITY: Final = 1e-12


@dataclass(frozen=True, slots=True)
class ImmModel:
    """Modes by turn rate (0: constant velocity) with their white acceleration, and the rates at which motions end."""

    turn_rate_degps: tuple[float, ...] = (0.0, 4.0, -4.0)
    noise_m2ps3: tuple[float, ...] = (0.7, 10.0, 10.0)
    straight_ends_per_s: float = 0.02
    turn_ends_per_s: float = 0.1
    speed_sigma_mps: float = 113.0

    def transition(self, dt_s: float) -> Floats:
        """Return the mode transition probabilities (from, to) over `dt_s`; turns change only to straight motion."""
        modes = len(self.turn_rate_degps)
        if modes == 1:
            return np.ones((1, 1))
        leave = -np.expm1(-self.straight_ends_per_s * dt_s)
        back = -np.expm1(-self.turn_ends_per_s * dt_s)
        matrix = np.diag(np.full(modes, 1.0 - back))
        matrix[:, 0] = back
        matrix[0] = leave / (modes - 1)
        matrix[0, 0] = 1.0 - leave
        return matrix


@dataclass(frozen=True, slots=True, eq=False)
class Imm:
    """n targets, M modes: means (n, M, 4) of east, north and their rates, covariances (n, M, 4, 4), weights (n, M)."""

    mean: Floats
    covariance: Floats
    weight: Floats


def initiate(range_m: Floats, bearing_rad: Floats, noise: Floats, model: ImmModel) -> Imm:
    """Initiate the filters from n first detections: position from the measurement, velocity from the prior."""
    modes = len(model.turn_rate_degps)
    sin, cos = np.sin(bearing_rad), np.cos(bearing_rad)
    count = len(range_m)
    mean = np.zeros((count, modes, 4))
    mean[:, :, 0], mean[:, :, 1] = (range_m * sin)[:, None], (range_m * cos)[:, None]
    # d(east, north) / d(range, bearing)
    J = np.stack([np.stack([sin, range_m * cos], -1), np.stack([cos, -range_m * sin], -1)], -2)
    covariance = np.zeros((count, modes, 4, 4))
    covariance[:, :, :2, :2] = (J @ noise @ J.swapaxes(-1, -2))[:, None]
    covariance[:, :, 2, 2] = covariance[:, :, 3, 3] = model.speed_sigma_mps**2
    weight = np.full((count, modes), 0.1 / max(modes - 1, 1))
    weight[:, 0] = 1.0 - weight[:, 1:].sum(axis=1)
    return Imm(mean, covariance, weight)


def predict(imm: Imm, dt_s: float, model: ImmModel) -> Imm:
    """Predict the filters by `dt_s`: mix, then propagate each mode by its own model.

    Blom and Bar-Shalom, "The interacting multiple model algorithm for systems with Markovian switching coefficients",
    IEEE Trans. AC 33(8), 1988; in the notation of Bar-Shalom, Li and Kirubarajan, "Estimation with Applications to
    Tracking and Navigation", 2001, section 11.6.6.
    """
    # mu_ij = p_ij mu_i / c_j with c_j = sum_i p_ij mu_i
    joint = imm.weight[:, :, None] * model.transition(dt_s)
    weight = joint.sum(axis=1)
    mixing = joint / weight[:, None, :]
    mean = np.einsum("nij,nia->nja", mixing, imm.mean)
    deviation = imm.mean[:, :, None] - mean[:, None]
    covariance = np.einsum("nij,niab->njab", mixing, imm.covariance)
    covariance += np.einsum("nij,nija,nijb->njab", mixing, deviation, deviation)
    F, Q = _motion(dt_s, model)
    return Imm((F @ mean[..., None])[..., 0], F @ covariance @ F.swapaxes(-1, -2) + Q, weight)


def update(imm: Imm, range_m: Floats, bearing_rad: Floats, noise: Floats) -> Imm:
    """Update the filters with one detection each: an extended Kalman update a mode, weights by likelihood."""
    east, north = imm.mean[..., 0], imm.mean[..., 1]
    r = np.hypot(east, north)
    H = np.zeros((*r.shape, 2, 4))
    H[..., 0, 0], H[..., 0, 1] = east / r, north / r
    H[..., 1, 0], H[..., 1, 1] = north / r**2, -east / r**2
    bearing_error = bearing_rad[:, None] - np.arctan2(east, north)
    nu = np.stack([range_m[:, None] - r, (bearing_error + np.pi) % (2.0 * np.pi) - np.pi], axis=-1)
    P, Ht = imm.covariance, H.swapaxes(-1, -2)
    S = H @ P @ Ht + noise
    K = np.linalg.solve(S, H @ P).swapaxes(-1, -2)
    distance = np.sum(nu * np.linalg.solve(S, nu[..., None])[..., 0], axis=-1)
    log_likelihood = -0.5 * (distance + np.log(np.linalg.det(S)))
    likelihood = np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
    weight = np.maximum(imm.weight * likelihood, _LEAST_PROBABILITY)
    covariance = P - K @ S @ K.swapaxes(-1, -2)
    covariance = 0.5 * (covariance + covariance.swapaxes(-1, -2))
    mean = imm.mean + (K @ nu[..., None])[..., 0]
    return Imm(mean, covariance, weight / weight.sum(axis=1, keepdims=True))


def combine(imm: Imm) -> tuple[Floats, Floats]:
    """Return the mean (n, 4) and covariance (n, 4, 4) over the modes."""
    mean = np.einsum("nm,nma->na", imm.weight, imm.mean)
    deviation = imm.mean - mean[:, None]
    covariance = np.einsum("nm,nmab->nab", imm.weight, imm.covariance)
    return mean, covariance + np.einsum("nm,nma,nmb->nab", imm.weight, deviation, deviation)


def replace_rows(imm: Imm, rows: Integers, updated: Imm) -> Imm:
    """Return the filters with these rows replaced."""
    mean, covariance, weight = imm.mean.copy(), imm.covariance.copy(), imm.weight.copy()
    mean[rows], covariance[rows], weight[rows] = updated.mean, updated.covariance, updated.weight
    return Imm(mean, covariance, weight)


def concatenate(first: Imm, second: Imm) -> Imm:
    """Return the filters of both."""
    return Imm(
        np.concatenate([first.mean, second.mean]),
        np.concatenate([first.covariance, second.covariance]),
        np.concatenate([first.weight, second.weight]),
    )


def select(imm: Imm, which: Booleans | Integers) -> Imm:
    """Select filters by a mask or by indices."""
    return Imm(imm.mean[which], imm.covariance[which], imm.weight[which])


def _motion(dt_s: float, model: ImmModel) -> tuple[Floats, Floats]:
    """Return each mode's transition matrix and process noise, both (M, 4, 4).

    Coordinated turn at a known rate w to the left, w = 0 for straight motion; the noise is that of a white acceleration
    (Bar-Shalom, Li and Kirubarajan, sections 11.7.1 and 6.2.2).
    """
    matrices, noises = [], []
    for rate_degps, q in zip(model.turn_rate_degps, model.noise_m2ps3, strict=True):
        angle = np.radians(rate_degps) * dt_s
        along = dt_s * np.sinc(angle / np.pi)
        left = dt_s * np.sin(angle / 2.0) * np.sinc(angle / (2.0 * np.pi))
        c, s = np.cos(angle), np.sin(angle)
        matrices.append([[1.0, 0.0, along, -left], [0.0, 1.0, left, along], [0.0, 0.0, c, -s], [0.0, 0.0, s, c]])
        noises.append(q * np.kron([[dt_s**3 / 3.0, dt_s**2 / 2.0], [dt_s**2 / 2.0, dt_s]], np.eye(2)))
    return np.array(matrices), np.array(noises)
