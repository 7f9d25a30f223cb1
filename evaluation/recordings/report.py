"""Report of an import: the rows used, and those rejected, counted by reason with the first few named."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

import numpy as np
import numpy.typing as npt

MAX_EXAMPLES = 3
"""Rows named for each reason; all are counted."""
MAX_VALUE_CHARACTERS = 40

Booleans = npt.NDArray[np.bool_]


class Reason(Enum):
    """Reason why a row is not used: those before ON_GROUND are faults of the row, the others are exclusions."""

    NOT_A_ROW = "not a row of the table"
    EMPTY = "empty"
    NOT_A_NUMBER = "not a number"
    NOT_FINITE = "not a finite number"
    OUT_OF_RANGE = "out of range"
    NOT_A_TIME = "not a time"
    NOT_TRUE_OR_FALSE = "not true or false"
    NOT_TEXT = "not short plain text"
    ON_GROUND = "on the ground"
    UNKNOWN = "not known for too long"
    OUTSIDE_WINDOW = "outside the window"
    DUPLICATE = "same second as another row"
    SHORT_PIECE = "in a piece that is too short"

    @property
    def is_fault(self) -> bool:
        """Whether the row is faulty, rather than excluded."""
        return self in _FAULTS


_FAULTS = frozenset(list(Reason)[: list(Reason).index(Reason.ON_GROUND)])


@dataclass(frozen=True, slots=True)
class Example:
    """One row that is not used: its line (or row) number from 1, the column and its value as written."""

    number: int
    column: str
    value: str


@dataclass(frozen=True, slots=True)
class Rejection:
    """Number of rows not used for one reason, and the first of them."""

    count: int
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Result of an import: rows_in = rows_used + the counts of all rejections.

    `counted_in` is the unit of the examples' numbers ("line" or "row"). `columns` maps each field to its column and
    unit; `ignored_columns` were not read. `frozen` positions repeat the one before and were not used as measurements,
    `gated` ones disagreed with the filter, and `bridged_s` seconds of the result are in gaps between rows. The window
    starts at `start_s` (seconds since 1970) and has `duration_s`.
    """

    counted_in: str
    columns: Mapping[str, str]
    ignored_columns: tuple[str, ...]
    rows_in: int
    rows_used: int
    rejections: Mapping[Reason, Rejection]
    aircraft: int = 0
    start_s: float = 0.0
    duration_s: float = 0.0
    rows_out: int = 0
    frozen: int = 0
    gated: int = 0
    bridged_s: int = 0
    origin_deg_m: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def refused(self) -> int:
        """Rows that are faulty, as opposed to those excluded."""
        return sum(rejection.count for reason, rejection in self.rejections.items() if reason.is_fault)


class Tally:
    """The rows that are still usable, and the outcomes of the others."""

    def __init__(self, numbers: npt.NDArray[np.int64], columns: Mapping[str, str]) -> None:
        """Take the rows with their numbers, shape (n,), and the column of each field."""
        self._numbers = numbers
        self._columns = columns
        self._counts: dict[Reason, int] = {}
        self._examples: dict[Reason, list[Example]] = {}
        self.usable: Booleans = np.ones(len(numbers), dtype=np.bool_)

    def reject(self, reason: Reason, field: str, rows: Booleans, values: Sequence[object] | None = None) -> None:
        """Mark the rows (n,) selected by `rows` as not usable, naming the field and its values of the first few."""
        self.reject_at(reason, field, np.flatnonzero(rows & self.usable), values)

    def reject_at(
        self, reason: Reason, field: str, rows: npt.NDArray[np.int64], values: Sequence[object] | None = None
    ) -> None:
        """Mark the usable rows with these indices (m,) as not usable."""
        for row in np.sort(rows)[:MAX_EXAMPLES].tolist():
            value = "" if values is None else _shown(values[row])
            self._name(reason, Example(int(self._numbers[row]), self._columns.get(field, field), value))
        self._count(reason, len(rows))
        self.usable[rows] = False

    def reject_unread(self, number: int, value: object) -> None:
        """Count an entry of the file that is not a row of the table."""
        self._name(Reason.NOT_A_ROW, Example(number, "", _shown(value)))
        self._count(Reason.NOT_A_ROW, 1)

    def rejections(self) -> dict[Reason, Rejection]:
        """Return the rejections, in the order of `Reason`."""
        return {
            reason: Rejection(self._counts[reason], tuple(self._examples[reason]))
            for reason in Reason
            if self._counts.get(reason)
        }

    def _count(self, reason: Reason, count: int) -> None:
        self._counts[reason] = self._counts.get(reason, 0) + count

    def _name(self, reason: Reason, example: Example) -> None:
        examples = self._examples.setdefault(reason, [])
        if len(examples) < MAX_EXAMPLES:
            examples.append(example)


def utc_text(time_s: float) -> str:
    """Return seconds since 1970 as a UTC time such as 2021-10-07T14:01:05Z; outside 0 to 9999 as a number."""
    try:
        return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return f"{time_s:g} s"


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    cut = text[:MAX_VALUE_CHARACTERS]
    return ascii(cut)[1:-1] + ("..." if len(text) > MAX_VALUE_CHARACTERS else "")
