"""The radar plot: north up, the own ship in the centre, range rings, detections, tracks with their velocity."""

import math
from dataclasses import dataclass
from typing import Final

from rich.text import Text

from cli.views.top.model.radar import Point, RadarPicture, TrackView
from cli.views.top.ui import range_of, step_for
from cli.views.top.views.canvas import DOTS_ACROSS, DOTS_DOWN, Canvas, Dot
from cli.views.top.views.text import clean, distance

RINGS: Final = 4
RING_STYLE, RING_LABEL_STYLE, DETECTION_STYLE, OWN_SHIP_STYLE = (
    "bright_black",
    "bright_black",
    "white dim",
    "bold white",
)
IFF_STYLES: Final = {"FRIEND": "cyan", "FOE": "red", "UNKNOWN": "yellow", "UNSPECIFIED": "white"}
OTHER_STYLE: Final = "magenta"
SYMBOLS: Final = {"FRIEND": "●", "FOE": "◆", "UNKNOWN": "■", "UNSPECIFIED": "▪"}
NEW_SYMBOL, OTHER_SYMBOL = "+", "?"
VELOCITY_S: Final = 30.0  # the tick reaches to the position after this time
MIN_TICK_DOTS, MAX_TICK_DOTS = 3.0, 14.0
DEFAULT_RANGE_M: Final = 10_000.0


@dataclass(frozen=True, slots=True)
class Scale:
    """The mapping from metres around the own ship to dots."""

    own_ship_m: Point
    centre: Dot
    dots_per_m: float

    def dot(self, point: Point) -> Dot | None:
        """Return the dot of a point in metres east and north; None where it is too far for any canvas."""
        across = (point[0] - self.own_ship_m[0]) * self.dots_per_m
        up = (point[1] - self.own_ship_m[1]) * self.dots_per_m
        if not (abs(across) < 1e6 and abs(up) < 1e6):  # false for NaN too
            return None
        return self.centre[0] + round(across), self.centre[1] - round(up)


def track_style(track: TrackView, stale: bool) -> str:
    """Return the colour of a track's identification; dim while it coasts, and where the picture is stale."""
    style = IFF_STYLES.get(track.iff, OTHER_STYLE)
    return f"{style} dim" if stale or track.status == "COASTING" else f"{style} bold"


def symbol(track: TrackView) -> str:
    """Return the character of a track: its identification, or `+` while it is not confirmed."""
    return NEW_SYMBOL if track.status == "NEW" else SYMBOLS.get(track.iff, OTHER_SYMBOL)


def automatic_step(picture: RadarPicture) -> int:
    """Return the range step that shows all confirmed tracks, or else all tracks, or else all detections."""
    confirmed = [track.range_m for track in picture.tracks if track.status != "NEW"]
    ranges = confirmed or [track.range_m for track in picture.tracks]
    if not ranges:
        points = (point for detections in picture.detections.values() for point in detections.points_m)
        ranges = [math.dist(point, picture.own_ship_m) for point in points]
    finite = [range_m for range_m in ranges if math.isfinite(range_m)]
    return step_for(max(finite) if finite else DEFAULT_RANGE_M)


def plot(picture: RadarPicture, range_step: int, stale: bool, width: int, height: int) -> list[Text]:
    """Return the plot in `width` by `height` cells; its range reaches from the centre to the nearest edge."""
    canvas = Canvas(width, height)
    centre = (width // 2 * DOTS_ACROSS, height // 2 * DOTS_DOWN + DOTS_DOWN // 2)
    radius = max(1, min(width * DOTS_ACROSS, height * DOTS_DOWN) // 2 - 1)
    scale = Scale(picture.own_ship_m, centre, radius / range_of(range_step))
    _rings(canvas, centre, radius)
    for detections in picture.detections.values():
        for point in detections.points_m:
            if (dot := scale.dot(point)) is not None:
                canvas.dot(*dot, DETECTION_STYLE)
    new_first = sorted(picture.tracks, key=lambda track: track.status != "NEW")  # a confirmed one covers a new one
    tracks = [(dot, track) for track in new_first if (dot := scale.dot(track.position_m)) is not None]
    for dot, track in tracks:
        _tick(canvas, dot, track, scale.dots_per_m, track_style(track, stale))
    canvas.put(centre[0] // DOTS_ACROSS, centre[1] // DOTS_DOWN, "▲", OWN_SHIP_STYLE)
    for dot, track in tracks:
        canvas.put(dot[0] // DOTS_ACROSS, dot[1] // DOTS_DOWN, symbol(track), track_style(track, stale))
    for dot, track in tracks:
        _label(canvas, dot, track, track_style(track, stale))
    _ring_labels(canvas, centre, radius, range_of(range_step))
    return canvas.lines()


def _rings(canvas: Canvas, centre: Dot, radius: int) -> None:
    for ring in range(1, RINGS + 1):
        ring_radius = radius * ring / RINGS
        steps = max(12, int(2 * math.pi * ring_radius / 3))  # a dot, then a gap of two
        for step in range(steps):
            angle = 2 * math.pi * step / steps
            canvas.dot(
                centre[0] + round(ring_radius * math.sin(angle)),
                centre[1] - round(ring_radius * math.cos(angle)),
                RING_STYLE,
            )


def _ring_labels(canvas: Canvas, centre: Dot, radius: int, range_m: float) -> None:
    """Write N at the top, and the range of each ring beside its northernmost or southernmost point.

    A label takes the first place that hides no detection and no track.
    """
    column = centre[0] // DOTS_ACROSS
    canvas.write(column, 0, "N", OWN_SHIP_STYLE, DETECTION_STYLE)
    for ring in range(1, RINGS + 1):
        text = distance(range_m * ring / RINGS)
        rows = [(centre[1] + sign * round(radius * ring / RINGS)) // DOTS_DOWN for sign in (-1, 1)]
        for place in ((left, row) for row in rows for left in (column + 2, column - 1 - len(text))):
            if canvas.write(*place, text, RING_STYLE, DETECTION_STYLE):
                break


def _tick(canvas: Canvas, dot: Dot, track: TrackView, dots_per_m: float, style: str) -> None:
    """Draw the velocity: VELOCITY_S long, but long enough to be seen and short enough to be a tick."""
    if not track.speed_mps > 0.0:
        return
    length = min(MAX_TICK_DOTS, max(MIN_TICK_DOTS, track.speed_mps * VELOCITY_S * dots_per_m))
    east, north = (component / track.speed_mps for component in track.velocity_mps)
    end = (dot[0] + round(length * east), dot[1] - round(length * north))
    canvas.line(dot, end, style)


def _label(canvas: Canvas, dot: Dot, track: TrackView, style: str) -> None:
    """Write the short id beside the track: right, left, above or below, at the first place that is free."""
    if track.status == "NEW":
        return
    text = clean(track.short_id)
    column, row = dot[0] // DOTS_ACROSS, dot[1] // DOTS_DOWN
    for place in ((column + 1, row), (column - len(text), row), (column, row - 1), (column, row + 1)):
        if canvas.write(*place, text, style):
            return
