"""Refusal of values that no body can have: not finite, out of range, not of unit length."""

import math
from collections.abc import Sequence

UNIT_TOLERANCE = 1e-6
"""A direction or quaternion whose length differs from 1 by more is refused; within it, it is normalised."""


class InvalidValueError(ValueError):
    """A refused value: `field` names it, `problem` says why and what to do."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field
        self.problem = problem


def check_finite(field: str, values: Sequence[float], count: int) -> None:
    """Refuse values that are not `count` finite numbers; the error names the component."""
    if len(values) != count:
        raise InvalidValueError(field, f"has {len(values)} numbers: give {count}")
    for index, value in enumerate(values):
        if not math.isfinite(value):
            name = field if count == 1 else f"{field}[{index}]"
            raise InvalidValueError(name, f"is {value}: give a finite number")


def check_positive(field: str, value: float) -> None:
    """Refuse a number that is not finite or not above 0."""
    check_finite(field, (value,), 1)
    if value <= 0.0:
        raise InvalidValueError(field, f"is {value}: give a number above 0")


def check_within(field: str, value: float, low: float, high: float) -> None:
    """Refuse a number outside [low, high]."""
    check_finite(field, (value,), 1)
    if not low <= value <= high:
        raise InvalidValueError(field, f"is {value}: give a number in [{low}, {high}]")


def check_unit(field: str, values: Sequence[float], count: int) -> None:
    """Refuse a vector or quaternion whose length is not 1."""
    check_finite(field, values, count)
    length = math.sqrt(sum(value * value for value in values))
    if abs(length - 1.0) > UNIT_TOLERANCE:
        raise InvalidValueError(field, f"has length {length}: give a unit one (divide each component by it)")
