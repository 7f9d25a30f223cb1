"""A list of traces as a table of text, one trace a line."""

import time
from collections.abc import Iterator, Sequence
from typing import Final

from rich.text import Text

from cli.views.trace.units import duration_text, printable, time_text
from cli.views.trace.viewer.reader import Summary

# Characters of a trace id in the list: enough for `qiki trace` to find it.
ID_WIDTH: Final = 12
_HEAD: Final = f"{'trace':{ID_WIDTH}}  {'time (UTC)':12}  {'duration':>9}  {'spans':>5}  begins with"


def listing(summaries: Sequence[Summary], width: int) -> Iterator[Text]:
    """Yield a head line and a line for each trace, none wider than `width`."""
    yield Text(_HEAD[:width], style="dim")
    for each in summaries:
        line = (
            f"{each.trace_id[:ID_WIDTH]}  {time_text(each.start_ns)[11:-1]:12}  {duration_text(each.duration_ns):>9}  "
            f"{each.spans:>5}  {f'({each.failed} failed) ' if each.failed else ''}{printable(each.root)}"
        )
        text = Text(line, style="red" if each.failed else "")
        text.truncate(width, overflow="crop")
        yield text


def ago_text(time_ns: int) -> str:
    """Return a time and how long ago it was."""
    return f"{time_text(time_ns)} ({duration_text(max(0, time.time_ns() - time_ns))} ago)"
