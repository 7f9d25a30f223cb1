"""Label positions beside their points without overlaps: greedy, one after the other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import cos, hypot, pi, sin
from typing import Final

import numpy as np

from cli.demo.record import Floats

DIRECTIONS: Final = 16
REACHES: Final = (0.9, 1.6, 2.5, 3.6)
"""Distance of a label from its point, in heights of the label."""
CROSSING_COST: Final = 0.2
"""Cost of covering one point of a line, in squares of the label's height."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle: its centre and its size."""

    x: float
    y: float
    width: float
    height: float

    def overlap(self, other: "Box") -> float:
        """Return the area of the intersection."""
        width = (self.width + other.width) / 2 - abs(self.x - other.x)
        height = (self.height + other.height) / 2 - abs(self.y - other.y)
        return min(max(0.0, width), self.width, other.width) * min(max(0.0, height), self.height, other.height)

    def count(self, points: Floats) -> int:
        """Return the number of points (n, 2) inside it."""
        inside = (np.abs(points[:, 0] - self.x) < self.width / 2) & (np.abs(points[:, 1] - self.y) < self.height / 2)
        return int(np.count_nonzero(inside))

    def nearest(self, x: float, y: float) -> tuple[float, float]:
        """Return its point nearest to (x, y)."""
        return (
            min(max(x, self.x - self.width / 2), self.x + self.width / 2),
            min(max(y, self.y - self.height / 2), self.y + self.height / 2),
        )


def place_labels(
    points: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    taken: Sequence[Box],
    lines: Floats,
    radius: float,
) -> list[Box]:
    """Return a box of the given (width, height) for each point.

    Each takes the nearest position that lies within `radius` of the origin and covers none of `taken`, no box before it
    and no point (n, 2) of the lines; failing that, the position that covers least.
    """
    covered, placed = list(taken), []
    for (x, y), (width, height) in zip(points, sizes, strict=True):
        best, least = Box(x, y, width, height), float("inf")
        for box in _candidates(x, y, width, height):
            cost = sum(box.overlap(other) for other in covered) + _outside(box, radius)
            cost += CROSSING_COST * height**2 * box.count(lines)
            if cost < least:
                best, least = box, cost
            if cost == 0.0:
                break
        covered.append(best)
        placed.append(best)
    return placed


def _candidates(x: float, y: float, width: float, height: float) -> Iterator[Box]:
    """Yield the positions around a point, nearest first, starting on the right."""
    for reach in REACHES:
        for step in range(DIRECTIONS):
            angle = 2 * pi * ((step + 1) // 2 * (-1) ** step) / DIRECTIONS
            away_x, away_y = reach * height + width / 2, reach * height + height / 2
            yield Box(x + away_x * cos(angle), y + away_y * sin(angle), width, height)


def _outside(box: Box, radius: float) -> float:
    """Return the box's area if one of its corners lies beyond the radius, else 0."""
    farthest = hypot(abs(box.x) + box.width / 2, abs(box.y) + box.height / 2)
    return box.width * box.height if farthest > radius else 0.0
