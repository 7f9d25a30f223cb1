"""Short histories of numbers: rates of counters, and growth of gauges."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Final

Trend = tuple[tuple[float, float], ...]  # (seconds on the monotonic clock, value), oldest first

RATE_WINDOW_S: Final = 6.0
GROWTH_WINDOW_S: Final = 15.0
MIN_GROWTH_S: Final = 10.0
MIN_GROWTH: Final = 10.0
MAX_TRENDS: Final = 2000


def push(trends: Mapping[str, Trend], key: str, at_s: float, value: float | None, *, counter: bool) -> dict[str, Trend]:
    """Return the trends with a value added; unknown values change nothing, a counter that fell starts again."""
    if value is None or (key not in trends and len(trends) >= MAX_TRENDS):
        return dict(trends)
    trend = trends.get(key, ())
    if counter and trend and value < trend[-1][1]:
        trend = ()
    window_s = RATE_WINDOW_S if counter else GROWTH_WINDOW_S
    kept = tuple(point for point in trend if at_s - point[0] <= window_s)
    return {**trends, key: (*kept, (at_s, value))}


def rate(trend: Trend) -> float | None:
    """Return the increase a second; None with fewer than two points."""
    if len(trend) < 2 or trend[-1][0] <= trend[0][0]:
        return None
    return (trend[-1][1] - trend[0][1]) / (trend[-1][0] - trend[0][0])


def is_growing(trend: Trend) -> bool:
    """Return whether the value has grown by MIN_GROWTH over MIN_GROWTH_S seconds and more, and never fell."""
    if len(trend) < 3 or trend[-1][0] - trend[0][0] < MIN_GROWTH_S:
        return False
    falls = any(later[1] < earlier[1] for earlier, later in pairwise(trend))
    return not falls and trend[-1][1] - trend[0][1] >= MIN_GROWTH
