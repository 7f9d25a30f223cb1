"""Findings of a benchmark run."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.tracker.measurements.accuracy import Result as AccuracyResult
from bench.tracker.measurements.coalescing import Result as CoalescingResult
from bench.tracker.measurements.over_grpc import OverGrpc, Sustained
from bench.tracker.measurements.recorded import Result as RecordedResult
from bench.tracker.measurements.speed import Comparison, Cost


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """All measurements; parts that were not requested are empty."""

    comparisons: Sequence[Comparison] = ()
    costs: Sequence[Cost] = ()
    grpc: Sequence[OverGrpc] = ()
    sustained: Sequence[Sustained] = ()
    accuracy: Sequence[AccuracyResult] = ()
    recorded: Sequence[RecordedResult] = ()
    coalescing: Sequence[CoalescingResult] = ()
    seeds: dict[str, Sequence[int]] = field(default_factory=dict)
