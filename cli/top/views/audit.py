"""The newest audit events."""

from typing import Final

from rich.text import Text

from cli.top.snapshot import Snapshot
from cli.top.views.table import Cell, Column, table
from cli.top.views.text import DIM, FAIL, WARN, clean

_COLUMNS: Final = (Column("time", 8), Column("code", 4, True), Column("name", 17), Column("reporter", 9))
_MESSAGE: Final = Column("message", 0)
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
            Cell(line.message),
        )
        for line in trail.lines
    ]
    lines = table((*_COLUMNS, _MESSAGE), rows, width)
    if trail.state:
        stale = "STALE, perhaps not the newest" if trail.lines else "no events yet"
        lines.insert(0, Text(f"{stale}; {clean(trail.state)}", style=WARN, end=""))
    elif not trail.lines:
        lines.append(Text("The audit trail is empty.", style=DIM, end=""))
    return lines
