"""Validation of values at the domain's boundary; each error begins with the name of the invalid value."""

from typing import Final

# Squares and differences of smaller values stay finite in float64; some 6,700 astronomical units in metres.
MAX_MAGNITUDE: Final = 1e15


def require_within(model: object, name: str, low: float, high: float) -> None:
    """Raise ValueError, beginning with the field's name, unless its value is within the limits."""
    value: float = getattr(model, name)
    # A NaN fails the comparison.
    require(low <= value <= high, name, f"must be within [{low:g}, {high:g}], not {value}")


def require(holds: bool, name: str, what: str) -> None:
    """Raise ValueError, beginning with the name, unless the condition holds."""
    if not holds:
        raise ValueError(f"{name} {what}")
