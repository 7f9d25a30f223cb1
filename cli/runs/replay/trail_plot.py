"""The picture of a changed replay: the confirmed tracks of both, seen from above. Needs matplotlib."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cli.demo.plot.radar_plot import (
    BACKGROUND,
    DISC,
    DPI,
    FAINT,
    GRID,
    TEXT,
    TRACK_COLOURS,
    WITHOUT_MATPLOTLIB,
    MatplotlibMissingError,
    PictureError,
)

SIZE_IN: Final = (14.0, 7.6)
TITLES: Final = ("archived", "with the settings")
M_PER_KM: Final = 1_000.0

Trails = Sequence[Sequence[tuple[float, float]]]


def draw_trails(archived: Trails, changed: Trails, title: str, path: Path) -> None:
    """Draw both sets of trails side by side, on the same scale.

    Raises MatplotlibMissingError; PictureError where the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - optional, and slow to import
    except ImportError:
        raise MatplotlibMissingError(WITHOUT_MATPLOTLIB) from None
    figure = Figure(figsize=SIZE_IN, dpi=DPI, facecolor=BACKGROUND)
    figure.suptitle(title, color=TEXT)
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    for axes, trails, name in zip(panels, (archived, changed), TITLES, strict=True):
        axes.set_facecolor(DISC)
        axes.set_title(f"{name}: {len(trails)} confirmed tracks", color=TEXT)
        axes.set_aspect("equal", adjustable="box")
        axes.grid(color=GRID, linewidth=0.5)
        axes.tick_params(colors=FAINT)
        axes.set_xlabel("east, km", color=FAINT)
        for number, trail in enumerate(trails):
            east_km, north_km = ([point[axis] / M_PER_KM for point in trail] for axis in (0, 1))
            axes.plot(east_km, north_km, color=TRACK_COLOURS[number % len(TRACK_COLOURS)], linewidth=1.4)
    panels[0].set_ylabel("north, km", color=FAINT)
    try:
        figure.savefig(path, format="png", metadata={"Software": None})
    except OSError as error:
        raise PictureError(f"The picture could not be written to {path}: {error.strerror or error}.") from None
