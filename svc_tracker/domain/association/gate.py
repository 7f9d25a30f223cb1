"""Which detections may be which track's, and how much each such pair speaks for itself."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from scipy.special import gammaincinv

from svc_tracker.domain.association.existence import extraneous_per_scan
from svc_tracker.domain.association.grid import Windows
from svc_tracker.domain.frame import Frame
from svc_tracker.domain.kernels import Kernels
from svc_tracker.domain.model import TrackerModel
from svc_tracker.domain.state.types import BEARING, RANGE, Expected, Floats, Indices, Measurements

# Bounds the memory of a crowd in which everything may be everything's.
_PAIRS_AT_ONCE: Final = 1 << 18


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """q pairs inside the gate, by track, each array (q,).

    `distance` is nu^T S^-1 nu, `log_likelihood` ln N(nu; S), and `log_extraneous` ln lambda, the density of false and
    new detections there in the innovation's units.
    """

    track: Indices
    detection: Indices
    distance: Floats
    log_likelihood: Floats
    log_extraneous: Floats

    def chosen(self, which: Indices) -> Self:
        """Return some of the pairs, by index."""
        return type(self)(*(getattr(self, name)[which] for name in self.__slots__))


def gate(expected: Expected, measurements: Measurements, frame: Frame, model: TrackerModel, kernels: Kernels) -> Pairs:
    """Return the pairs of tracks and detections with nu^T S^-1 nu within the gate's chi-square bound.

    nu = z - h(x) and S = H P H^T + R, for all components together (Blackman and Popoli, "Design and Analysis of Modern
    Tracking Systems", 1999, section 6.3). lambda is the density of the false and the new, uniform in what is measured.
    """
    bound = gate_bound(len(measurements.z), model)
    track, detection = _near(expected, measurements, bound, kernels)
    log_density = np.log(extraneous_per_scan(frame, model)) - measurements.log_volume
    # A density in the innovation's units is one in the measurement's less the scales.
    log_density = log_density - np.log(expected.scale.prod(axis=0))
    found = []
    for begin in range(0, max(len(track), 1), _PAIRS_AT_ONCE):
        part = slice(begin, begin + _PAIRS_AT_ONCE)
        t, d = track[part], detection[part]
        which, distance, log_likelihood = kernels.inside(expected, measurements, t, d, bound)
        t, d = t[which], d[which]
        found.append(Pairs(t, d, distance, log_likelihood, log_density[t]))
    if len(found) == 1:
        return found[0]
    return Pairs(*(np.concatenate([getattr(pairs, name) for pairs in found]) for name in Pairs.__slots__))


def gate_bound(components: int, model: TrackerModel) -> float:
    """Return what a chi-square variable of so many degrees of freedom stays below with the gate's probability."""
    return 2.0 * float(gammaincinv(components / 2.0, model.gate_probability))


def _near(expected: Expected, measurements: Measurements, bound: float, kernels: Kernels) -> tuple[Indices, Indices]:
    """Return every pair that can be inside the gate, and few others: inside it nu_i^2 <= bound S_ii for each i."""
    if not measurements.z.shape[1] or not expected.z.shape[1]:
        none = np.empty(0, dtype=np.intp)
        return none, none
    largest = measurements.variance.max(axis=1)
    halves = []
    for component in (RANGE, BEARING):
        scale = expected.scale[component]
        variance = expected.S[component, component] + largest[component] * scale**2
        half = np.sqrt(bound * variance)
        if len(measurements.time_offset_s):
            earliest = float(-measurements.time_offset_s.min())
            fastest = np.sqrt(bound * expected.drift_with_drift[component, component])
            half += earliest * (np.abs(expected.drift[component]) + fastest)
        halves.append(half / scale)
    windows = Windows(expected.z[RANGE], halves[RANGE], expected.z[BEARING], halves[BEARING])
    pairs: tuple[Indices, Indices] = kernels.near(measurements.z[RANGE], measurements.z[BEARING], windows)
    return pairs
