"""Accuracy of the trackers: the same scenes for each, Stone Soup at the best setting of a sweep."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from multiprocessing import get_context
from typing import Final

from bench.tracker.measurements.evaluation import SceneEvaluation, Score, score
from bench.tracker.scenes.air_traffic import VARIANTS, Scene
from bench.tracker.trackers.oracle import Oracle
from bench.tracker.trackers.ours import Ours, bench_model, sensor_model
from bench.tracker.trackers.perfect_association import PerfectAssociationRunner
from bench.tracker.trackers.runner import Runner
from bench.tracker.trackers.stone_soup import Settings, StoneSoup, radar_of

EVALUATION_SEEDS: Final = tuple(range(1, 9))
TUNING_SEEDS: Final = tuple(range(1000, 1010))
TARGETS: Final = 100
SCANS: Final = 60
SWEEP: Final = tuple(
    Settings(noise_m2ps3=q, min_points=points, deleted_after=misses)
    for q, points, misses in product((0.1, 1.0, 3.0, 10.0, 30.0), (3, 4, 5, 6), (2, 3, 4))
)
QUICK_SWEEP: Final = (Settings(1.0, 3), Settings(3.0, 3), Settings(10.0, 3), Settings(3.0, 4))
STONE_SOUP: Final = "stone-soup"
RUNNERS: Final = ("ours", "solo", "oracle", STONE_SOUP)
# Number of seeds in each round, and of settings that remain after it.
_ROUNDS: Final = ((1, 8), (3, 3))


@dataclass(frozen=True, slots=True)
class Trial:
    """One tracker on one scene; `settings` are Stone Soup's, None for the mesh's tracker."""

    runner: str
    variant: str
    seed: int
    settings: Settings | None = None
    targets: int = TARGETS
    scans: int = SCANS


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """A tracker's score on a variant, and the best setting if there was a choice."""

    runner: str
    variant: str
    score: Score
    settings: Settings | None = None


def results(
    runners: Sequence[str], variant: str, seeds: Sequence[int], processes: int, sweep: Sequence[Settings]
) -> list[Result]:
    """Return every runner's score on a variant, over the same seeds; Stone Soup's is the best of a sweep."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        found = []
        for runner in runners:
            if runner == STONE_SOUP:
                found.append(_best(pool, variant, seeds, sweep))
            else:
                trials = [Trial(runner, variant, seed) for seed in seeds]
                found.append(Result(runner, variant, score(list(pool.map(run, trials)))))
        return found


def run(trial: Trial) -> SceneEvaluation:
    """Run a trial and return its evaluation."""
    scene = Scene(VARIANTS[trial.variant], trial.targets, trial.seed)
    runner, evaluation = make_runner(trial, scene), SceneEvaluation(scene.radius_m)
    for scan in scene.scans(trial.scans):
        runner.step(runner.prepare(scan))
        evaluation.add(scan, runner.estimates())
    return evaluation


def make_runner(trial: Trial, scene: Scene) -> Runner:
    """Return the trial's tracker in its initial state."""
    if trial.runner == "ours":
        return Ours(sensor_model(scene), bench_model())
    if trial.runner == "solo":
        return PerfectAssociationRunner(sensor_model(scene), bench_model())
    if trial.runner == "oracle":
        return Oracle(scene)
    if trial.runner == STONE_SOUP:
        return StoneSoup(radar_of(scene), trial.settings or Settings())
    raise ValueError(f"there is no runner {trial.runner}")


def _best(pool: ProcessPoolExecutor, variant: str, seeds: Sequence[int], sweep: Sequence[Settings]) -> Result:
    """Return Stone Soup's score at the setting with the least GOSPA on the evaluation seeds themselves.

    Every setting runs on the first seed; the best of these on more, and the best of those on all.
    """
    remaining = list(sweep)
    for count, kept in _ROUNDS:
        ranked = sorted(_run_all(pool, variant, remaining, seeds[:count]), key=lambda result: result.score.gospa)
        remaining = [result.settings for result in ranked[:kept] if result.settings is not None]
    return min(_run_all(pool, variant, remaining, seeds), key=lambda result: result.score.gospa)


def _run_all(
    pool: ProcessPoolExecutor, variant: str, settings: Sequence[Settings], seeds: Sequence[int]
) -> list[Result]:
    trials = [Trial(STONE_SOUP, variant, seed, setting) for setting in settings for seed in seeds]
    evaluations = list(pool.map(run, trials))
    count = len(seeds)
    return [
        Result(STONE_SOUP, variant, score(evaluations[index * count : (index + 1) * count]), setting)
        for index, setting in enumerate(settings)
    ]
