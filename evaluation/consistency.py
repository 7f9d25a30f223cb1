"""Filter consistency: NEES, NIS and ANEES, with their chi-square bounds."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaincinv

from evaluation.numbers import numbers
from svc_tracker.domain.state.types import Floats

PROBABILITY: Final = 0.95
SYMMETRY_TOLERANCE: Final = 1e-9
"""The largest asymmetry of a correlation matrix that counts as rounding."""


@dataclass(frozen=True, slots=True)
class Anees:
    """The mean NEES or NIS per degree of freedom, 1 on average for a consistent filter, and its bounds."""

    mean_per_dof: float
    low: float
    high: float
    samples: int

    @property
    def consistent(self) -> bool:
        """True if the mean is within the bounds; above them, the covariances are too small."""
        return self.low <= self.mean_per_dof <= self.high


def nees(error: ArrayLike, covariance: ArrayLike) -> Floats:
    """Return the normalised estimation error squared e' P^-1 e, (n,), of errors (k, n) with covariances (k, k, n).

    Bar-Shalom, Li and Kirubarajan, "Estimation with applications to tracking and navigation", 2001, section 5.4.2. Of a
    consistent filter it is chi-square with k degrees of freedom. Raises ValueError naming the argument, unless every
    value is finite, the shapes agree and every covariance is symmetric and positive definite.
    """
    return _normalised_squared("error", error, covariance)


def nis(innovation: ArrayLike, covariance: ArrayLike) -> Floats:
    """Return the normalised innovation squared v' S^-1 v, (n,), of innovations (k, n) with covariances (k, k, n).

    Same source and errors as `nees`.
    """
    return _normalised_squared("innovation", innovation, covariance)


def anees(values: ArrayLike, dof: int, probability: float = PROBABILITY) -> Anees:
    """Return the mean of NEES or NIS values (n,) per degree of freedom, with its bounds.

    The bounds hold for independent values: NEES of different runs or targets, NIS of different times. NEES of one track
    at successive times are correlated, and their mean varies more. Raises ValueError naming the argument, unless there
    is a value and all are finite and at least 0.
    """
    given = numbers("values", values)
    if given.ndim != 1 or not len(given):
        raise ValueError(f"values must be of shape (n,) with n at least 1, not {given.shape}")
    if (given < 0.0).any():
        raise ValueError("values must be at least 0")
    low, high = band(dof, len(given), probability)
    return Anees(float(np.mean(given)) / dof, low, high, len(given))


def band(dof: int, samples: int, probability: float = PROBABILITY) -> tuple[float, float]:
    """Return the bounds of the mean of this many samples per degree of freedom, two-sided with equal tails.

    The sum of n chi-square values of k degrees of freedom is chi-square with n k. Raises ValueError naming the
    argument, unless dof and samples are at least 1 and the probability is between 0 and 1.
    """
    for name, number in (("dof", dof), ("samples", samples)):
        if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, not {number!r}")
    if not 0.0 < probability < 1.0:
        raise ValueError(f"probability must be between 0 and 1, not {probability}")
    degrees = float(dof) * float(samples)
    tail = (1.0 - probability) / 2.0
    # Chi-square with d degrees of freedom is the gamma distribution of shape d/2 and scale 2.
    low, high = 2.0 * gammaincinv(degrees / 2.0, np.array([tail, 1.0 - tail])) / degrees
    return float(low), float(high)


def _normalised_squared(name: str, vector: ArrayLike, covariance: ArrayLike) -> Floats:
    """Return x' C^-1 x, (n,), of vectors (k, n) with covariances (k, k, n)."""
    vectors, matrices = numbers(name, vector), numbers("covariance", covariance)
    if vectors.ndim != 2 or vectors.shape[0] == 0:
        raise ValueError(f"{name} must be of shape (k, n) with k at least 1, not {vectors.shape}")
    k, n = vectors.shape
    if matrices.shape != (k, k, n):
        raise ValueError(f"covariance must be of shape {(k, k, n)} for {name} {vectors.shape}, not {matrices.shape}")
    variances = np.einsum("iin->in", matrices)
    if (variances <= 0.0).any():
        raise ValueError("covariance must be positive definite")
    # In units of the standard deviations, so that metres and metres per second are of similar size.
    scale = np.sqrt(variances)
    correlation = np.moveaxis(matrices / scale[:, None] / scale[None, :], -1, 0)
    scaled = (vectors / scale).T[..., None]
    if not np.allclose(correlation, np.swapaxes(correlation, 1, 2), rtol=0.0, atol=SYMMETRY_TOLERANCE):
        raise ValueError("covariance must be symmetric")
    try:
        root = np.linalg.cholesky(correlation)
    except np.linalg.LinAlgError:
        raise ValueError("covariance must be positive definite") from None
    with np.errstate(over="ignore"):
        squared: Floats = np.sum(np.linalg.solve(root, scaled) ** 2, axis=(1, 2))
    if not np.isfinite(squared).all():
        raise ValueError(f"{name} has a value too large for its covariance")
    return squared
