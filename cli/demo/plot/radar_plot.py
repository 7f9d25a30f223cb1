"""The picture of a run: a radar plot of truth, detections and tracks. Needs matplotlib, the extra `plot`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cli.demo.plot.label_layout import Box, place_labels
from cli.demo.plot.plot_data import PlotData, TrackTrail
from cli.demo.record import Floats
from cli.errors import CliError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE_IN: Final = (10.0, 10.7)
DPI: Final = 120
AXES: Final = (0.02, 0.02, 0.96, 0.897)  # left, bottom, width, height in the figure: a square
MARGIN: Final = 1.075  # of the plot's radius: room for the bearings
BACKGROUND, DISC, GRID, FAINT, TEXT = "#0b1018", "#0e1622", "#26374d", "#7f93ab", "#e3eaf2"
TRUTH, DETECTION, SENSOR = "#ffffff", "#8aa0ba", "#ffd166"
TRACK_COLOURS: Final = (
    *("#4cc9f0", "#ff5d8f", "#7ae582", "#ffb703", "#b794f6"),
    *("#ff8552", "#2ec4b6", "#f4a6d7", "#c9e265", "#74a9ff"),
)
LABEL_PT, SMALL_PT, FACTS_PT, TITLE_PT = 7.2, 8.0, 9.5, 15.0
CHARACTER_EM: Final = 0.62  # width of a character, in sizes of its font
MARKER_PT: Final = 8.0
WITHOUT_MATPLOTLIB: Final = (
    "The picture was left out: matplotlib is not installed here. `make setup` installs it, and so does "
    "`python -m pip install matplotlib`."
)


class PictureError(CliError):
    """The picture could not be made; the message gives the reason."""


class MatplotlibMissingError(PictureError):
    """matplotlib is missing; the message names the package to install."""


def draw(data: PlotData, title: str, facts: str, path: Path) -> None:
    """Draw the plot into a PNG file. Raises MatplotlibMissingError; PictureError where the file cannot be written."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - optional, and slow to import
    except ImportError:
        raise MatplotlibMissingError(WITHOUT_MATPLOTLIB) from None
    figure = Figure(figsize=SIZE_IN, dpi=DPI, facecolor=BACKGROUND)
    axes = figure.add_axes(AXES)
    reach_m = MARGIN * data.extent_m
    axes.set(xlim=(-reach_m, reach_m), ylim=(-reach_m, reach_m), aspect="equal")
    axes.set_axis_off()
    _draw_scope(axes, data)
    _draw_ways(axes, data)
    _draw_ends(axes, data)
    _write_around(figure, axes, title, facts)
    try:
        figure.savefig(path, format="png", metadata={"Software": None}, pil_kwargs={"optimize": True})
    except OSError as error:
        raise PictureError(f"The picture could not be written to {path}: {error.strerror or error}.") from None


def _draw_scope(axes: "Axes", data: PlotData) -> None:
    """Draw the rings with their ranges, and the bearings."""
    from matplotlib.patches import Circle  # noqa: PLC0415

    axes.add_patch(Circle((0, 0), data.extent_m, facecolor=DISC, edgecolor=GRID, linewidth=1.2, zorder=0))
    for box, radius_m in zip(_range_boxes(data), data.ring_radii_m(), strict=True):
        axes.add_patch(Circle((0, 0), radius_m, fill=False, edgecolor=GRID, linewidth=0.7, zorder=1))
        patch = {"facecolor": DISC, "edgecolor": "none", "pad": 1.0}  # so that the ring does not cross it
        axes.text(box.x, box.y, _range_text(radius_m), size=SMALL_PT, bbox=patch, zorder=2, **_centred(FAINT))
    for bearing_deg in range(0, 360, 10):
        major = bearing_deg % 30 == 0
        rim, inner = _at(data.extent_m, bearing_deg), _at(data.extent_m * (0.975 if major else 0.988), bearing_deg)
        axes.plot(*zip(inner, rim, strict=True), color=FAINT, linewidth=1.0 if major else 0.6, zorder=2)
        if major:
            axes.plot(*zip((0, 0), rim, strict=True), color=GRID, linewidth=0.4, zorder=1)
            x, y = _at(data.extent_m * 1.038, bearing_deg)
            axes.text(x, y, f"{bearing_deg:03d}°", size=SMALL_PT, **_centred(FAINT))


def _draw_ways(axes: "Axes", data: PlotData) -> None:
    """Draw detections, tracks, truth and the sensor's path, clipped at the rim."""
    from matplotlib.patches import Circle  # noqa: PLC0415

    rim = Circle((0, 0), data.extent_m, transform=axes.transData)
    drawn: list[Any] = []
    for point_m, size, alpha in ((data.near_m, 1.0, 0.35), (data.far_m, 2.6, 0.5)):
        east_m, north_m = point_m.T
        drawn.append(axes.scatter(east_m, north_m, s=size, color=DETECTION, alpha=alpha, linewidths=0, zorder=3))
    for track, colour in _coloured(data):
        drawn += axes.plot(*track.point_m.T, color=colour, linewidth=2.8, zorder=4, solid_capstyle="round")
    for way_m in data.truth_m:
        drawn += axes.plot(*way_m.T, color=TRUTH, linewidth=0.6, alpha=0.85, zorder=5)
    drawn += axes.plot(*data.own_m.T, color=SENSOR, linewidth=1.2, zorder=6)
    for artist in drawn:
        artist.set_clip_path(rim)
    axes.scatter([0], [0], s=90, marker="^", color=SENSOR, edgecolors=BACKGROUND, linewidths=0.8, zorder=9)


def _draw_ends(axes: "Axes", data: PlotData) -> None:
    """Mark the final positions of the tracks with their names, and the last positions of lost tracks."""
    from matplotlib.patheffects import withStroke  # noqa: PLC0415

    inside = [(track, colour) for track, colour in _coloured(data) if np.hypot(*track.newest_m) <= data.extent_m]
    for track, colour in inside:
        if not track.live:
            axes.scatter(*track.newest_m, s=22, marker="x", color=colour, linewidths=1.2, zorder=7)
    live = [(track, colour) for track, colour in inside if track.live]
    for (track, colour), box in zip(live, _label_boxes([track for track, _ in live], data), strict=True):
        leader = zip(track.newest_m, box.nearest(*track.newest_m), strict=True)
        axes.plot(*leader, color=colour, linewidth=0.6, zorder=6)
        axes.scatter(*track.newest_m, s=28, color=colour, edgecolors=BACKGROUND, linewidths=0.8, zorder=8)
        label = axes.text(box.x, box.y, track.label, size=LABEL_PT, zorder=10, **_centred(colour))
        label.set_path_effects([withStroke(linewidth=2.2, foreground=DISC)])


def _write_around(figure: "Figure", axes: "Axes", title: str, facts: str) -> None:
    """Write title, facts and legend."""
    from matplotlib.lines import Line2D  # noqa: PLC0415

    figure.text(0.03, 0.967, title, color=TEXT, size=TITLE_PT, weight="bold", va="center", parse_math=False)
    figure.text(0.03, 0.938, facts, color=FAINT, size=FACTS_PT, va="center", parse_math=False)
    point: dict[str, Any] = {"linestyle": "none", "markeredgewidth": 0}
    colour = TRACK_COLOURS[0]
    handles = [
        Line2D([], [], marker="^", markersize=8, color=SENSOR, label="sensor", **point),
        Line2D([], [], color=TRUTH, linewidth=0.8, label="truth"),
        Line2D([], [], marker="o", markersize=2.5, color=DETECTION, label="detections, false ones too", **point),
        Line2D([], [], color=colour, linewidth=2.8, label="confirmed track, a colour each"),
        Line2D(
            [], [], marker="o", markersize=6, color=colour, label="where it is at the end: identity, track id", **point
        ),
        Line2D([], [], marker="x", markersize=5, color=colour, linestyle="none", label="where it was lost"),
    ]
    axes.legend(handles=handles, loc="lower left", frameon=False, labelcolor=TEXT, fontsize=SMALL_PT)


def _label_boxes(tracks: Sequence[TrackTrail], data: PlotData) -> list[Box]:
    """Return the positions of the tracks' labels: beside their markers, clear of the other drawing."""
    point_m = _point_m(data)
    marker_m = MARKER_PT * point_m
    markers = [Box(*place, marker_m, marker_m) for place in ((0.0, 0.0), *(track.newest_m for track in tracks))]
    sizes = [_text_size_m(track.label, LABEL_PT, point_m) for track in tracks]
    return place_labels(
        [track.newest_m for track in tracks], sizes, [*markers, *_range_boxes(data)], _lines(data), data.extent_m
    )


def _range_boxes(data: PlotData) -> list[Box]:
    """Return the positions of the ring range labels: one below the other, midway between two bearings."""
    lines_m = _lines(data)
    bearings_deg = np.degrees(np.arctan2(lines_m[:, 0], lines_m[:, 1])) % 360.0
    crowd = np.histogram(bearings_deg, bins=12, range=(0.0, 360.0))[0]
    quiet_deg = 30.0 * float(np.argmin(crowd)) + 15.0
    return [
        Box(*_at(radius_m, quiet_deg), *_text_size_m(_range_text(radius_m), SMALL_PT, _point_m(data)))
        for radius_m in data.ring_radii_m()
    ]


def _lines(data: PlotData) -> Floats:
    """Return all points (n, 2) of the tracks' lines."""
    found = np.concatenate([np.empty((0, 2)), *(track.point_m for track in data.tracks)])
    known: Floats = found[np.isfinite(found).all(axis=1)]
    return known


def _point_m(data: PlotData) -> float:
    """Return the size of a typographic point in metres of the plot."""
    return 2.0 * MARGIN * data.extent_m / (SIZE_IN[0] * AXES[2] * 72.0)


def _text_size_m(text: str, size_pt: float, point_m: float) -> tuple[float, float]:
    return CHARACTER_EM * size_pt * len(text) * point_m, 1.3 * size_pt * point_m


def _range_text(radius_m: float) -> str:
    return f"{radius_m / 1e3:g} km" if radius_m >= 1e3 else f"{radius_m:g} m"


def _coloured(data: PlotData) -> list[tuple[TrackTrail, str]]:
    return [(track, TRACK_COLOURS[number % len(TRACK_COLOURS)]) for number, track in enumerate(data.tracks)]


def _centred(colour: str) -> dict[str, Any]:
    return {"color": colour, "ha": "center", "va": "center", "parse_math": False}


def _at(range_m: float, bearing_deg: float) -> tuple[float, float]:
    bearing = np.radians(bearing_deg)
    return float(range_m * np.sin(bearing)), float(range_m * np.cos(bearing))
