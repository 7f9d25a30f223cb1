"""The newest audit events."""

from typing import Final

from rich.text import Text

from cli.views.top.snapshot import Snapshot
from cli.views.top.views.table import Cell, Column, table
from cli.views.top.views.text import DIM, FAIL, WARN, clean

_NAME_WIDTH, _WIDE_NAME_WIDTH, _WIDE = 17, 21, 110
_STYLES: Final = {"WARNING": WARN, "ERROR": FAIL, "CRITICAL": FAIL}


def render(snapshot: Snapshot, width: int) -> list[Text]:
    """Return the table, newest first; a stream that is interrupted is reported above it."""
    trail = snapshot.audit
    rows = [
        (
            Cell(line.time, DIM),
            Cell(str(line.code), _STYLES.get(line.severity, "")),
            Cell(line.name, _STYLES.get(line.severity, "")),
            Cell(line.reporter.removeprefix("svc_")),
            Cell(f"{line.message} {line.attributes}" if line.attributes else line.message),
        )
        for line in trail.lines
    ]
    lines = table(_columns(width), rows, width)
    if trail.state:
        stale = "STALE, perhaps not the newest" if trail.lines else "no events yet"
        lines.insert(0, Text(f"{stale}; {clean(trail.state)}", style=WARN, end=""))
    elif not trail.lines:
        lines.append(Text("The audit trail is empty.", style=DIM, end=""))
    return lines


def _columns(width: int) -> tuple[Column, ...]:
    name = Column("name", _WIDE_NAME_WIDTH if width >= _WIDE else _NAME_WIDTH)
    return (Column("time", 8), Column("code", 4, True), name, Column("reporter", 9), Column("message", 0))
