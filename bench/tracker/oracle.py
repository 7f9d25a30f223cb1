"""Oracle: a textbook IMM with perfect association, which reports a target from its third detection.

It shares no code with the tracker: an independent reference, one matrix product after the other.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from bench.tracker.runner import Estimates
from bench.tracker.scene import RANGE_SIGMA_M, Scan, Scene
from svc_tracker.domain.state.types import Booleans, Floats, Integers

_REPORTED_FROM: Final = 3
_LEAST_PROBABILITY: Final = 1e-12


@dataclass(frozen=True, slots=True)
class ImmModel:
    """Modes by their turn rates, 0 for constant velocity, their white acceleration, and their rates of ending."""

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


def begun(range_m: Floats, bearing_rad: Floats, noise: Floats, model: ImmModel) -> Imm:
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


def predicted(imm: Imm, dt_s: float, model: ImmModel) -> Imm:
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
    spread = imm.mean[:, :, None] - mean[:, None]
    covariance = np.einsum("nij,niab->njab", mixing, imm.covariance)
    covariance += np.einsum("nij,nija,nijb->njab", mixing, spread, spread)
    F, Q = _motion(dt_s, model)
    return Imm((F @ mean[..., None])[..., 0], F @ covariance @ F.swapaxes(-1, -2) + Q, weight)


def corrected(imm: Imm, range_m: Floats, bearing_rad: Floats, noise: Floats) -> Imm:
    """Update the filters with one detection each: an extended Kalman update a mode, weights by likelihood."""
    east, north = imm.mean[..., 0], imm.mean[..., 1]
    r = np.hypot(east, north)
    H = np.zeros((*r.shape, 2, 4))
    H[..., 0, 0], H[..., 0, 1] = east / r, north / r
    H[..., 1, 0], H[..., 1, 1] = north / r**2, -east / r**2
    turn = bearing_rad[:, None] - np.arctan2(east, north)
    nu = np.stack([range_m[:, None] - r, (turn + np.pi) % (2.0 * np.pi) - np.pi], axis=-1)
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


def combined(imm: Imm) -> tuple[Floats, Floats]:
    """Return the mean (n, 4) and covariance (n, 4, 4) over the modes."""
    mean = np.einsum("nm,nma->na", imm.weight, imm.mean)
    spread = imm.mean - mean[:, None]
    covariance = np.einsum("nm,nmab->nab", imm.weight, imm.covariance)
    return mean, covariance + np.einsum("nm,nma,nmb->nab", imm.weight, spread, spread)


@dataclass(eq=False)
class Oracle:
    """Filters of the present targets, by their ids."""

    scene: Scene
    model: ImmModel = field(default_factory=ImmModel)
    name: str = "oracle"

    def __post_init__(self) -> None:
        bearing_sigma = np.radians(self.scene.variant.bearing_sigma_deg)
        self._noise = np.diag([RANGE_SIGMA_M**2, bearing_sigma**2])
        self._ids: Integers = np.zeros(0, dtype=np.int64)
        self._hits: Integers = np.zeros(0, dtype=np.int64)
        self._imm = begun(np.zeros(0), np.zeros(0), self._noise, self.model)
        self._time_s = 0.0

    def prepare(self, scan: Scan) -> Scan:
        """Return the scan: the oracle reads the target of each detection."""
        return scan

    def step(self, prepared: Scan) -> None:
        """Process a scan: drop targets that are gone, predict, update the detected ones, initiate new ones."""
        scan = prepared
        alive = np.isin(self._ids, scan.ids)
        self._ids, self._hits = self._ids[alive], self._hits[alive]
        imm = _chosen(self._imm, alive)
        imm = predicted(imm, scan.time_s - self._time_s, self.model)
        self._time_s = scan.time_s
        detection = np.flatnonzero(scan.source >= 0)
        whose = scan.ids[scan.source[detection]]
        range_m, bearing = scan.range_m[detection], np.radians(scan.bearing_deg[detection])
        known, row = _replay_points(whose, self._ids)
        after = corrected(_chosen(imm, row), range_m[known], bearing[known], self._noise)
        for old, new in ((imm.mean, after.mean), (imm.covariance, after.covariance), (imm.weight, after.weight)):
            old[row] = new
        self._hits[row] += 1
        fresh = begun(range_m[~known], bearing[~known], self._noise, self.model)
        self._imm = Imm(
            np.concatenate([imm.mean, fresh.mean]),
            np.concatenate([imm.covariance, fresh.covariance]),
            np.concatenate([imm.weight, fresh.weight]),
        )
        self._ids = np.concatenate([self._ids, whose[~known]])
        self._hits = np.concatenate([self._hits, np.ones(np.count_nonzero(~known), dtype=np.int64)])

    def estimates(self) -> Estimates:
        """Return the filters with enough detections."""
        reported = self._hits >= _REPORTED_FROM
        mean, covariance = combined(_chosen(self._imm, reported))
        return Estimates(self._ids[reported], mean[:, :2], mean[:, 2:], covariance)


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


def _chosen(imm: Imm, which: Booleans | Integers) -> Imm:
    return Imm(imm.mean[which], imm.covariance[which], imm.weight[which])


def _replay_points(ids: Integers, among: Integers) -> tuple[Booleans, Integers]:
    """Return which of the ids are among the others, and the positions of these there."""
    if not len(among):
        return np.zeros(len(ids), dtype=np.bool_), np.zeros(0, dtype=np.int64)
    order = np.argsort(among)
    place = np.minimum(np.searchsorted(among, ids, sorter=order), len(among) - 1)
    known = among[order[place]] == ids
    return known, order[place[known]]
