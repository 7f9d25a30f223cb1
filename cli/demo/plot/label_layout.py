"""Where labels go beside their points so that they do not lie over each other: greedy, one after the other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import cos, hypot, pi, sin
from typing import Final

import numpy as np

from cli.demo.record import Floats

DIRECTIONS: Final = 16
REACHES: Final = (0.9, 1.6, 2.5, 3.6)
"""How far from its point a label begins, in heights of the label."""
CROSSING_COST: Final = 0.2
"""What a point of a line below a label counts, in squares of the label's height."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle: its centre and its size."""

    x: float
    y: float
    width: float
    height: float

    def overlap(self, other: "Box") -> float:
        """Return the area that both cover."""
        width = (self.width + other.width) / 2 - abs(self.x - other.x)
        height = (self.height + other.height) / 2 - abs(self.y - other.y)
        return min(max(0.0, width), self.width, other.width) * min(max(0.0, height), self.height, other.height)

    def count(self, points: Floats) -> int:
        """Return how many of the points (n, 2) lie in it."""
        inside = (np.abs(points[:, 0] - self.x) < self.width / 2) & (np.abs(points[:, 1] - self.y) < self.height / 2)
        return int(np.count_nonzero(inside))

    def nearest(self, x: float, y: float) -> tuple[float, float]:
        """Return the place in it that is nearest to (x, y)."""
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

    Each takes the nearest place that lies within `radius` of the origin and covers neither what is `taken`, nor a box
    before it, nor a point (n, 2) of the lines; failing that, the place that covers least.
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
    """Yield the places around a point, near ones first, beginning on the right."""
    for reach in REACHES:
        for step in range(DIRECTIONS):
            angle = 2 * pi * ((step + 1) // 2 * (-1) ** step) / DIRECTIONS
            away_x, away_y = reach * height + width / 2, reach * height + height / 2
            yield Box(x + away_x * cos(angle), y + away_y * sin(angle), width, height)


def _outside(box: Box, radius: float) -> float:
    """Return the box's area where one of its corners lies beyond the radius, else 0."""
    farthest = hypot(abs(box.x) + box.width / 2, abs(box.y) + box.height / 2)
    return box.width * box.height if farthest > radius else 0.0
