"""The alerts, newest first; those that have cleared are dim."""

from datetime import UTC, datetime
from typing import Final

from rich.text import Text

from cli.views.top.model.alerts import Alert
from cli.views.top.model.conditions import ERROR
from cli.views.top.snapshot import Snapshot
from cli.views.top.views.table import Cell, Column, Row, table
from cli.views.top.views.text import DIM, FAIL, GOOD, UNKNOWN, WARN, age

_COLUMNS: Final = (Column("since", 8), Column("for", 7, True), Column("level", 7), Column("alert", 0))


def render(snapshot: Snapshot, width: int) -> list[Text]:
    """Return the table of alerts, or a sentence where there are none."""
    alerts = snapshot.alerts
    lines = table(_COLUMNS, [_row(alert, snapshot) for alert in alerts], width)
    if not alerts:
        asked = [service for service in snapshot.mesh.services if service.answered_s is not None]
        sentence = "Nothing needs attention." if asked else "Nothing is known yet: no service has answered."
        lines.append(Text(sentence, style=GOOD if asked else DIM, end=""))
    return lines


def _row(alert: Alert, snapshot: Snapshot) -> Row:
    since = _clock(snapshot.wall_s - (snapshot.now_s - alert.since_s))
    if alert.cleared_s is not None:
        lasted = age(alert.cleared_s - alert.since_s)
        text = f"cleared {age(snapshot.now_s - alert.cleared_s)} ago: {alert.text}"
        return (Cell(since, DIM), Cell(lasted, DIM), Cell("cleared", DIM), Cell(text, DIM))
    style = FAIL if alert.severity == ERROR else WARN
    return (Cell(since), Cell(age(snapshot.now_s - alert.since_s)), Cell(alert.severity, style), Cell(alert.text))


def _clock(wall_s: float) -> str:
    try:
        return datetime.fromtimestamp(wall_s, UTC).strftime("%H:%M:%S")
    except (ValueError, OverflowError, OSError):  # beyond the calendar
        return UNKNOWN
