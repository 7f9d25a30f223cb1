"""Text for the terminal: printable, of a known width, with numbers and ages in few characters."""

import math
from typing import Final

from rich.cells import cell_len
from rich.text import Text

UNKNOWN: Final = "-"
DIM, BOLD, TITLE, WARN, FAIL, GOOD = "dim", "bold", "bold cyan", "yellow", "bold red", "green"
MAX_SHOWN_CHARACTERS: Final = 2000
_PREFIXES: Final = ("", "k", "M", "G", "T", "P", "E")


def clean(text: str) -> str:
    """Return the text with every character that is not printable replaced by its escape.

    Control characters, escape sequences and marks that change the direction of writing never reach the terminal.
    """
    shown = text[:MAX_SHOWN_CHARACTERS]
    if shown.isprintable():
        return shown
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in shown)


def fit(line: Text, width: int) -> Text:
    """Return the line cut or padded to exactly `width` cells, with nothing in it that is not printable."""
    line = line.copy()
    if not line.plain.isprintable():
        line.plain = "".join(character if character.isprintable() else "?" for character in line.plain)
    cut = cell_len(line.plain) > width
    line.truncate(width, overflow="ellipsis" if cut and width > 1 else "crop", pad=False)
    line.append(" " * (width - cell_len(line.plain)))
    return line


def cell(text: str, width: int, *, right: bool = False) -> str:
    """Return printable text cut or padded to `width` cells."""
    line = Text(clean(text), end="")
    line.truncate(width, overflow="ellipsis")
    padding = " " * (width - cell_len(line.plain))
    return padding + line.plain if right else line.plain + padding


def number(value: float | None, digits: int = 0) -> str:
    """Return a number in at most 7 characters; `-` where it is unknown or not finite."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if abs(value) < 10_000:
        return f"{value:.{digits}f}"
    power = min(int(math.log10(abs(value)) // 3), len(_PREFIXES) - 1)
    scaled = value / 1000.0**power
    return f"{scaled:.1f}{_PREFIXES[power]}" if abs(scaled) < 10_000 else f"{value:.0e}"


def size(size_bytes: float | None) -> str:
    """Return a number of bytes, such as `83 MB`."""
    if size_bytes is None or not math.isfinite(size_bytes):
        return UNKNOWN
    if size_bytes < 1e9:
        return f"{size_bytes / 1e6:.0f} MB"
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes < 1e13 else f"{size_bytes:.0e} B"


def age(seconds: float | None) -> str:
    """Return a duration in at most 7 characters, such as `12 s`, `3m 20s` or `2d 4h`."""
    if seconds is None or not math.isfinite(seconds):
        return UNKNOWN
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    if whole < 86_400:
        return f"{whole // 3600}h {whole % 3600 // 60:02}m"
    days = whole // 86_400
    return f"{days}d {whole % 86_400 // 3600}h" if days < 100 else f"{min(days, 99_999)}d"


def distance(range_m: float) -> str:
    """Return a distance, such as `500 m` or `20 km`."""
    if not math.isfinite(range_m):
        return UNKNOWN
    if range_m < 1000:
        return f"{range_m:.0f} m"
    return f"{range_m / 1000:g} km" if range_m < 1e9 else f"{range_m / 1000:.0e} km"
