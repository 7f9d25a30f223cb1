"""The types of the domain's arrays."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]
Texts = npt.NDArray[np.object_]
"""Arrays of str: texts of any length, compared and chosen elementwise."""


def texts(values: tuple[str, ...] | list[str]) -> Texts:
    """Return the texts as an array (n,)."""
    array: Texts = np.empty(len(values), dtype=np.object_)
    array[:] = values
    return array
