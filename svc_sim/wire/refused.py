"""Refusal of a command by one of its fields, and the checks that several actions share. Pure."""

import math


class RefusedError(Exception):
    """A command that cannot be executed; `field` is relative to the command."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def check_within(field: str, value: float, low: float, high: float, *, open_low: bool = False) -> float:
    """Return a value in [low, high], or in (low, high] with `open_low`.

    Raises:
        RefusedError: it is not finite, or outside.
    """
    if not math.isfinite(value) or not low <= value <= high or (open_low and value == low):
        bracket = "(" if open_low else "["
        raise RefusedError(field, f"must be finite and in {bracket}{low:g}, {high:g}], got {value!r}")
    return value


def check_name(field: str, name: str, known: tuple[str, ...], kind: str) -> str:
    """Return a name that is known; `kind` is the noun for what it names.

    Raises:
        RefusedError: it is not known.
    """
    if name not in known:
        shown = repr(name) if len(name) <= 64 else f"a name of {len(name)} characters"
        raise RefusedError(field, f"the bot has no {kind} {shown}; it has: {', '.join(known) or 'none'}")
    return name
