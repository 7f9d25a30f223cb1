"""The help."""

from typing import Final

from rich.text import Text

from cli.views.top.views.text import BOLD, DIM

_KEYS: Final = (
    ("1 ... 5", "services, streams, alerts, radar, audit"),
    ("tab, right, left", "next and previous view"),
    ("up, down, page up, page down", "scroll; also j and k, home and end"),
    ("+ -  0", "radar: zoom in and out; automatic range"),
    ("p or space", "pause: the picture stays, reading goes on"),
    ("?  escape", "this help, and back"),
    ("q or Ctrl-C", "quit"),
)
_MEANINGS: Final = (
    ("dim, or `stale`", "not answered any more: the last known value, with its age"),
    ("-", "not known"),
    (">12 s", "at least so long: it was so when the view opened"),
    ("readers: bridge 3", "events that a required reader has not confirmed"),
    ("● ◆ ■ ▪ +", "friend, foe, unknown, not classified; + is a new track"),
    ("id", "the first four characters of the track's id; the tick is its way in 30 s"),
)


def render() -> list[Text]:
    """Return the lines of the help."""
    return [*_part("Keys", _KEYS), Text(end=""), *_part("Meanings", _MEANINGS)]


def _part(title: str, pairs: tuple[tuple[str, str], ...]) -> list[Text]:
    return [
        Text(title, style=BOLD, end=""),
        *(Text.assemble((f"  {left:29}", ""), (right, DIM), end="") for left, right in pairs),
    ]
