"""Measurements as tables for people."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from bench.tracker.measurements import accuracy, coalescing, recorded, speed
from bench.tracker.reports.findings import Findings
from bench.tracker.reports.goals import goals
from bench.tracker.trackers.stone_soup import Settings

_LABELS = {"solo": "oracle (same filter)", "oracle": "oracle (textbook)", accuracy.STONE_SOUP: "Stone Soup, best"}


def show(findings: Findings, console: Console) -> None:
    """Print the measurements, then the goals."""
    if findings.comparisons or findings.costs:
        console.print(_speed_table(findings))
    if findings.grpc:
        console.print(_grpc_table(findings))
    if findings.accuracy:
        console.print(_accuracy_table(findings.accuracy))
        for result in findings.accuracy:
            if result.settings is not None:
                console.print(f"Stone Soup's best on {result.variant}: {_settings(result.settings)}")
    if findings.recorded:
        console.print(_recorded_table(findings.recorded))
    if findings.coalescing:
        console.print(_coalescing_table(findings.coalescing))
    console.print(_goal_table(findings))


def _speed_table(findings: Findings) -> Table:
    table = _table(
        "A scan's update, constant velocity", ("tracker",), "N", "median ms", "quartiles", "CPU ms", "tracks", "ratio"
    )
    for comparison in findings.comparisons:
        _add_cost(table, "ours, in turns", comparison.ours, "")
        ratio = f"{comparison.ratio:.0f}x (CPU {comparison.cpu_ratio:.0f}x)"
        _add_cost(table, "Stone Soup, in turns", comparison.reference, ratio)
    for cost in findings.costs:
        _add_cost(table, "ours, alone", cost, "")
    return table


def _add_cost(table: Table, name: str, cost: speed.Cost, ratio: str) -> None:
    quartiles = f"{cost.lower_ms:.3g} - {cost.upper_ms:.3g}"
    table.add_row(
        name, f"{cost.targets:,}", f"{cost.median_ms:.3g}", quartiles, f"{cost.cpu_ms:.3g}", f"{cost.tracks:,}", ratio
    )


def _grpc_table(findings: Findings) -> Table:
    names = ("test", "N", "tracks", "update ms", "whole path ms", "ratio or rate")
    table = _table("TrackFrames over gRPC, frames and tracks in columns, both ends", names[:1], *names[1:])
    for cost in findings.grpc:
        numbers = (
            f"{cost.targets:,}",
            f"{cost.tracks:,}",
            f"{cost.update_ms:.2f}",
            f"{cost.grpc_ms:.2f}",
            f"{cost.ratio:.2f}",
        )
        table.add_row("scan by scan", *numbers)
    for session in findings.sustained:
        rate = f"{session.answered_hz:.1f} of {session.rate_hz:g}/s"
        table.add_row("at a rate", f"{session.targets:,}", "", "", f"{session.median_ms:.2f}", rate)
    return table


def _accuracy_table(found: Sequence[accuracy.Result]) -> Table:
    title = f"GOSPA in m (c 300 m, p 2, alpha 2) from scan 16 to {accuracy.SCANS}, N = {accuracy.TARGETS}"
    columns = ("GOSPA", "loc", "missed", "false", "switches", "breaks", "ANEES", "95% band", "straight", "turning")
    table = _table(title, ("scene", "tracker"), *columns)
    for result in found:
        score, anees = result.score, result.score.consistency
        table.add_row(
            result.variant,
            _LABELS.get(result.runner, result.runner),
            f"{score.gospa:.1f}",
            *(f"{part**0.5:.0f}" for part in (score.localisation, score.missed, score.false)),
            f"{score.switches:.1f}",
            f"{score.breaks:.1f}",
            f"{anees.mean_per_dof:.2f}",
            f"{anees.low:.2f}-{anees.high:.2f}",
            f"{score.nees_straight:.2f}",
            f"{score.nees_turning:.2f}",
        )
    table.caption = (
        "loc, missed, false: roots of the parts. switches, breaks: a scene. ANEES by its 4 degrees of freedom: of the\n"
        "last scans with its band, then over all scans of targets flying straight and of those in a turn."
    )
    return table


def _recorded_table(found: Sequence[recorded.Result]) -> Table:
    columns = (
        "ours",
        "oracle",
        "ratio",
        "ours: loc, missed, false",
        "oracle: loc, missed, false",
        "switches",
        "in view",
    )
    table = _table("Recorded traffic: GOSPA in m (c 1,000 m)", ("radar",), *columns)
    for result in found:
        texts = [", ".join(f"{part**0.5:.0f}" for part in parts) for parts in (result.ours_parts, result.oracle_parts)]
        figures = f"{result.ours_m:.1f}", f"{result.oracle_m:.1f}", f"{result.ratio:.3f}"
        table.add_row(result.radar, *figures, *texts, f"{result.switches:.1f}", f"{result.aircraft:.1f}")
    return table


def _coalescing_table(found: Sequence[coalescing.Result]) -> Table:
    table = _table("Coalescing: RMS GOSPA in m (c 10 m)", ("tracker",), "RMS", "its best setting")
    for result in found:
        table.add_row(result.runner, f"{result.rms_m:.3f}", _settings(result.settings) if result.settings else "")
    return table


def _goal_table(findings: Findings) -> Table:
    table = _table("Goals and measurements", ("goal",), "required", "measured", "")
    for goal in goals(findings):
        table.add_row(goal.name, goal.required, goal.measured, "[green]met[/]" if goal.met else "[red]missed[/]")
    return table


def _settings(settings: Settings) -> str:
    return f"q {settings.noise_m2ps3:g} m2/s3, min_points {settings.min_points}, deleted after {settings.deleted_after}"


def _table(title: str, names: Sequence[str], *figures: str) -> Table:
    table = Table(title=title, title_justify="left", caption_justify="left")
    for name in names:
        table.add_column(name)
    for figure in figures:
        table.add_column(figure, justify="right")
    return table
