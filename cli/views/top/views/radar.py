"""The radar view: the plot, and beside it the list of tracks."""

from typing import Final

from rich.text import Text

from cli.views.top.model.radar import RadarPicture, TrackView
from cli.views.top.model.services import STALE_S
from cli.views.top.snapshot import Snapshot
from cli.views.top.ui import Ui, range_of
from cli.views.top.views.plot import automatic_step, plot, symbol, track_style
from cli.views.top.views.table import Cell, Column, Row, table
from cli.views.top.views.text import DIM, WARN, age, clean, distance, fit, number

# Cells are twice as high as wide: a plot of h rows is round in 2 h columns. The list needs the rest.
CELL_RATIO: Final = 2
MIN_LIST_WIDTH: Final = 30
GAP: Final = 1
_COLUMNS: Final = (
    *(Column("", 1), Column("id", 4), Column("iff", 7), Column("km", 6, True), Column("brg", 3, True)),
    *(Column("m/s", 4, True), Column("xpdr", 0)),
)
_ORDER: Final = {"FOE": 0, "UNKNOWN": 1, "UNSPECIFIED": 2, "FRIEND": 3}


def render(snapshot: Snapshot, ui: Ui, width: int, height: int) -> list[Text]:
    """Return `height` lines: plot and list side by side, or the plot alone where it is too narrow for both."""
    picture = snapshot.radar
    stale = picture.tracks_at_s is None or snapshot.now_s - picture.tracks_at_s > STALE_S
    step = automatic_step(picture) if ui.range_step is None else ui.range_step
    list_width = width - CELL_RATIO * height - GAP
    if list_width < MIN_LIST_WIDTH:
        list_width = max(0, min(MIN_LIST_WIDTH, width - MIN_LIST_WIDTH - GAP))
    plot_width = width - list_width - (GAP if list_width else 0)
    drawn = plot(picture, step, stale, plot_width, height)
    beside = [*_facts(snapshot, ui, step), *_tracks(picture, stale, list_width, ui.scroll)] if list_width else []
    lines = []
    for row, line in enumerate(drawn):
        listed = beside[row] if row < len(beside) else Text(end="")
        lines.append(Text.assemble(line, " " * GAP, fit(listed, list_width), end="") if list_width else line)
    return lines


def render_list(snapshot: Snapshot, width: int) -> list[Text]:
    """Return the list of tracks alone."""
    picture = snapshot.radar
    line = _age_line("tracks", picture.tracks_at_s, picture.tracks_state, snapshot.now_s)
    return [line, *_tracks(picture, False, width, 0)]


def _facts(snapshot: Snapshot, ui: Ui, step: int) -> list[Text]:
    picture, now_s = snapshot.radar, snapshot.now_s
    mode = "auto" if ui.range_step is None else "+/- zoom, 0 auto"
    confirmed = sum(track.status != "NEW" for track in picture.tracks)
    lines = [
        Text(f"range {distance(range_of(step))} ({mode})", end=""),
        Text(f"{confirmed} tracks, {len(picture.tracks) - confirmed} new", end=""),
        _age_line("tracks", picture.tracks_at_s, picture.tracks_state, now_s),
        _age_line("frames", picture.frames_at_s, picture.frames_state, now_s),
    ]
    if picture.not_drawable:
        lines.append(Text(f"{picture.not_drawable} without a position", style=WARN, end=""))
    return [*lines, Text(end="")]


def _age_line(name: str, at_s: float | None, state: str, now_s: float) -> Text:
    """Return the age of a stream's newest event, or why there is none."""
    why = f"; {clean(state)}" if state else ""
    if at_s is None:
        return Text(f"{name}: none yet{why}", style=DIM, end="")
    if now_s - at_s <= STALE_S:
        return Text(f"{name}: {age(now_s - at_s)} old", end="")
    return Text(f"{name}: STALE, {age(now_s - at_s)} old{why}", style=WARN, end="")


def _tracks(picture: RadarPicture, stale: bool, width: int, scroll: int) -> list[Text]:
    confirmed = [track for track in picture.tracks if track.status != "NEW"]
    confirmed.sort(key=lambda track: (_ORDER.get(track.iff, 1), track.range_m))
    heading, *rows = table(_COLUMNS, [_row(track, stale) for track in confirmed], width)
    return [heading, *rows[min(scroll, max(0, len(rows) - 1)) :]]


def _row(track: TrackView, stale: bool) -> Row:
    style, figures = track_style(track, stale), DIM if stale else ""
    return (
        Cell(symbol(track), style),
        Cell(track.short_id, style),
        Cell(track.iff.lower(), style),
        Cell(number(track.range_m / 1000, 1), figures),
        Cell(f"{track.bearing_deg:03.0f}", figures),
        Cell(number(track.speed_mps), figures),
        Cell(track.transponder_id, DIM),
    )
