"""Measurements as JSON for programs."""

import platform
from dataclasses import asdict
from typing import Any

import numpy as np

from bench.tracker.measurements import speed
from bench.tracker.reports.findings import Findings
from bench.tracker.reports.goals import goals


def to_json(findings: Findings) -> dict[str, Any]:
    """Return all measurements as lists, numbers and texts."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "seeds": {name: list(seeds) for name, seeds in findings.seeds.items()},
        "goals": [_plain(asdict(goal)) for goal in goals(findings)],
        "speed": {
            "compared": [
                {**asdict(comparison), "ratio": comparison.ratio, "cpu_ratio": comparison.cpu_ratio}
                for comparison in findings.comparisons
            ],
            "alone": [asdict(cost) for cost in findings.costs],
            "exponent": speed.exponent(findings.costs) if len(findings.costs) > 1 else None,
        },
        "grpc": {
            "measured": [{**asdict(cost), "ratio": cost.ratio} for cost in findings.grpc],
            "sustained": [asdict(session) for session in findings.sustained],
        },
        "accuracy": [_plain(asdict(result)) for result in findings.accuracy],
        "recorded": [{**_plain(asdict(result)), "ratio": result.ratio} for result in findings.recorded],
        "coalescing": [_plain(asdict(result)) for result in findings.coalescing],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
