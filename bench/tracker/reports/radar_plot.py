"""Picture of a radar's disc after some scans: the targets' paths, the tracks on them, and false detections."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.tracker.measurements.accuracy import Trial, make_runner
from bench.tracker.scenes.air_traffic import Scene
from bench.tracker.scenes.scan import SceneScan
from svc_tracker.domain.state.types import Floats, Integers

_VIEW_SCANS: Final = 40
_TRUTH_COLOUR, _TRACK_COLOUR, _CLUTTER_COLOUR = "#222222", "#0072B2", "#bbbbbb"
_SHOWN_CLUTTER_SCANS: Final = 5
_Paths = dict[int, list[Floats]]


@dataclass(frozen=True, slots=True, eq=False)
class _Picture:
    """Paths of targets and tracks by id, the last positions of the tracks (k, 2), and false detections (m, 2).

    All positions are polar: bearing in radians, range in km.
    """

    truth: _Paths
    tracks: _Paths
    heads: Floats
    clutter: Floats


def radar_figure(scene: Scene) -> Figure:
    """Draw the radar's disc after some scans: the targets' paths, and the tracks on them."""
    picture = _run(scene)
    figure = Figure(figsize=(8.0, 8.4), layout="constrained")
    axes: Any = figure.add_subplot(projection="polar")
    axes.set_theta_zero_location("N")
    axes.set_theta_direction(-1)
    axes.plot(picture.clutter[:, 0], picture.clutter[:, 1], ".", color=_CLUTTER_COLOUR, markersize=3)
    for paths, color, width, alpha in (
        (picture.truth, _TRUTH_COLOUR, 3.5, 0.28),
        (picture.tracks, _TRACK_COLOUR, 1.2, 1.0),
    ):
        axes.add_collection(LineCollection(list(paths.values()), colors=color, linewidths=width, alpha=alpha))
    axes.plot(picture.heads[:, 0], picture.heads[:, 1], "o", color=_TRACK_COLOUR, markersize=3.5)
    axes.set_rlim(0.0, scene.radius_m / 1e3)
    axes.set_rlabel_position(67.5)
    axes.grid(color="#dddddd")
    title = f"{_VIEW_SCANS} scans of a radar amid {scene.targets} targets; range in km, bearing from north"
    axes.set_title(title, loc="left", pad=18)
    figure.legend(handles=_legend(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def _run(scene: Scene) -> _Picture:
    """Track the scene and return its picture."""
    runner = make_runner(Trial("ours", scene.variant.name, scene.seed), scene)
    truth: _Paths = {}
    tracks: _Paths = {}
    clutter: list[Floats] = []
    for scan in scene.scans(_VIEW_SCANS):
        runner.step(runner.prepare(scan))
        estimates = runner.estimates()
        _extend(truth, scan.ids, scan.position_m)
        _extend(tracks, estimates.ids, estimates.position_m)
        clutter.append(_clutter(scan))
    heads = np.array([_polar(position) for position in estimates.position_m])
    return _Picture(truth, tracks, heads, np.concatenate(clutter[-_SHOWN_CLUTTER_SCANS:]))


def _extend(paths: _Paths, ids: Integers, position_m: Floats) -> None:
    for number, position in zip(ids.tolist(), position_m, strict=True):
        paths.setdefault(number, []).append(_polar(position))


def _legend() -> list[Line2D]:
    clutter_label = f"false detections of the last {_SHOWN_CLUTTER_SCANS} scans"
    track_label = "confirmed tracks, now at the dot"
    return [
        Line2D([], [], color=_TRUTH_COLOUR, linewidth=3.5, alpha=0.28, label="truth"),
        Line2D([], [], color=_TRACK_COLOUR, linewidth=1.2, marker="o", markersize=3.5, label=track_label),
        Line2D([], [], color=_CLUTTER_COLOUR, marker=".", linestyle="", label=clutter_label),
    ]


def _polar(position_m: Floats) -> Floats:
    """Return (bearing in radians, range in km)."""
    east, north = position_m
    return np.array([np.arctan2(east, north), np.hypot(east, north) / 1e3])


def _clutter(scan: SceneScan) -> Floats:
    false = scan.source < 0
    return np.column_stack([np.radians(scan.bearing_deg[false]), scan.range_m[false] / 1e3])
