"""Gating: the pairs of a track and a detection that are compatible, with their likelihoods."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from scipy.special import gammaincinv

from svc_tracker.domain.association.existence import extraneous_per_scan
from svc_tracker.domain.association.grid import GateWindows
from svc_tracker.domain.frame import Frame
from svc_tracker.domain.kernels import Kernels
from svc_tracker.domain.model import TrackerModel
from svc_tracker.domain.state.types import BEARING, RANGE, Floats, Indices, Measurements, PredictedMeasurement

# Pairs tested at once: bounds the memory where every detection may be every track's.
_MAX_PAIRS_AT_ONCE: Final = 1 << 18


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """q pairs inside the gate, by track, each array (q,).

    `distance` is nu^T S^-1 nu, `log_likelihood` ln N(nu; 0, S), and `log_extraneous` ln lambda, the density of false
    and new detections there in the innovation's units.
    """

    track: Indices
    detection: Indices
    distance: Floats
    log_likelihood: Floats
    log_extraneous: Floats

    def select(self, rows: Indices) -> Self:
        """Return some of the pairs, by index."""
        return type(self)(*(getattr(self, name)[rows] for name in self.__slots__))


def gate(
    predicted: PredictedMeasurement, measurements: Measurements, frame: Frame, model: TrackerModel, kernels: Kernels
) -> Pairs:
    """Return the pairs of tracks and detections with nu^T S^-1 nu within the gate's chi-square bound.

    nu = z - h(x) and S = H P H^T + R, for all components together (Blackman and Popoli, "Design and Analysis of Modern
    Tracking Systems", 1999, section 6.3). lambda is the density of false and new detections, uniform in
    the measurement.
    """
    bound = gate_bound(len(measurements.z), model)
    track, detection = _candidate_pairs(predicted, measurements, bound, kernels)
    log_density = np.log(extraneous_per_scan(frame, model)) - measurements.log_volume
    # A density in the innovation's units is that in the measurement's divided by the scales.
    log_density = log_density - np.log(predicted.scale.prod(axis=0))
    found = []
    for begin in range(0, max(len(track), 1), _MAX_PAIRS_AT_ONCE):
        part = slice(begin, begin + _MAX_PAIRS_AT_ONCE)
        t, d = track[part], detection[part]
        inside, distance, log_likelihood = kernels.gate_pairs(predicted, measurements, t, d, bound)
        t, d = t[inside], d[inside]
        found.append(Pairs(t, d, distance, log_likelihood, log_density[t]))
    if len(found) == 1:
        return found[0]
    return Pairs(*(np.concatenate([getattr(pairs, name) for pairs in found]) for name in Pairs.__slots__))


def gate_bound(components: int, model: TrackerModel) -> float:
    """Return the quantile of chi-square with this many degrees of freedom at the gate's probability."""
    return 2.0 * float(gammaincinv(components / 2.0, model.gate_probability))


def _candidate_pairs(
    predicted: PredictedMeasurement, measurements: Measurements, bound: float, kernels: Kernels
) -> tuple[Indices, Indices]:
    """Return every pair that can be inside the gate, and few others: inside it nu_i^2 <= bound S_ii for each i."""
    if not measurements.z.shape[1] or not predicted.z.shape[1]:
        none = np.empty(0, dtype=np.intp)
        return none, none
    largest = measurements.variance.max(axis=1)
    halves = []
    for component in (RANGE, BEARING):
        scale = predicted.scale[component]
        variance = predicted.S[component, component] + largest[component] * scale**2
        half = np.sqrt(bound * variance)
        if len(measurements.time_offset_s):
            earliest = float(-measurements.time_offset_s.min())
            fastest = np.sqrt(bound * predicted.z_rate_covariance[component, component])
            half += earliest * (np.abs(predicted.z_rate[component]) + fastest)
        halves.append(half / scale)
    windows = GateWindows(predicted.z[RANGE], halves[RANGE], predicted.z[BEARING], halves[BEARING])
    return kernels.candidate_pairs(measurements.z[RANGE], measurements.z[BEARING], windows)
