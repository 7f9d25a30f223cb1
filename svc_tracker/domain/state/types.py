"""Array types of the tracker: state estimates, covariances and measurements, stored as structs of arrays.

Shapes: s state components, p = s (s + 1) / 2 elements of a packed covariance (its upper triangle), d spatial axes,
k measured components, M motion modes; the last axis is the batch: n tracks, m detections or q pairs of both.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]
Texts = npt.NDArray[np.object_]
"""Arrays of str: texts of any length, compared and selected elementwise."""

# The components of a measurement: range in m, bearing and elevation in rad; the radial velocity is the last.
RANGE, BEARING, ELEVATION = 0, 1, 2
# The smallest pivot of a Cholesky factor, as a share of the diagonal element: less than that is a rounding error.
MIN_PIVOT: Final = 1e-12


def batch_axis(count: int) -> tuple[slice]:
    """Return the batch indices to loop over: in NumPy one slice of them all; compiled by numba, `range(count)`.

    One source serves both: elementwise array arithmetic in NumPy, one scalar loop when compiled.
    """
    return (slice(0, count),)


def texts(values: tuple[str, ...] | list[str]) -> Texts:
    """Return the texts as an array (n,)."""
    array: Texts = np.empty(len(values), dtype=np.object_)
    array[:] = values
    return array


class Packing(NamedTuple):
    """Index maps of a packed covariance: element e is (`row[e]`, `column[e]`), and (a, b) is `element[a, b]`."""

    row: Indices
    column: Indices
    element: Indices


class ModeEstimates(NamedTuple):
    """The IMM state of n targets: mode probabilities (M, n), states (s, M, n) and packed covariances (p, M, n)."""

    probability: Floats
    x: Floats
    P: Floats

    def copy(self) -> "ModeEstimates":
        """Return a copy in arrays of its own."""
        return ModeEstimates(self.probability.copy(), self.x.copy(), self.P.copy())


class MotionStep(NamedTuple):
    """The M motion models over one time step: F (M, s, s), Q (M, p) packed, and the mode transition matrix (M, M).

    `covariance_map` (M, p, p) takes packed P to packed F P F^T. `mode_transition[i, j]` is the probability that mode i
    has become mode j.
    """

    F: Floats
    covariance_map: Floats
    Q: Floats
    mode_transition: Floats


class Pairing(NamedTuple):
    """q pairs of a track and a detection, by index, each array (q,)."""

    track: Indices
    detection: Indices


class Mixture(NamedTuple):
    """Mean (s, n) and packed covariance (p, n) of the mixture of modes."""

    mean: Floats
    covariance: Floats


class Sensor(NamedTuple):
    """Position and velocity (d,) of a sensor in ENU, and the covariance (d, d) of its position."""

    position: Floats
    velocity: Floats
    covariance: Floats


class Prior(NamedTuple):
    """The prior of a new target: variances of the velocity (d,), mode probabilities (M,), elevation and its variance.

    The elevation, in rad, applies where the sensor does not measure it.
    """

    velocity_variance: Floats
    mode_probability: Floats
    elevation: float
    elevation_variance: float


class Measurements(NamedTuple):
    """m measurements: values `z` (k, m) and their error variances (k, m), in m, rad, rad and m/s.

    `time_offset_s` (m,) is the time of each relative to the frame's; empty where all are 0. `log_volume` is the
    logarithm of the measurement volume, in the same units: false detections are uniform in it.
    """

    z: Floats
    variance: Floats
    time_offset_s: Floats
    log_volume: float
    elevation: bool
    radial_velocity: bool


class PredictedMeasurement(NamedTuple):
    """The predicted measurement `z` (k, n) of n tracks, linearised at the mean (s, n) of each.

    Differences of z times `scale` (k, n) are innovations: in m across and along the line of sight, and m/s. H (k, c, n)
    is the gradient of the scaled measurement with respect to the first c state components: positions alone where
    velocity has no effect. S (k, k, n) = H P H^T + `added_covariance`: second-order terms and the sensor's position.

    For detections before the frame's time, `z_rate` (k, n) is the change of z per second, with its cross-covariance
    with z and its own covariance, (k, k, n) each; empty where there are none.
    """

    mean: Floats
    z: Floats
    scale: Floats
    H: Floats
    S: Floats
    added_covariance: Floats
    z_rate: Floats
    z_rate_cross_covariance: Floats
    z_rate_covariance: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The state vector of a tracker along `axes` axes: s = 2 `axes` components, positions then velocities."""

    axes: int
    packing: Packing

    @classmethod
    def of(cls, axes: int) -> Self:
        """Return the layout of positions and velocities along this many axes."""
        row, column = np.triu_indices(2 * axes)
        element = np.empty((2 * axes, 2 * axes), dtype=np.intp)
        element[row, column] = element[column, row] = np.arange(len(row))
        return cls(axes, Packing(row, column, element))

    @property
    def size(self) -> int:
        """The number of state components s."""
        return 2 * self.axes

    @property
    def packed_size(self) -> int:
        """The number of elements p of a packed covariance."""
        return len(self.packing.row)

    def pack(self, P: Floats) -> Floats:
        """Return symmetric matrices (s, s, ...) packed, (p, ...)."""
        packed: Floats = P[self.packing.row, self.packing.column]
        return packed

    def unpack(self, P: Floats) -> Floats:
        """Return packed matrices (p, n) in full, (s, s, n)."""
        full: Floats = P[self.packing.element]
        return full

    def covariance_map(self, F: Floats) -> Floats:
        """Return the matrix (p, p) that takes packed P to packed F P F^T."""
        i, k = self.packing.row, self.packing.column
        a, b = i[:, None], k[:, None]
        once = F[a, i] * F[b, k]
        return once + np.where(i != k, F[a, k] * F[b, i], 0.0)
