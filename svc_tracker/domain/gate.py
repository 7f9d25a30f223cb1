"""Which detections may be which track's, and how much each such pair speaks for itself."""

from dataclasses import dataclass
from itertools import chain
from typing import Final, cast

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import gammaincinv

from svc_tracker.domain.arrays import Booleans, Floats, Indices
from svc_tracker.domain.frame import Frame
from svc_tracker.domain.kalman import radial_velocity
from svc_tracker.domain.measurement import (
    Measurements,
    angle_sigmas_rad,
    log_scan_volume,
    range_sigma_m,
)
from svc_tracker.domain.model import TrackerModel
from svc_tracker.domain.tracks import Tracks

_DIMENSIONS: Final = 4
# Bounds the memory of a crowd in which everything may be everything's: about 60 MB.
_PAIRS_AT_ONCE: Final = 1 << 17
# What rounding may leave of a variance that is none the less positive.
_LEAST_RELATIVE_PIVOT: Final = 1e-12
# A sensor that is said never to detect anything has detected something.
_LEAST_DETECTION_PROBABILITY: Final = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """k pairs inside the gate, by track and then by detection, each array (k,).

    `evidence` is ln(Pd N(nu; S) / lambda): how much likelier the detection is the track's than a false or a new one.
    """

    track: Indices
    detection: Indices
    evidence: Floats


def gate(tracks: Tracks, eligible: Booleans, measured: Measurements, frame: Frame, model: TrackerModel) -> Pairs:
    """Return the pairs of eligible tracks and detections with nu^T S^-1 nu within the gate's chi-square bound.

    nu = z - h(x) and S = H P H^T + R, for position and radial velocity together (Blackman and Popoli, "Design and
    Analysis of Modern Tracking Systems", 1999, section 6.3). lambda is the density of the false and the new.
    """
    bound = gate_bound(model)
    track, detection = _near(tracks, eligible, measured, frame, bound)
    distance, log_likelihood = _likelihood(tracks, measured, frame, track, detection)
    inside = distance <= bound
    track, detection = track[inside], detection[inside]
    extraneous = frame.sensor_model.clutter_per_scan + model.births_per_scan
    # The likelihood is a density in space, lambda one in range and angles: the volume element is between them.
    log_density = np.log(extraneous) - log_scan_volume(frame) - measured.log_volume[detection]
    log_detected = np.log(max(frame.sensor_model.detection_probability, _LEAST_DETECTION_PROBABILITY))
    return Pairs(track, detection, log_detected + log_likelihood[inside] - log_density)


def gate_bound(model: TrackerModel) -> float:
    """Return what a chi-square variable of 4 degrees of freedom stays below with the gate's probability."""
    return 2.0 * float(gammaincinv(_DIMENSIONS / 2.0, model.gate_probability))


def _near(
    tracks: Tracks, eligible: Booleans, measured: Measurements, frame: Frame, bound: float
) -> tuple[Indices, Indices]:
    """Return every pair that can be inside the gate, and few others, from a spatial index.

    With g the bound's root, r a track's range, |P| at least the largest variance of its position, and k = g sigma of
    the worse angle: a detection at distance d in the gate has d <= g (|P|^1/2 + sigma_r) + k (r + d).
    """
    asked = np.flatnonzero(eligible)
    if not len(asked) or not len(measured):
        return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)
    position = tracks.state[:3, asked]
    offset = position - frame.sensor_position_m[:, None]
    range_m = np.sqrt(np.einsum("in,in->n", offset, offset))
    largest = np.abs(tracks.covariance[:3, :3, asked]).sum(axis=0).max(axis=0)
    g = np.sqrt(bound)
    # The root of 2 covers the second order in the measurements' variances.
    k = np.sqrt(2.0) * g * max(angle_sigmas_rad(frame))
    # Beyond a sine of 1 there is no bound: then every detection is near.
    radius = (g * (np.sqrt(largest) + range_sigma_m(frame)) + k * range_m) / (1.0 - k) if k < 1.0 else np.inf
    tree = cKDTree(measured.point_m.T)
    found = cast(list[list[int]], tree.query_ball_point(position.T, radius, return_sorted=True))
    count = np.fromiter(map(len, found), dtype=np.intp, count=len(found))
    detection = np.fromiter(chain.from_iterable(found), dtype=np.intp, count=int(count.sum()))
    return np.repeat(asked, count), detection


def _likelihood(
    tracks: Tracks, measured: Measurements, frame: Frame, track: Indices, detection: Indices
) -> tuple[Floats, Floats]:
    """Return nu^T S^-1 nu and ln N(nu; S) of the pairs (k,)."""
    x, P = tracks.state, tracks.covariance
    vr = radial_velocity(x, P, frame.sensor_position_m, frame.sensor_velocity_mps)
    PhT = np.einsum("ijn,jn->in", P, vr.h)
    vr_variance = np.einsum("in,in->n", vr.h, PhT) + vr.excess_m2ps2
    R = measured.covariance_m2()
    distance, log_likelihood = np.empty(len(track)), np.empty(len(track))
    for begin in range(0, len(track), _PAIRS_AT_ONCE):
        part = slice(begin, begin + _PAIRS_AT_ONCE)
        t, d = track[part], detection[part]
        S = np.empty((_DIMENSIONS, _DIMENSIONS, len(t)))
        S[:3, :3] = P[:3, :3, t] + R[:, :, d]
        S[3, :3] = PhT[:3, t]
        S[3, 3] = vr_variance[t] + measured.vr_variance_m2ps2[d]
        nu = np.empty((_DIMENSIONS, len(t)))
        nu[:3] = measured.point_m[:, d] - x[:3, t]
        nu[3] = measured.vr_mps[d] - vr.mean_mps[t]
        distance[part], log_determinant = _mahalanobis(S, nu)
        log_likelihood[part] = -0.5 * (distance[part] + log_determinant + _DIMENSIONS * np.log(2.0 * np.pi))
    return distance, log_likelihood


def _mahalanobis(S: Floats, nu: Floats) -> tuple[Floats, Floats]:
    """Return nu^T S^-1 nu and ln |S| of S (k, k, m), whose lower triangle is read, and nu (k, m).

    By Cholesky: S = L L^T, L y = nu, so that the distance is y^T y (Golub and Van Loan, "Matrix Computations", 4.2).
    """
    L = np.zeros_like(S)
    y = np.empty_like(nu)
    log_determinant = np.zeros(nu.shape[1])
    for i in range(len(nu)):
        for j in range(i):
            L[i, j] = (S[i, j] - (L[i, :j] * L[j, :j]).sum(axis=0)) / L[j, j]
        pivot = np.maximum(S[i, i] - (L[i, :i] ** 2).sum(axis=0), _LEAST_RELATIVE_PIVOT * S[i, i])
        L[i, i] = np.sqrt(pivot)
        y[i] = (nu[i] - (L[i, :i] * y[:i]).sum(axis=0)) / L[i, i]
        log_determinant += np.log(pivot)
    return (y**2).sum(axis=0), log_determinant
