"""Conversion of a field's raw values to numbers, times, texts and booleans."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from evaluation.recordings.report import Booleans, Reason, Tally

Floats = npt.NDArray[np.float64]

MAX_TEXT_CHARACTERS = 64
MAX_EPOCH_S = 1e11
"""Larger times are in milli-, micro- or nanoseconds; in seconds it would be the year 5138."""

_TRUTH = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}


def numbers(values: Sequence[object], field: str, tally: Tally) -> Floats:
    """Return numbers (n,), NaN where a value is missing; rejects values that are not finite numbers."""
    result, missing, wrong = _plain_numbers(values)
    tally.reject(Reason.NOT_A_NUMBER, field, wrong, values)
    tally.reject(Reason.NOT_FINITE, field, ~np.isfinite(result) & ~missing & ~wrong, values)
    return result


def times_s(values: Sequence[object], field: str, tally: Tally) -> Floats:
    """Return times (n,) in seconds, from numbers since 1970 in s, ms, us or ns, or ISO 8601 texts (UTC by default)."""
    result, missing, wrong = _plain_numbers(values)
    for row in np.flatnonzero(wrong).tolist():
        time_s = _iso_time_s(values[row])
        if time_s is not None:
            result[row], wrong[row] = time_s, False
    tally.reject(Reason.EMPTY, field, missing, values)
    tally.reject(Reason.NOT_A_TIME, field, wrong, values)
    tally.reject(Reason.NOT_FINITE, field, ~np.isfinite(result), values)
    for _unit in ("ms", "us", "ns"):
        result = np.where(np.abs(result) < MAX_EPOCH_S, result, result / 1e3)
    tally.reject(Reason.OUT_OF_RANGE, field, (result < 0.0) | (result > MAX_EPOCH_S), values)
    return result


def texts(values: Sequence[object], field: str, tally: Tally) -> list[str]:
    """Return texts without surrounding spaces, empty where missing; rejects all but short printable ASCII."""
    found = [_text(value) for value in values]
    good = [len(text) <= MAX_TEXT_CHARACTERS and text.isascii() and text.isprintable() for text in found]
    tally.reject(Reason.NOT_TEXT, field, ~np.array(good, dtype=np.bool_), values)
    return [text if is_good else "" for text, is_good in zip(found, good, strict=True)]


def truths(values: Sequence[object], field: str, tally: Tally) -> Booleans:
    """Return booleans (n,), false where missing."""
    found = [_TRUTH.get(_text(value).lower() or "false") for value in values]
    tally.reject(Reason.NOT_TRUE_OR_FALSE, field, np.array([value is None for value in found], np.bool_), values)
    return np.array([bool(value) for value in found], dtype=np.bool_)


def _plain_numbers(values: Sequence[object]) -> tuple[Floats, Booleans, Booleans]:
    """Return numbers, which values are missing and which are not numbers; both of these are NaN."""
    if set(map(type, values)) <= {float, type(None)}:
        missing = np.array([value is None for value in values], dtype=np.bool_)
        return np.array(values, dtype=np.float64), missing, np.zeros(len(values), dtype=np.bool_)
    result = np.full(len(values), math.nan)
    missing, wrong = np.zeros(len(values), dtype=np.bool_), np.zeros(len(values), dtype=np.bool_)
    for row, value in enumerate(values):
        if value is None or (isinstance(value, str) and not value.strip()):
            missing[row] = True
            continue
        number = _number(value)
        if number is None:
            wrong[row] = True
        else:
            result[row] = number
    return result, missing, wrong


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and ("_" in value or not value.isascii()):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf
    except ValueError:
        return None


def _iso_time_s(value: object) -> float | None:
    try:
        time = datetime.fromisoformat(str(value).strip())
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():  # pandas writes integers so in a column with missing values
        return str(int(value))
    return str(value).strip()
