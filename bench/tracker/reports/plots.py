"""Pictures of the benchmark: cost by number of targets, and GOSPA by scan."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from bench.tracker.measurements import accuracy, speed
from bench.tracker.measurements.accuracy import Result
from bench.tracker.measurements.evaluation import CUT_OFF_M, EVALUATED_AFTER
from bench.tracker.reports.findings import Findings
from bench.tracker.reports.radar_plot import radar_figure
from bench.tracker.scenes.air_traffic import MANOEUVRING, Scene
from bench.tracker.scenes.population import SCAN_S

# Okabe and Ito's colours, distinct for everybody.
_BLUE, _ORANGE, _GREEN, _GREY = "#0072B2", "#D55E00", "#009E73", "#777777"
_STYLES: Final = {
    "ours": ("ours", _BLUE, "-"),
    accuracy.STONE_SOUP: ("Stone Soup, its best setting", _ORANGE, "--"),
    "solo": ("perfect association", _GREEN, ":"),
}
_PARTS: Final = (("localisation", 1), ("missed", 2), ("false", 3))
_VIEW_SEED: Final = 1


def draw(findings: Findings, folder: Path) -> list[Path]:
    """Write the pictures that the findings cover, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = {}
    if findings.costs:
        figures["tracker-cost.png"] = _cost_figure(findings)
    shown = [result for result in findings.accuracy if result.variant == "manoeuvring"]
    if shown:
        figures["tracker-gospa.png"] = _gospa_figure(shown)
        figures["tracker-radar.png"] = radar_figure(Scene(MANOEUVRING, accuracy.TARGETS, _VIEW_SEED))
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
        reference = [comparison.reference for comparison in findings.comparisons]
        sizes_compared, spent_ms = [cost.targets for cost in reference], [cost.median_ms for cost in reference]
        axes.loglog(sizes_compared, spent_ms, "s--", color=_ORANGE, label="Stone Soup: GNN-2D, KD-tree, EKF")
        for comparison in findings.comparisons:
            axes.annotate(
                f"{comparison.ratio:,.0f} times ours",
                (comparison.reference.targets, comparison.reference.median_ms),
                textcoords="offset points",
                xytext=(10, -4),
                color=_ORANGE,
            )
    axes.axhline(1e3 * SCAN_S, color=_GREY, linewidth=1.0, linestyle=":")
    axes.annotate(
        "a scan period", (sizes[-1], 1e3 * SCAN_S), textcoords="offset points", xytext=(0, 4), color=_GREY, ha="right"
    )
    axes.set(xlabel="targets N (0.2 a square kilometre)", ylabel="update of a scan, median (ms)")
    axes.set_title("Cost of a scan", loc="left")
    axes.legend(loc="lower right", frameon=False)
    axes.grid(visible=True, which="major", color="#dddddd")
    return figure


def _gospa_figure(found: Sequence[Result]) -> Figure:
    figure, all_axes = _figure(9.0, 6.5, rows=2, columns=2, sharex=True)
    panels = [("GOSPA", 0), *_PARTS]
    for axes, (name, column) in zip(all_axes.flat, panels, strict=True):
        _plot_histories(axes, found, column)
        axes.axvspan(1, EVALUATED_AFTER, color="#f0f0f0", zorder=0)
        axes.set_title(name if column == 0 else f"its part: {name}", loc="left", fontsize=10)
        axes.set_ylim(bottom=0.0)
        axes.grid(visible=True, color="#e5e5e5")
    for axes in all_axes[-1]:
        axes.set_xlabel("scan (1 s each)")
    for axes in all_axes[:, 0]:
        axes.set_ylabel("m")
    figure.suptitle(
        f"100 targets, 40% of them manoeuvring: GOSPA (c {CUT_OFF_M:.0f} m), mean of the seeds; grey: not evaluated",
        x=0.01,
        ha="left",
        fontsize=11,
    )
    figure.legend(*all_axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def _plot_histories(axes: Any, found: Sequence[Result], column: int) -> None:
    """Plot GOSPA (column 0) or the root of one of its parts by scan, a line for each tracker with a style."""
    for result in found:
        if result.runner in _STYLES:
            label, color, style = _STYLES[result.runner]
            history = result.score.history[:, column]
            values = history if column == 0 else np.sqrt(history)
            axes.plot(np.arange(1, len(values) + 1), values, style, color=color, label=label, linewidth=1.8)


def _figure(width: float, height: float, rows: int = 1, columns: int = 1, sharex: bool = False) -> tuple[Figure, Any]:
    with mpl.rc_context({"axes.spines.top": False, "axes.spines.right": False, "font.size": 10}):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots(rows, columns, sharex=sharex)
