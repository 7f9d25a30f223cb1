"""Limits of parameters: refusals that name the field and the numbers it accepts."""

from math import isfinite


class ParameterError(ValueError):
    """A parameter outside its limits; `field` is its name."""

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        super().__init__(f"{field} {problem}")


def require_finite(**fields: float) -> None:
    """Raise ParameterError for the first value that is NaN or infinite."""
    for field, value in fields.items():
        if not isfinite(value):
            raise ParameterError(field, f"is {value!r}: give a finite number")


def require_positive(**fields: float) -> None:
    """Raise ParameterError for the first value that is not finite and above 0."""
    for field, value in fields.items():
        if not (isfinite(value) and value > 0.0):
            raise ParameterError(field, f"is {value!r}: give a finite number above 0")


def require_non_negative(**fields: float) -> None:
    """Raise ParameterError for the first value that is not finite and at least 0."""
    for field, value in fields.items():
        if not (isfinite(value) and value >= 0.0):
            raise ParameterError(field, f"is {value!r}: give a finite number, 0 or more")


def require_fraction(**fields: float) -> None:
    """Raise ParameterError for the first value outside [0, 1]."""
    for field, value in fields.items():
        if not 0.0 <= value <= 1.0:
            raise ParameterError(field, f"is {value!r}: give a number from 0 to 1")
