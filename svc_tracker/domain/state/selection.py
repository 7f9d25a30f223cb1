"""Selection by track index: select, replace and concatenate estimates and columns; compiled, each is one loop."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from svc_tracker.domain.state.types import Booleans, Floats, Indices, ModeEstimates, batch_axis


def select(estimates: ModeEstimates, rows: Indices) -> ModeEstimates:
    """Return the estimates of some targets, by index, in arrays of their own."""
    probability = select_rows(np.expand_dims(estimates.probability, 0), rows)[0]
    return ModeEstimates(probability, select_rows(estimates.x, rows), select_rows(estimates.P, rows))


def replace(estimates: ModeEstimates, rows: Indices, values: ModeEstimates) -> None:
    """Replace the estimates of some targets, by index, in place."""
    replace_rows(np.expand_dims(estimates.probability, 0), rows, np.expand_dims(values.probability, 0))
    replace_rows(estimates.x, rows, values.x)
    replace_rows(estimates.P, rows, values.P)


def select_and_append(estimates: ModeEstimates, new: ModeEstimates, kept: Indices) -> ModeEstimates:
    """Return the kept estimates, by index, followed by the new ones."""
    probability = concatenate(np.expand_dims(estimates.probability, 0), np.expand_dims(new.probability, 0), kept)
    x = concatenate(estimates.x, new.x, kept)
    return ModeEstimates(probability[0], x, concatenate(estimates.P, new.P, kept))


def select_rows(values: Floats, rows: Indices) -> Floats:
    """Return the elements (a, b, q) at these batch indices of values (a, b, n)."""
    (components, modes, _), count = values.shape, len(rows)
    selected = np.empty((components, modes, count))
    for a in batch_axis(components):
        for m in batch_axis(modes):
            for q in batch_axis(count):
                selected[a, m, q] = values[a, m, rows[q]]
    return selected


def replace_rows(values: Floats, rows: Indices, new: Floats) -> None:
    """Replace the elements at these batch indices of values (a, b, n) by new ones (a, b, q), in place."""
    components, modes, count = new.shape
    for a in batch_axis(components):
        for m in batch_axis(modes):
            for q in batch_axis(count):
                values[a, m, rows[q]] = new[a, m, q]


def concatenate(values: Floats, new: Floats, kept: Indices) -> Floats:
    """Return the kept elements of values (a, b, n), by batch index, followed by the new ones."""
    (components, modes, more), count = new.shape, len(kept)
    both = np.empty((components, modes, count + more))
    for a in batch_axis(components):
        for m in batch_axis(modes):
            for q in batch_axis(count):
                both[a, m, q] = values[a, m, kept[q]]
    both[:, :, count:] = new
    return both


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """A table of n rows, one array per column; the last axis of each array is the row."""

    def __len__(self) -> int:
        return int(self._arrays()[0].shape[-1])

    def _arrays(self) -> list[Any]:
        # The slots are the fields' names, and faster to read than `dataclasses.fields`.
        names: tuple[str, ...] = type(self).__slots__
        return [getattr(self, name) for name in names]

    def select(self, rows: Booleans | Indices) -> Self:
        """Return some of the rows, by mask or index."""
        return type(self)(*(array[..., rows] for array in self._arrays()))

    def replace_rows(self, rows: Indices, values: Self) -> Self:
        """Return a table in which some of the rows, by index, are replaced."""
        columns = []
        for mine, theirs in zip(self._arrays(), values._arrays(), strict=True):
            changed = mine.copy()
            changed[..., rows] = theirs
            columns.append(changed)
        return type(self)(*columns)

    def concatenate(self, new: Self) -> Self:
        """Return these rows followed by the new ones, in C-contiguous arrays.

        Sums over an axis may round differently in another memory layout, and restored snapshots are C-contiguous.
        """
        pairs = zip(self._arrays(), new._arrays(), strict=True)
        return type(self)(*(np.ascontiguousarray(np.concatenate(pair, axis=-1)) for pair in pairs))
