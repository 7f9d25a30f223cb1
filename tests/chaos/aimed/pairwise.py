"""Covering arrays: few rows that hold every combination of any two (or more) columns that is possible. Pure."""

import heapq
from collections.abc import Hashable, Sequence
from itertools import combinations
from typing import TypeVar

Row = TypeVar("Row", bound=tuple[Hashable, ...])


def cover(rows: Sequence[Row], strength: int = 2, beginning: Sequence[Row] = ()) -> list[Row]:
    """Select rows that cover every combination of `strength` columns' values that occurs in the given rows.

    The rows of the `beginning` are always selected, and first.

    Greedy and deterministic: the next row is the first of those that cover the most uncovered combinations. The gain of
    a row only shrinks as others are selected, so a stale count in the heap is an upper bound.
    """
    combined = [frozenset(combinations(enumerate(row), strength)) for row in rows]
    missing = frozenset().union(*combined)
    for row in beginning:
        missing -= frozenset(combinations(enumerate(row), strength))
    heap = [(-len(held), place) for place, held in enumerate(combined)]
    heapq.heapify(heap)
    chosen = list(beginning)
    while missing:
        _bound, place = heapq.heappop(heap)
        gain = len(combined[place] & missing)
        if heap and (-gain, place) > heap[0]:
            heapq.heappush(heap, (-gain, place))
            continue
        chosen.append(rows[place])
        missing -= combined[place]
    return chosen
