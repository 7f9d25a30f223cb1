"""Checks of values at the domain's edge, whose errors begin with the name of what is wrong."""

from typing import Final

# Squares and differences of what is below it stay finite in float64; it is some 6,700 astronomical units in metres.
MAX_MAGNITUDE: Final = 1e15


def require_within(model: object, name: str, low: float, high: float) -> None:
    """Raise ValueError, which begins with the field's name, unless its value is within the limits."""
    value: float = getattr(model, name)
    # A NaN is within no limits: it fails the comparison.
    require(low <= value <= high, name, f"must be within [{low:g}, {high:g}], not {value}")


def require(holds: bool, name: str, what: str) -> None:
    """Raise ValueError, which begins with the name, unless it holds."""
    if not holds:
        raise ValueError(f"{name} {what}")
