"""Cost of a scan: the trackers take turns, scan by scan, in one process without other work."""

import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from bench.tracker.measurements.accuracy import Trial, make_runner
from bench.tracker.scenes.air_traffic import VARIANTS, Scene
from bench.tracker.trackers.stone_soup import Settings

SEED: Final = 1
_VARIANT: Final = "cv"
_SETTINGS: Final = Settings(noise_m2ps3=1.0, min_points=4)


@dataclass(frozen=True, slots=True)
class Course:
    """Number of scans at a size: the first ones warm the trackers up, the others are measured."""

    targets: int
    warm_up: int
    measured: int


COMPARED: Final = (Course(100, 15, 45), Course(1_000, 8, 9))
ALONE: Final = (
    Course(100, 15, 200),
    Course(316, 15, 150),
    Course(1_000, 15, 100),
    Course(3_162, 15, 50),
    Course(10_000, 15, 30),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """Median time of a step at a size, its quartiles, and the median of the processor time alone.

    On a machine with other work the processor time is shorter: it excludes the time of other processes.
    """

    targets: int
    median_ms: float
    cpu_ms: float
    lower_ms: float
    upper_ms: float
    tracks: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two trackers' costs on the same scans, and their ratio."""

    ours: Cost
    reference: Cost

    @property
    def ratio(self) -> float:
        """The reference's median divided by ours."""
        return self.reference.median_ms / self.ours.median_ms

    @property
    def cpu_ratio(self) -> float:
        """The same for processor time."""
        return self.reference.cpu_ms / self.ours.cpu_ms


def compare(course: Course) -> Comparison:
    """Return the costs of ours and of Stone Soup's, each scan processed by one and then by the other."""
    ours, reference = _measure(("ours", "stone-soup"), course)
    return Comparison(ours, reference)


def measure_alone(course: Course) -> Cost:
    """Return the cost of ours."""
    (cost,) = _measure(("ours",), course)
    return cost


def exponent(costs: Sequence[Cost]) -> float:
    """Return the slope of log cost over log targets, by least squares."""
    sizes, medians = [cost.targets for cost in costs], [cost.median_ms for cost in costs]
    return float(np.polyfit(np.log(sizes), np.log(medians), 1)[0])


def _measure(names: Sequence[str], course: Course) -> list[Cost]:
    scene = Scene(VARIANTS[_VARIANT], course.targets, SEED)
    runners = [make_runner(Trial(name, _VARIANT, SEED, _SETTINGS), scene) for name in names]
    times_ms: list[list[tuple[float, float]]] = [[] for _ in runners]
    # The collector would charge one tracker for another's garbage, and leave each step a cold cache.
    gc.collect()
    gc.disable()
    try:
        for scan in scene.scans(course.warm_up + course.measured):
            for runner, spent in zip(runners, times_ms, strict=True):
                spent.append(_timed_ms(runner.step, runner.prepare(scan)))
    finally:
        gc.enable()
    return [
        _cost(course.targets, spent[course.warm_up :], len(runner.estimates()))
        for runner, spent in zip(runners, times_ms, strict=True)
    ]


def _timed_ms(step: Any, prepared: Any) -> tuple[float, float]:
    """Return the duration of a step by the clock and by the processor."""
    cpu, began = time.thread_time(), time.perf_counter()
    step(prepared)
    ended = time.perf_counter()
    return 1e3 * (ended - began), 1e3 * (time.thread_time() - cpu)


def _cost(targets: int, times_ms: Sequence[tuple[float, float]], tracks: int) -> Cost:
    clock, cpu = np.array(times_ms).T
    lower, median, upper = np.percentile(clock, [25, 50, 75]).tolist()
    return Cost(targets, median, float(np.median(cpu)), lower, upper, tracks)
