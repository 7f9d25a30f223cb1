"""A canvas of braille dots, 2 by 4 in each character cell, with characters above them."""

from collections.abc import Iterator
from typing import Final

from rich.cells import cell_len
from rich.text import Text

DOTS_ACROSS, DOTS_DOWN = 2, 4
_BRAILLE: Final = 0x2800
# The bit of the dot in column x and row y of a cell, in the order of Unicode.
_BITS: Final = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
MAX_LINE_DOTS: Final = 4000

Dot = tuple[int, int]  # column from the left and row from the top, in dots


class Canvas:
    """A canvas of `width` by `height` cells. What is drawn outside is left out; a later style wins in its cell."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._dots: dict[Dot, int] = {}  # bits by cell
        self._styles: dict[Dot, str] = {}
        self._characters: dict[Dot, tuple[str, str]] = {}

    def dot(self, x: int, y: int, style: str) -> None:
        """Set one dot."""
        cell = (x // DOTS_ACROSS, y // DOTS_DOWN)
        if self._is_inside(cell):
            self._dots[cell] = self._dots.get(cell, 0) | _BITS[x % DOTS_ACROSS][y % DOTS_DOWN]
            self._styles[cell] = style

    def line(self, start: Dot, end: Dot, style: str) -> None:
        """Draw a straight line."""
        for x, y in line_dots(start, end):
            self.dot(x, y, style)

    def write(self, column: int, row: int, text: str, style: str, spare: str = "") -> bool:
        """Write characters of one cell each.

        Return False, and write nothing, where a cell is outside, has a character, or has dots of the style `spare`.
        """
        cells = [(column + offset, row) for offset in range(len(text))]
        if cell_len(text) != len(text) or not all(self._is_free(cell, spare) for cell in cells):
            return False
        self._characters.update({cell: (character, style) for cell, character in zip(cells, text, strict=True)})
        return True

    def put(self, column: int, row: int, character: str, style: str) -> None:
        """Put one character into a cell, also where there is one."""
        if self._is_inside((column, row)):
            self._characters[column, row] = (character, style)

    def lines(self) -> list[Text]:
        """Return the rows, each of `width` cells."""
        return [self._row(row) for row in range(self.height)]

    def _row(self, row: int) -> Text:
        line = Text(no_wrap=True, end="")
        for column in range(self.width):
            cell = (column, row)
            bits = self._dots.get(cell, 0)
            dots = (chr(_BRAILLE + bits) if bits else " ", self._styles.get(cell, ""))
            character, style = self._characters.get(cell, dots)
            line.append(character, style=style)
        return line

    def _is_free(self, cell: Dot, spare: str) -> bool:
        spared = bool(spare) and self._styles.get(cell) == spare
        return self._is_inside(cell) and cell not in self._characters and not spared

    def _is_inside(self, cell: Dot) -> bool:
        return 0 <= cell[0] < self.width and 0 <= cell[1] < self.height


def line_dots(start: Dot, end: Dot) -> Iterator[Dot]:
    """Yield the dots of a straight line, at most MAX_LINE_DOTS of them."""
    across, down = end[0] - start[0], end[1] - start[1]
    steps = min(max(abs(across), abs(down), 1), MAX_LINE_DOTS)
    for step in range(steps + 1):
        yield start[0] + round(across * step / steps), start[1] + round(down * step / steps)
