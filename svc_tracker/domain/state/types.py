"""What the tracker computes with, as arrays: struct of arrays, of a covariance the upper triangle alone."""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]
Texts = npt.NDArray[np.object_]
"""Arrays of str: texts of any length, compared and chosen elementwise."""


def each(count: int) -> Any:
    """Return the indices of so many things to loop over: a slice of all of them, for NumPy, once; compiled, `range`.

    So what is written for a thing is done for all of them elementwise, and compiled it is one loop over them.
    """
    return (slice(0, count),)


def texts(values: tuple[str, ...] | list[str]) -> Texts:
    """Return the texts as an array (n,)."""
    array: Texts = np.empty(len(values), dtype=np.object_)
    array[:] = values
    return array


# The components of a measurement: range in m, bearing and elevation in rad; the radial velocity is the last.
RANGE, BEARING, ELEVATION = 0, 1, 2
# What rounding may leave of a variance that is none the less positive.
LEAST_PIVOT: Final = 1e-12


class Packing(NamedTuple):
    """Which components value k of a packed covariance is of, `row[k]` and `column[k]`; `place` (s, s) is the way
    back.
    """

    row: Indices
    column: Indices
    place: Indices


class Belief(NamedTuple):
    """What is believed of n things: states (s, M, n) and covariances (p, M, n) by mode, and the modes' probabilities.

    The latter are (M, n).
    """

    probability: Floats
    x: Floats
    P: Floats

    def copied(self) -> "Belief":
        """Return the same belief in arrays of its own."""
        return Belief(*(array.copy() for array in self))


class Step(NamedTuple):
    """What a time step does, for M modes: F (M, s, s) to states, `mapped` (M, p, p) and Q (M, p) to packed covariances.

    `mapped` takes P to F P F^T. `transition` (M, M) holds the probabilities that mode i has become mode j meanwhile.
    """

    F: Floats
    mapped: Floats
    Q: Floats
    transition: Floats


class Pairing(NamedTuple):
    """q pairs of a track and a detection, by index, each array (q,)."""

    track: Indices
    detection: Indices


class Mixture(NamedTuple):
    """The moments of the mixture of modes: `mean` (s, n) and `spread` (p, n)."""

    mean: Floats
    spread: Floats


class Sensor(NamedTuple):
    """Where a sensor is: position and velocity (d,), and the position's covariance (d, d)."""

    position: Floats
    velocity: Floats
    covariance: Floats


class Prior(NamedTuple):
    """What is known before anything is measured: variances of the velocity (d,), how probable the modes (M,) are, and
    mean and variance of an elevation, in rad, that the sensor does not measure.
    """

    speed_variance: Floats
    modes: Floats
    elevation: float
    elevation_variance: float


class Measurements(NamedTuple):
    """m detections as measured: `z` (k, m) and the variances of its errors (k, m), in m, rad, rad and m/s.

    `time_offset_s` (m,) is when, from the frame's time on; empty where all are of that time. `log_volume` is the
    logarithm of what the sensor measures over, in the same units: false detections are uniform in it.
    """

    z: Floats
    variance: Floats
    time_offset_s: Floats
    log_volume: float
    elevation: bool
    radial_velocity: bool


class Expected(NamedTuple):
    """What the sensor is expected to measure of n tracks: `z` (k, n), linearised at the `mean` (s, n) of each.

    `scale` (k, n) takes differences of z to the innovation's units: metres, and m/s. H (k, c, n) is the gradient of the
    scaled measurement with respect to the first c components of the state, c being their number without the velocity
    where that plays no part. S (k, k, n) = H P H^T + `excess`, what is uncertain besides the track. `drift` (k, n) and
    its covariances with z and with itself, (k, k, n) each, tell how S and z change for a detection before the frame's
    time; they are empty where there is none.
    """

    mean: Floats
    z: Floats
    scale: Floats
    H: Floats
    S: Floats
    excess: Floats
    drift: Floats
    drift_with_z: Floats
    drift_with_drift: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """A state of s = 2 `axes` components is (s, n), position then velocity; a covariance is (p, n), p = s (s + 1) /
    2.
    """

    axes: int
    packing: Packing

    @classmethod
    def of(cls, axes: int) -> Self:
        """Return the layout of positions and velocities along so many axes."""
        row, column = np.triu_indices(2 * axes)
        place = np.empty((2 * axes, 2 * axes), dtype=np.intp)
        place[row, column] = place[column, row] = np.arange(len(row))
        return cls(axes, Packing(row, column, place))

    @property
    def size(self) -> int:
        """Return s."""
        return 2 * self.axes

    @property
    def packed(self) -> int:
        """Return p."""
        return len(self.packing.row)

    def pack(self, P: Floats) -> Floats:
        """Return full matrices (s, s, ...) packed."""
        packed: Floats = P[self.packing.row, self.packing.column]
        return packed

    def full(self, P: Floats) -> Floats:
        """Return packed matrices (p, n) in full: (s, s, n)."""
        full: Floats = P[self.packing.place]
        return full

    def mapped(self, F: Floats) -> Floats:
        """Return the matrix (p, p) that takes packed P to packed F P F^T."""
        i, k = self.packing.row, self.packing.column
        a, b = i[:, None], k[:, None]
        once = F[a, i] * F[b, k]
        return once + np.where(i != k, F[a, k] * F[b, i], 0.0)
