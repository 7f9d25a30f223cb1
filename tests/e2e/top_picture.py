"""Picture of the radar view of `qiki top`: captured from a terminal of 80 by 24, and written cell by cell."""

import re
from collections.abc import Iterator
from html import escape
from pathlib import Path

from rich.console import Console
from rich.style import Style
from rich.terminal_theme import MONOKAI
from rich.text import Text

from cli.views.top.terminal.screen import END
from top_terminal import top

WIDTH, HEIGHT = 80, 24
# Half of the scenario is over: there are tracks of every kind.
MIN_TICK = 1_200
_LINE = re.compile(r"\x1b\[2J|\x1b\[(?P<row>\d+);1H(?P<text>(?:(?!\x1b\[\d+;1H|\x1b\[\?|\x1b\[2J).)*)", re.DOTALL)
_PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><style>
body {{ margin: 0; background: {background}; }}
pre {{ display: inline-block; margin: 0; padding: 12px 16px; color: {foreground}; background: {background};
  font: 16px/20px "DejaVu Sans Mono", monospace; }}
i {{ display: inline-block; width: 1ch; height: 20px; vertical-align: top; overflow: hidden; font-style: normal;
  text-align: center; }}
</style></head><body><pre>{lines}</pre></body></html>
"""


def capture(state_dir: Path) -> list[str]:
    """Return the lines of the radar view of a mesh, with their colours as control sequences."""
    with top("--state-dir", str(state_dir), width=WIDTH, height=HEIGHT) as run:
        run.shows("SERVING")
        run.press("4")
        # an update may come in pieces
        screen = run.until(
            lambda text: is_worth_a_picture(text) and run.display.output.endswith(END),
            f"the radar view from tick {MIN_TICK} on",
        )
        lines = lines_in(run.display.output)
        run.press("q")
        assert run.end() == 0, "qiki top did not end in good order"
    plain = "\n".join(Text.from_ansi(line).plain.rstrip() for line in lines)
    assert plain == screen, f"the lines are not the screen:\n{plain}\n{screen}"
    return lines


def is_worth_a_picture(screen: str) -> bool:
    """Return whether all services serve, the moment has come, and tracks and frames are new."""
    tick = re.search(r" tick (\d+) ", screen)
    fresh = "tracks: 0 s old" in screen and "frames: 0 s old" in screen
    return tick is not None and int(tick[1]) >= MIN_TICK and "7/7 SERVING" in screen and fresh


def lines_in(output: str) -> list[str]:
    """Return the lines on the screen after this output, which draws whole lines."""
    lines = [""] * HEIGHT
    for found in _LINE.finditer(output):
        if found["row"] is None:
            lines = [""] * HEIGHT
        else:
            lines[int(found["row"]) - 1] = found["text"]
    return lines


def document(lines: list[str]) -> str:
    """Return the lines as a document."""
    text = "\n".join("".join(_cells(line)) for line in lines)
    return _PAGE.format(lines=text, background=MONOKAI.background_color.hex, foreground=MONOKAI.foreground_color.hex)


def _cells(line: str) -> Iterator[str]:
    """Yield the markup of a line; signs that the font may lack have a cell of their own, so that the rest stays put."""
    console = Console(width=WIDTH, color_system="truecolor", force_terminal=True)
    for segment in Text.from_ansi(line, end="").render(console):
        style = _css(segment.style) if segment.style else ""
        cells = "".join(sign if sign.isascii() else f"<i>{sign}</i>" for sign in escape(segment.text))
        yield f'<span style="{style}">{cells}</span>'


def _css(style: Style) -> str:
    """Return a style of the document; rich itself does not reverse colours that are the terminal's own."""
    css = style.get_html_style(MONOKAI)
    if not style.reverse:
        return css
    return f"{css}; color: {MONOKAI.background_color.hex}; background-color: {MONOKAI.foreground_color.hex}"
