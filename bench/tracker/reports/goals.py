"""Goals of the benchmark, compared with the findings."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bench.tracker.measurements.accuracy import STONE_SOUP
from bench.tracker.measurements.speed import exponent
from bench.tracker.reports.findings import Findings

_LEAST_RATIO: Final = {100: 150.0, 1_000: 800.0}
_MOST_EXPONENT: Final = 1.0
_MOST_OVER_GRPC: Final = {1_000: 2.0}
_LEAST_OF_RATE: Final = 0.99
_MOST_MS: Final = {10_000: 50.0}
_MOST_OF_STONE_SOUP: Final = {"cv": 1.0, "manoeuvring": 0.92, "hard": 0.92, "hard_manoeuvring": 1.0}
_MOST_OF_ORACLE: Final = 1.15
_MOST_OF_RECORDED_ORACLE: Final = 1.25


@dataclass(frozen=True, slots=True)
class Goal:
    """A goal, the measured value, and whether it meets the goal."""

    name: str
    required: str
    measured: str
    met: bool


def goals(findings: Findings) -> list[Goal]:
    """Return the goals that the findings cover."""
    return [*_speed(findings), *_grpc(findings), *_accuracy(findings), *_recorded(findings), *_coalescing(findings)]


def _speed(findings: Findings) -> Iterator[Goal]:
    for comparison in findings.comparisons:
        targets, least = comparison.ours.targets, _LEAST_RATIO[comparison.ours.targets]
        ratio = comparison.ratio
        yield Goal(f"faster than Stone Soup, N = {targets:,}", f">= {least:g}x", f"{ratio:.0f}x", ratio >= least)
    if len(findings.costs) > 1:
        slope = exponent(findings.costs)
        yield Goal("cost exponent, N = 100 to 10,000", f"<= {_MOST_EXPONENT}", f"{slope:.2f}", slope <= _MOST_EXPONENT)
    for cost in findings.costs:
        if cost.targets in _MOST_MS:
            most, spent = _MOST_MS[cost.targets], cost.median_ms
            yield Goal(f"ms a scan, N = {cost.targets:,}", f"<= {most:g}", f"{spent:.1f}", spent <= most)


def _grpc(findings: Findings) -> Iterator[Goal]:
    for cost in findings.grpc:
        if cost.targets in _MOST_OVER_GRPC:
            most, ratio = _MOST_OVER_GRPC[cost.targets], cost.ratio
            yield Goal(
                f"TrackFrames by its update, N = {cost.targets:,}", f"<= {most:g}", f"{ratio:.2f}", ratio <= most
            )
    for session in findings.sustained:
        met = session.answered_hz >= _LEAST_OF_RATE * session.rate_hz
        name = f"TrackFrames, scans a second, N = {session.targets:,}"
        yield Goal(name, f"{session.rate_hz:g}", f"{session.answered_hz:.1f}", met)


def _accuracy(findings: Findings) -> Iterator[Goal]:
    by_key = {(result.variant, result.runner): result.score for result in findings.accuracy}
    for variant in dict.fromkeys(result.variant for result in findings.accuracy):
        ours, reference = by_key.get((variant, "ours")), by_key.get((variant, STONE_SOUP))
        if ours is not None and reference is not None:
            ratio, most = ours.gospa / reference.gospa, _MOST_OF_STONE_SOUP[variant]
            yield Goal(f"GOSPA by Stone Soup's best, {variant}", f"<= {most}", f"{ratio:.3f}", ratio <= most)
            required, measured = f"<= {reference.switches:.1f}", f"{ours.switches:.1f}"
            yield Goal(f"id switches a scene, {variant}", required, measured, ours.switches <= reference.switches)
    ours, oracle = by_key.get(("cv", "ours")), by_key.get(("cv", "solo"), by_key.get(("cv", "oracle")))
    if ours is not None and oracle is not None:
        ratio = ours.gospa / oracle.gospa
        yield Goal("GOSPA by the oracle's, cv", f"<= {_MOST_OF_ORACLE}", f"{ratio:.3f}", ratio <= _MOST_OF_ORACLE)
    if ours is not None:
        found = ours.consistency
        band = f"{found.low:.3f} to {found.high:.3f}"
        yield Goal("ANEES, cv", band, f"{found.mean_per_dof:.3f}", found.consistent)


def _recorded(findings: Findings) -> Iterator[Goal]:
    most = _MOST_OF_RECORDED_ORACLE
    for result in findings.recorded:
        name = f"GOSPA by the oracle's, recorded, {result.radar}"
        yield Goal(name, f"<= {most}", f"{result.ratio:.3f}", result.ratio <= most)


def _coalescing(findings: Findings) -> Iterator[Goal]:
    rms = {result.runner: result.rms_m for result in findings.coalescing}
    ours = rms.pop("ours", None)
    for name, reference in rms.items():
        if ours is not None:
            yield Goal(f"RMS GOSPA, coalescing, {name}", f"< {reference:.3f} m", f"{ours:.3f} m", ours < reference)
