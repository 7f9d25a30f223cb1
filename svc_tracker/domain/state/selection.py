"""Choosing, replacing and joining beliefs by index; where numba compiles it, each is one loop."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from svc_tracker.domain.state.types import Belief, Booleans, Floats, Indices, each


def chosen(belief: Belief, which: Indices) -> Belief:
    """Return what is believed of some of the things, by index, in arrays of its own."""
    probability = columns(np.expand_dims(belief.probability, 0), which)[0]
    return Belief(probability, columns(belief.x, which), columns(belief.P, which))


def replace(belief: Belief, which: Indices, rows: Belief) -> None:
    """Replace what is believed of some of the things, by index, in place."""
    put(np.expand_dims(belief.probability, 0), which, np.expand_dims(rows.probability, 0))
    put(belief.x, which, rows.x)
    put(belief.P, which, rows.P)


def joined(belief: Belief, younger: Belief, kept: Indices) -> Belief:
    """Return those of the things that are kept and, after them, the younger ones."""
    probability = one_after_another(np.expand_dims(belief.probability, 0), np.expand_dims(younger.probability, 0), kept)
    x = one_after_another(belief.x, younger.x, kept)
    return Belief(probability[0], x, one_after_another(belief.P, younger.P, kept))


def columns(values: Floats, which: Indices) -> Floats:
    """Return of values (a, b, n) those of some things, (a, b, q)."""
    (rows, modes, _), count = values.shape, len(which)
    found = np.empty((rows, modes, count))
    for a in each(rows):
        for m in each(modes):
            for q in each(count):
                found[a, m, q] = values[a, m, which[q]]
    return found


def put(values: Floats, which: Indices, found: Floats) -> None:
    """Replace of values (a, b, n) those of some things, (a, b, q)."""
    rows, modes, count = found.shape
    for a in each(rows):
        for m in each(modes):
            for q in each(count):
                values[a, m, which[q]] = found[a, m, q]


def one_after_another(values: Floats, younger: Floats, kept: Indices) -> Floats:
    """Return of values (a, b, n) the kept ones, and then the younger ones."""
    (rows, modes, more), count = younger.shape, len(kept)
    both = np.empty((rows, modes, count + more))
    for a in each(rows):
        for m in each(modes):
            for q in each(count):
                both[a, m, q] = values[a, m, kept[q]]
    both[:, :, count:] = younger
    return both


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
