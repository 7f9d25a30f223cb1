"""What the metrics take for numbers: finite, and small enough to be squared and added up."""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from svc_tracker.domain.state.types import Floats

MAX_MAGNITUDE: Final = 1e100


def numbers(name: str, given: ArrayLike) -> Floats:
    """Return the array as float64.

    Raises ValueError, which begins with the name, unless it is of finite numbers no larger than `MAX_MAGNITUDE`.
    """
    try:
        array: Floats = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be numbers: {error}") from None
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds a value that is not finite")
    if (np.abs(array) > MAX_MAGNITUDE).any():
        raise ValueError(f"{name} holds a value beyond {MAX_MAGNITUDE:g}")
    return array
