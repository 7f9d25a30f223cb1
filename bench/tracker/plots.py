"""The benchmark's pictures: cost against size, GOSPA over time, and a radar's view of truth and tracks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.tracker import accuracy, speed
from bench.tracker.accuracy import Result, Trial, make_runner
from bench.tracker.findings import Findings
from bench.tracker.judge import CUT_OFF_M, JUDGED_AFTER
from bench.tracker.scene import MANOEUVRING, SCAN_S, Scan, Scene
from svc_tracker.domain.state.types import Floats

# Okabe and Ito's colours, distinct for everybody.
_BLUE, _ORANGE, _GREEN, _GREY = "#0072B2", "#D55E00", "#009E73", "#777777"
_PARTS: Final = (("localisation", 1), ("missed", 2), ("false", 3))
_VIEW_SEED: Final = 1
_VIEW_SCANS: Final = 40


def draw(findings: Findings, folder: Path) -> list[Path]:
    """Write the pictures that the findings cover, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = {}
    if findings.costs:
        figures["tracker-cost.png"] = _cost_figure(findings)
    shown = [result for result in findings.accuracy if result.variant == "manoeuvring"]
    if shown:
        figures["tracker-gospa.png"] = _gospa_figure(shown)
        figures["tracker-radar.png"] = _radar_figure(Scene(MANOEUVRING, accuracy.TARGETS, _VIEW_SEED))
    paths = []
    for name, figure in figures.items():
        paths.append(folder / name)
        figure.savefig(paths[-1], dpi=130)
    return paths


def _cost_figure(findings: Findings) -> Figure:
    figure, axes = _figure(7.5, 5.0)
    sizes = np.array([cost.targets for cost in findings.costs])
    medians = np.array([cost.median_ms for cost in findings.costs])
    slope = speed.exponent(findings.costs)
    axes.loglog(sizes, medians, "o-", color=_BLUE, label=f"ours: grows as N^{slope:.2f}")
    if findings.comparisons:
        reference = [each.reference for each in findings.comparisons]
        places, spent = [cost.targets for cost in reference], [cost.median_ms for cost in reference]
        axes.loglog(places, spent, "s--", color=_ORANGE, label="Stone Soup: GNN-2D, KD-tree, EKF")
        for each in findings.comparisons:
            axes.annotate(
                f"{each.ratio:,.0f} times ours",
                (each.reference.targets, each.reference.median_ms),
                textcoords="offset points",
                xytext=(10, -4),
                color=_ORANGE,
            )
    axes.axhline(1e3 * SCAN_S, color=_GREY, linewidth=1.0, linestyle=":")
    axes.annotate(
        "a scan period", (sizes[-1], 1e3 * SCAN_S), textcoords="offset points", xytext=(0, 4), color=_GREY, ha="right"
    )
    axes.set(xlabel="targets N (0.2 a square kilometre)", ylabel="update of a scan, median (ms)")
    axes.set_title("What a scan costs", loc="left")
    axes.legend(loc="lower right", frameon=False)
    axes.grid(visible=True, which="major", color="#dddddd")
    return figure


def _gospa_figure(found: Sequence[Result]) -> Figure:
    figure, all_axes = _figure(9.0, 6.5, rows=2, columns=2, sharex=True)
    looks = {
        "ours": ("ours", _BLUE, "-"),
        accuracy.STONE_SOUP: ("Stone Soup, its best setting", _ORANGE, "--"),
        "solo": ("perfect association", _GREEN, ":"),
    }
    panels = [("GOSPA", 0), *_PARTS]
    for axes, (name, column) in zip(all_axes.flat, panels, strict=True):
        for result in found:
            if result.runner in looks:
                label, color, style = looks[result.runner]
                history = result.score.history[:, column]
                values = history if column == 0 else np.sqrt(history)
                axes.plot(np.arange(1, len(values) + 1), values, style, color=color, label=label, linewidth=1.8)
        axes.axvspan(1, JUDGED_AFTER, color="#f0f0f0", zorder=0)
        axes.set_title(name if column == 0 else f"its part: {name}", loc="left", fontsize=10)
        axes.set_ylim(bottom=0.0)
        axes.grid(visible=True, color="#e5e5e5")
    for axes in all_axes[-1]:
        axes.set_xlabel("scan (1 s each)")
    for axes in all_axes[:, 0]:
        axes.set_ylabel("m")
    figure.suptitle(
        f"100 targets, 40% of them manoeuvring: GOSPA (c {CUT_OFF_M:.0f} m), mean of the seeds; grey: not judged",
        x=0.01,
        ha="left",
        fontsize=11,
    )
    figure.legend(*all_axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def _radar_figure(scene: Scene) -> Figure:
    """Draw the radar's disc after some scans: the targets' paths, and the tracks on them."""
    runner = make_runner(Trial("ours", scene.variant.name, scene.seed), scene)
    truth: dict[int, list[Floats]] = {}
    tracks: dict[int, list[Floats]] = {}
    false: list[Floats] = []
    for scan in scene.scans(_VIEW_SCANS):
        runner.step(runner.prepare(scan))
        estimates = runner.estimates()
        for ids, places, trails in (
            (scan.ids, scan.position_m, truth),
            (estimates.ids, estimates.position_m, tracks),
        ):
            for number, place in zip(ids.tolist(), places, strict=True):
                trails.setdefault(number, []).append(_polar(place))
        false.append(_clutter(scan))
    figure = Figure(figsize=(8.0, 8.4), layout="constrained")
    axes: Any = figure.add_subplot(projection="polar")
    axes.set_theta_zero_location("N")
    axes.set_theta_direction(-1)
    dots = np.concatenate(false[-5:])
    axes.plot(dots[:, 0], dots[:, 1], ".", color="#bbbbbb", markersize=3)
    for trails, color, width, alpha in ((truth, "#222222", 3.5, 0.28), (tracks, _BLUE, 1.2, 1.0)):
        axes.add_collection(LineCollection(list(trails.values()), colors=color, linewidths=width, alpha=alpha))
    heads = np.array([_polar(place) for place in estimates.position_m])
    axes.plot(heads[:, 0], heads[:, 1], "o", color=_BLUE, markersize=3.5)
    axes.set_rlim(0.0, scene.radius_m / 1e3)
    axes.set_rlabel_position(67.5)
    axes.grid(color="#dddddd")
    axes.set_title(
        f"{_VIEW_SCANS} scans of a radar amid {scene.targets} targets; range in km, bearing from north",
        loc="left",
        pad=18,
    )
    handles = [
        Line2D([], [], color="#222222", linewidth=3.5, alpha=0.28, label="truth"),
        Line2D(
            [], [], color=_BLUE, linewidth=1.2, marker="o", markersize=3.5, label="confirmed tracks, now at the dot"
        ),
        Line2D([], [], color="#bbbbbb", marker=".", linestyle="", label="false detections of the last 5 scans"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _polar(place_m: Floats) -> Floats:
    """Return (bearing in radians, range in km)."""
    east, north = place_m
    return np.array([np.arctan2(east, north), np.hypot(east, north) / 1e3])


def _clutter(scan: Scan) -> Floats:
    false = scan.source < 0
    return np.column_stack([np.radians(scan.bearing_deg[false]), scan.range_m[false] / 1e3])


def _figure(width: float, height: float, rows: int = 1, columns: int = 1, sharex: bool = False) -> tuple[Figure, Any]:
    with mpl.rc_context({"axes.spines.top": False, "axes.spines.right": False, "font.size": 10}):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots(rows, columns, sharex=sharex)
