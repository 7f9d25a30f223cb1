"""The whole page: heading, view and foot, in exactly as many lines and cells as the terminal has."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from rich.text import Text

from cli.views.top.model.answer import SERVING
from cli.views.top.snapshot import Snapshot
from cli.views.top.ui import TITLES, Ui, View
from cli.views.top.views import alerts, audit, help, radar, services, streams
from cli.views.top.views.text import DIM, FAIL, GOOD, TITLE, WARN, clean, fit, number

MIN_WIDTH, MIN_HEIGHT = 30, 6
_HEADING_LINES, _FOOT_LINES = 2, 1
_LISTS: Final[Mapping[View, Callable[[Snapshot, int], list[Text]]]] = {
    View.SERVICES: services.render,
    View.STREAMS: streams.render,
    View.ALERTS: alerts.render,
    View.AUDIT: audit.render,
}


def render_page(snapshot: Snapshot, ui: Ui, width: int, height: int) -> list[Text]:
    """Return `height` lines of `width` cells."""
    if width < MIN_WIDTH or height < MIN_HEIGHT:
        lines = [Text(f"{MIN_WIDTH} x {MIN_HEIGHT} at least", end="")]
    else:
        room = height - _HEADING_LINES - _FOOT_LINES
        lines = [
            heading_line(snapshot, paused=ui.paused),
            _tabs(snapshot, ui),
            *_padded(_body(snapshot, ui, width, room), room),
            _foot(snapshot, ui),
        ]
    return [fit(line, width) for line in _padded(lines, height)]


def max_scroll(snapshot: Snapshot, ui: Ui, width: int, height: int) -> int:
    """Return the largest useful scroll position of the view, so that the end of a list stays in view."""
    if ui.view is View.RADAR:
        return max(0, len(snapshot.radar.tracks) - 1)
    room = max(1, height - _HEADING_LINES - _FOOT_LINES)
    return max(0, len(_LISTS[ui.view](snapshot, width)) - room)


def _body(snapshot: Snapshot, ui: Ui, width: int, room: int) -> list[Text]:
    if ui.help:
        return help.render()
    if ui.view is View.RADAR:
        return radar.render(snapshot, ui, width, room)
    heading, *rows = _LISTS[ui.view](snapshot, width)
    first = min(ui.scroll, max(0, len(rows) + 1 - room))
    return [heading, *rows[first:]]


def _padded(lines: list[Text], room: int) -> list[Text]:
    return [*lines[:room], *(Text(end="") for _ in range(room - len(lines)))]


def heading_line(snapshot: Snapshot, *, paused: bool = False) -> Text:
    """Return the state of the mesh in one line."""
    states = snapshot.mesh.services
    serving = sum(service.status == SERVING for service in states)
    clock = datetime.fromtimestamp(snapshot.wall_s, UTC).strftime("%H:%M:%S UTC")
    return Text.assemble(
        ("qiki top ", TITLE),
        (f"{serving}/{len(states)} SERVING", GOOD if serving == len(states) else FAIL),
        (f"  {_run(snapshot)}", ""),
        (f"  {clock}", DIM),
        ("  PAUSED: p resumes" if paused else "", WARN),
        (f"  {clean(snapshot.where)}", DIM),
        end="",
    )


def _run(snapshot: Snapshot) -> str:
    """Return the state of the simulation, and the start of its run's id."""
    sim = snapshot.mesh.service("sim")
    facts: Mapping[str, Any] = sim.facts if sim is not None else {}
    if sim is None or "phase" not in facts:
        return "no run known"
    speed = facts.get("speed")
    shown = (f" {speed:g}x" if speed > 0 else " max") if isinstance(speed, int | float) else ""
    tick = facts.get("tick")
    number_of_tick = number(float(tick)) if isinstance(tick, int | float) else "-"
    old = "" if sim.status == SERVING else "last known: "
    return clean(f"{old}{facts['phase']}{shown} tick {number_of_tick} run {str(facts.get('run_id', '-'))[:8]}")


def _tabs(snapshot: Snapshot, ui: Ui) -> Text:
    line = Text(no_wrap=True, end="")
    active = snapshot.active_alerts
    for view in View:
        count = f"({active})" if view is View.ALERTS and active else ""
        style = "reverse bold" if view is ui.view else (FAIL if count else "")
        line.append(f" {view.value} {TITLES[view]}{count} ", style=style)
    return line


def _foot(snapshot: Snapshot, ui: Ui) -> Text:
    newest = next((alert for alert in snapshot.alerts if alert.is_active), None)
    keys = " q quit  ? help  p pause  tab next view  up/down scroll"
    if ui.view is View.RADAR:
        keys = " q quit  ? help  p pause  tab next view  +/- zoom  0 auto"
    if newest is not None and ui.view is not View.ALERTS:
        return Text.assemble((" q quit  ? help  ", DIM), ("3 ", ""), (clean(newest.text), FAIL), end="")
    return Text(keys, style=DIM, end="")
