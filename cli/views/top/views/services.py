"""The services: status, process and rates."""

from typing import Final

from rich.text import Text

from cli.views.top.model.answer import NOT_SERVING, SERVING, UNREACHABLE
from cli.views.top.model.answer import UNKNOWN as UNKNOWN_STATUS
from cli.views.top.model.services import ServiceState
from cli.views.top.snapshot import Snapshot
from cli.views.top.views.table import Cell, Column, Row, table
from cli.views.top.views.text import DIM, FAIL, GOOD, UNKNOWN, WARN, age, clean, number, size

_STYLES: Final = {SERVING: GOOD, NOT_SERVING: WARN, UNREACHABLE: FAIL}
_COLUMNS: Final = (
    *(Column("service", 9), Column("status", 11), Column("since", 7, True), Column("pid", 7, True)),
    *(Column("up", 7, True), Column("cpu%", 5, True), Column("rss", 7, True), Column("ev/s", 6, True)),
    Column("detail", 0),
)


def render(snapshot: Snapshot, width: int) -> list[Text]:
    """Return the table, and below each service that does not serve the reason in full.

    A service that gives no metrics has its last figures dim, and their age in the detail.
    """
    services = snapshot.mesh.services
    heading, *rows = table(_COLUMNS, [_row(service, snapshot) for service in services], width)
    lines = [heading]
    for service, row in zip(services, rows, strict=True):
        lines.append(row)
        if service.status not in (SERVING, UNKNOWN_STATUS) and service.reason:
            lines.append(Text(f"  {clean(service.reason)}", style=_STYLES.get(service.status, WARN), end=""))
    return lines


def _row(service: ServiceState, snapshot: Snapshot) -> Row:
    now_s = snapshot.now_s
    stale = service.is_stale(now_s)
    figures = DIM if stale else ""
    since = age(now_s - service.since_s)
    started_s = service.started_s
    return (
        Cell(service.name),
        Cell(service.status, _STYLES.get(service.status, WARN)),
        Cell(since if service.since_exact else f">{since}", "" if service.since_exact else DIM),
        Cell(UNKNOWN if service.pid is None else str(service.pid)),
        Cell(age(None if started_s is None else snapshot.wall_s - started_s), figures),
        Cell(number(service.cpu_percent), figures),
        Cell(size(service.resident_bytes), figures),
        Cell(number(service.events_per_s, 1), figures),
        Cell(_detail(service, stale, now_s), DIM if service.status == SERVING else ""),
    )


def _detail(service: ServiceState, stale: bool, now_s: float) -> str:
    figures_age_s = service.figures_age_s(now_s)
    old = f"stale {age(figures_age_s)}" if stale and figures_age_s is not None else ""
    reason = service.reason if service.status in (SERVING, UNKNOWN_STATUS) else ""
    return "; ".join(part for part in (old, reason) if part)
