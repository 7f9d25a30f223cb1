"""Input check of the metrics: finite numbers, small enough to be squared and summed."""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from svc_tracker.domain.state.types import Floats

MAX_MAGNITUDE: Final = 1e100


def numbers(name: str, given: ArrayLike) -> Floats:
    """Return the array as float64.

    Raises ValueError naming it, unless every value is finite and at most `MAX_MAGNITUDE`.
    """
    try:
        array: Floats = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be numbers: {error}") from None
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite")
    if (np.abs(array) > MAX_MAGNITUDE).any():
        raise ValueError(f"{name} must be at most {MAX_MAGNITUDE:g} in magnitude")
    return array
