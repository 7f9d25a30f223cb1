"""Spatial index of the detections: a grid in range and bearing, in which a gate covers a few runs of adjacent cells."""

from typing import NamedTuple

import numpy as np

from svc_tracker.domain.state.types import Floats, Indices

# More cells than this along an axis separate nothing more.
_MAX_CELLS = 1024
_FULL_TURN = 2.0 * np.pi


class GateWindows(NamedTuple):
    """n gate windows, each array (n,): ranges `range_m` +- `half_m` and bearings `bearing_rad` +- `half_rad`."""

    range_m: Floats
    half_m: Floats
    bearing_rad: Floats
    half_rad: Floats


def candidate_pairs(range_m: Floats, bearing_rad: Floats, windows: GateWindows) -> tuple[Indices, Indices]:
    """Return every pair of a window and a detection in it, and some pairs just outside, in no particular order.

    Detections are (m,), at least one, bearings in [0, 2 pi].
    """
    nearest, farthest = range_m.min(), range_m.max()
    # Each row that a window covers costs a step, however many of its cells: rows are twice as high as the mean window,
    # which a few large ones increase further; columns are as wide as most windows.
    rows = _cells((farthest - nearest) / (4.0 * windows.half_m.mean()))
    columns = _cells(_FULL_TURN / 2.0 * (1.0 / windows.half_rad).mean())
    row_height, column_width = max((farthest - nearest) / rows, 1e-9), _FULL_TURN / columns

    row = np.minimum(((range_m - nearest) / row_height).astype(np.intp), rows - 1)
    cell = row * columns + np.minimum((bearing_rad / column_width).astype(np.intp), columns - 1)
    # The keys are unique, so that every sorting algorithm gives one order.
    order = np.sort(cell * len(cell) + np.arange(len(cell))) % len(cell)
    # The index of each cell's first detection in that order, and after the last cell the number of detections.
    first_of = np.concatenate((np.zeros(1, dtype=np.intp), np.cumsum(np.bincount(cell, minlength=rows * columns))))

    window, row = _covered_rows(windows, nearest, farthest, row_height, rows)
    low = np.floor((windows.bearing_rad[window] - windows.half_rad[window]) / column_width)
    high = np.floor((windows.bearing_rad[window] + windows.half_rad[window]) / column_width)
    width = np.minimum(high - low, columns - 1).astype(np.intp)
    first = np.mod(low, columns).astype(np.intp)
    last = first + width
    # A window across north continues at the row's first column.
    over = np.flatnonzero(last >= columns)
    rest = last[over] - columns
    last[over] = columns - 1
    window, row = np.concatenate((window, window[over])), np.concatenate((row, row[over])) * columns
    first, last = np.concatenate((first, np.zeros(len(over), np.intp))), np.concatenate((last, rest))
    begin = first_of[row + first]
    window, position = _expand_runs(window, begin, first_of[row + last + 1] - begin)
    return window, order[position]


def _cells(wanted: float) -> int:
    return int(min(max(wanted, 1.0), float(_MAX_CELLS)))


def _covered_rows(
    windows: GateWindows, nearest: float, farthest: float, row_height: float, rows: int
) -> tuple[Indices, Indices]:
    """Return every pair of a window and a row of the grid that it covers."""
    low, high = windows.range_m - windows.half_m - nearest, windows.range_m + windows.half_m - nearest
    reachable = np.flatnonzero((high >= 0.0) & (low <= farthest - nearest))
    first = np.maximum(low[reachable] / row_height, 0.0).astype(np.intp)
    last = np.minimum(high[reachable] / row_height, rows - 1.0).astype(np.intp)
    return _expand_runs(reachable, np.minimum(first, rows - 1), last - np.minimum(first, rows - 1) + 1)


def _expand_runs(values: Indices, first: Indices, count: Indices) -> tuple[Indices, Indices]:
    """Return each value `count` times, and beside it first, first + 1, ..."""
    ends = np.cumsum(count)
    offset = np.repeat(first - ends + count, count)
    return np.repeat(values, count), offset + np.arange(len(offset))
