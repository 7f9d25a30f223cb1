"""A spatial index over detections: a grid in range and bearing, in which a gate is a few runs of neighbouring cells."""

from typing import NamedTuple

import numpy as np

from svc_tracker.domain.state.types import Floats, Indices

# More cells than that along an axis tell nothing apart any more.
_MAX_CELLS = 1024
_TURN = 2.0 * np.pi


class Windows(NamedTuple):
    """n windows: |range - `range_m`| <= `half_m`, and the bearing within `half_rad` of `bearing_rad`; each array
    (n,).
    """

    range_m: Floats
    half_m: Floats
    bearing_rad: Floats
    half_rad: Floats


def near(range_m: Floats, bearing_rad: Floats, windows: Windows) -> tuple[Indices, Indices]:
    """Return every pair of a window and a detection in it, and some others that are beside it.

    Detections are (m,), at least one, bearings in [0, 2 pi]. The order tells nothing.
    """
    nearest, farthest = range_m.min(), range_m.max()
    # Every row that a window reaches into costs a step, however many of its cells: rows are twice as high as windows on
    # average, which a few large ones make larger still, columns as wide as most windows.
    rows = _cells((farthest - nearest) / (4.0 * windows.half_m.mean()))
    columns = _cells(_TURN / 2.0 * (1.0 / windows.half_rad).mean())
    a_row, a_column = max((farthest - nearest) / rows, 1e-9), _TURN / columns

    row = np.minimum(((range_m - nearest) / a_row).astype(np.intp), rows - 1)
    cell = row * columns + np.minimum((bearing_rad / a_column).astype(np.intp), columns - 1)
    # A number of its own for each, so that any sort gives one order.
    order = np.sort(cell * len(cell) + np.arange(len(cell))) % len(cell)
    # Where each cell's detections begin in that order, and after the last cell their number.
    begins = np.concatenate((np.zeros(1, dtype=np.intp), np.cumsum(np.bincount(cell, minlength=rows * columns))))

    window, row = _rows(windows, nearest, farthest, a_row, rows)
    low = np.floor((windows.bearing_rad[window] - windows.half_rad[window]) / a_column)
    high = np.floor((windows.bearing_rad[window] + windows.half_rad[window]) / a_column)
    width = np.minimum(high - low, columns - 1).astype(np.intp)
    first = np.mod(low, columns).astype(np.intp)
    last = first + width
    # A window that reaches over north goes on at the row's beginning.
    over = np.flatnonzero(last >= columns)
    rest = last[over] - columns
    last[over] = columns - 1
    window, row = np.concatenate((window, window[over])), np.concatenate((row, row[over])) * columns
    first, last = np.concatenate((first, np.zeros(len(over), np.intp))), np.concatenate((last, rest))
    begin = begins[row + first]
    window, place = _spread(window, begin, begins[row + last + 1] - begin)
    return window, order[place]


def _cells(wanted: float) -> int:
    return int(min(max(wanted, 1.0), float(_MAX_CELLS)))


def _rows(windows: Windows, nearest: float, farthest: float, a_row: float, rows: int) -> tuple[Indices, Indices]:
    """Return each window as often as it reaches into a row, and that row."""
    low, high = windows.range_m - windows.half_m - nearest, windows.range_m + windows.half_m - nearest
    reachable = np.flatnonzero((high >= 0.0) & (low <= farthest - nearest))
    first = np.maximum(low[reachable] / a_row, 0.0).astype(np.intp)
    last = np.minimum(high[reachable] / a_row, rows - 1.0).astype(np.intp)
    return _spread(reachable, np.minimum(first, rows - 1), last - np.minimum(first, rows - 1) + 1)


def _spread(what: Indices, first: Indices, count: Indices) -> tuple[Indices, Indices]:
    """Return each of `what` as often as `count` says, and with it first, first + 1, ..."""
    ends = np.cumsum(count)
    offset = np.repeat(first - ends + count, count)
    return np.repeat(what, count), offset + np.arange(len(offset))
