"""A table of fixed columns, and one that takes the remaining width."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.text import Text

from cli.views.top.views.text import BOLD, cell

GAP: Final = " "


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, its width in cells (0: all that remains), and whether it is aligned to the right."""

    heading: str
    width: int
    right: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """The text of a cell and its style."""

    text: str
    style: str = ""


Row = Sequence[Cell]


def table(columns: Sequence[Column], rows: Sequence[Row], width: int) -> list[Text]:
    """Return the heading and the rows, each of exactly the sum of the columns' widths."""
    fixed = sum(column.width for column in columns) + len(GAP) * (len(columns) - 1)
    rest = max(1, width - fixed)
    widths = [column.width or rest for column in columns]
    heading = _line(columns, widths, [Cell(column.heading, BOLD) for column in columns])
    return [heading, *(_line(columns, widths, row) for row in rows)]


def _line(columns: Sequence[Column], widths: Sequence[int], row: Row) -> Text:
    line = Text(no_wrap=True, end="")
    for place, (column, width, part) in enumerate(zip(columns, widths, row, strict=True)):
        line.append(GAP if place else "")
        line.append(cell(part.text, width, right=column.right), style=part.style)
    return line
