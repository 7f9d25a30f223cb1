"""The types of the domain's arrays, and things kept as one array a quantity."""

from dataclasses import dataclass
from typing import Any, Self

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


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """n things as arrays, one a quantity: the last axis of each counts the things."""

    def __len__(self) -> int:
        return int(self._arrays()[0].shape[-1])

    def _arrays(self) -> list[Any]:
        # The slots are the fields' names, and cheaper to reach than the fields.
        names: tuple[str, ...] = type(self).__slots__
        return [getattr(self, name) for name in names]

    def chosen(self, which: Booleans | Indices) -> Self:
        """Return some of the things, by mask or index."""
        return type(self)(*(array[..., which] for array in self._arrays()))

    def with_rows(self, which: Indices, rows: Self) -> Self:
        """Return these things with some of them, by index, replaced."""
        columns = []
        for mine, theirs in zip(self._arrays(), rows._arrays(), strict=True):
            values = mine.copy()
            values[..., which] = theirs
            columns.append(values)
        return type(self)(*columns)

    def joined(self, younger: Self) -> Self:
        """Return these things and, after them, the younger ones, in arrays of one memory layout.

        Sums over an axis may round otherwise in another layout, and what is restored has no other than this.
        """
        pairs = zip(self._arrays(), younger._arrays(), strict=True)
        return type(self)(*(np.ascontiguousarray(np.concatenate(pair, axis=-1)) for pair in pairs))
