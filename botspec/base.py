"""Base of every configuration model: frozen, no unknown keys, finite numbers, errors that name their location."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from botspec.yaml_core import Loc

MAX_DURATION_S = 1e8
"""About three years: well within 64 bits of nanoseconds."""


class Spec(BaseModel):
    """A part of a configuration file."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def nanoseconds(seconds: float) -> int:
    """Return a duration in nanoseconds, exactly as written in decimal.

    Raises ValueError where that is not a whole number. The shortest decimal that reads back as the same float is used:
    0.1 s is 100,000,000 ns although the float is slightly more.
    """
    exact = Decimal(repr(seconds)).scaleb(9)
    if exact != exact.to_integral_value():
        raise ValueError(f"{seconds!r} s is not a whole number of nanoseconds")
    return int(exact)


def _check_nanoseconds(seconds: float) -> float:
    nanoseconds(seconds)
    return seconds


def refuse(title: str, problems: Iterable[tuple[Loc, str]]) -> None:
    """Raise a ValidationError with each (loc, message) at its location in the model; return where there are none.

    For validators that compare fields: Pydantic prepends the model's own location in the file to each `loc`.
    """
    errors = [
        InitErrorDetails(type=PydanticCustomError("cross_check", "{text}", {"text": message}), loc=loc, input=None)
        for loc, message in problems
    ]
    if errors:
        raise ValidationError.from_exception_data(title, errors)


Duration = Annotated[float, Field(gt=0, le=MAX_DURATION_S), AfterValidator(_check_nanoseconds)]
"""Seconds, more than 0, a whole number of nanoseconds."""

Label = Annotated[str, Field(pattern=r"^[!-~]([ -~]{0,62}[!-~])?$")]
"""1 to 64 printable ASCII characters, no space at either end: safe in headers, logs and metrics."""

Seed = Annotated[int, Field(ge=0, lt=2**64)]
"""The key of every random draw of a run."""
