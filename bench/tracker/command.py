"""The command line of the tracker's benchmark."""

import argparse
import json
import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console

from bench.tracker.measurements import accuracy, coalescing, over_grpc, recorded, speed
from bench.tracker.reports import json_report, plots, tables
from bench.tracker.reports.findings import Findings
from bench.tracker.scenes.air_traffic import VARIANTS

_PARTS = ("speed", "grpc", "accuracy", "recorded", "coalescing")
_RECORDING = Path("recordings/paris.csv.gz")


def main(arguments: Sequence[str]) -> int:
    """Run the requested measurements; print the results, and write them to the requested files."""
    options = _parser().parse_args(arguments)
    console = Console(width=130)
    console.print(
        f"Python {platform.python_version()}, NumPy {np.__version__}, {os.cpu_count()} CPUs, BLAS on one thread"
    )
    findings = Findings()
    for part in _PARTS if options.part == "all" else (options.part,):
        findings = _MEASURE[part](findings, options, console)
    console.print(f"seeds: {', '.join(f'{name} {list(seeds)}' for name, seeds in findings.seeds.items())}")
    tables.show(findings, console)
    if options.json is not None:
        options.json.write_text(json.dumps(json_report.to_json(findings), indent=1) + "\n", encoding="utf-8")
    if options.plot is not None:
        for path in plots.draw(findings, options.plot):
            console.print(f"drew {path}")
    return 0


def _speed(findings: Findings, options: argparse.Namespace, console: Console) -> Findings:
    comparisons, costs = [], []
    courses = [] if options.alone else [course for course in speed.COMPARED if course.targets <= options.most_compared]
    for course in courses:
        console.print(f"speed: N = {course.targets:,}, in turns with Stone Soup ...")
        comparisons.append(speed.compare(course))
    for course in speed.ALONE:
        console.print(f"speed: N = {course.targets:,}, alone ...")
        costs.append(speed.measure_alone(course))
    seeds = {**findings.seeds, "speed": (speed.SEED,)}
    return replace(findings, comparisons=comparisons, costs=costs, seeds=seeds)


def _grpc(findings: Findings, options: argparse.Namespace, console: Console) -> Findings:
    console.print("grpc ...")
    costs = [over_grpc.measure(targets, over_grpc.SCANS, over_grpc.SEED) for targets in over_grpc.TARGETS]
    sustained = over_grpc.sustain(*over_grpc.SUSTAINED)
    return replace(findings, grpc=costs, sustained=[sustained], seeds={**findings.seeds, "grpc": (over_grpc.SEED,)})


def _accuracy(findings: Findings, options: argparse.Namespace, console: Console) -> Findings:
    seeds = options.seeds[: 3 if options.quick else None]
    sweep = accuracy.QUICK_SWEEP if options.quick else accuracy.SWEEP
    found: list[accuracy.Result] = []
    for variant in options.variants:
        console.print(f"accuracy: {variant} ...")
        found += accuracy.results(options.runners, variant, seeds, options.processes, sweep)
    return replace(findings, accuracy=found, seeds={**findings.seeds, "accuracy": seeds})


def _recorded(findings: Findings, options: argparse.Namespace, console: Console) -> Findings:
    if not options.recording.exists():
        console.print(f"recorded: skipped, there is no {options.recording}: qiki recording sample {options.recording}")
        return findings
    console.print("recorded ...")
    seeds = recorded.SEEDS[: 1 if options.quick else None]
    found = recorded.results(options.recording, seeds, options.processes)
    return replace(findings, recorded=found, seeds={**findings.seeds, "recorded": seeds})


def _coalescing(findings: Findings, options: argparse.Namespace, console: Console) -> Findings:
    console.print("coalescing ...")
    seeds = coalescing.SEEDS[: 4 if options.quick else None]
    sweep = coalescing.QUICK_SWEEP if options.quick else coalescing.SWEEP
    found = coalescing.results(seeds, options.processes, sweep)
    return replace(findings, coalescing=found, seeds={**findings.seeds, "coalescing": seeds})


_MEASURE = {"speed": _speed, "grpc": _grpc, "accuracy": _accuracy, "recorded": _recorded, "coalescing": _coalescing}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.tracker", description="Measure the tracker against Stone Soup and perfect association."
    )
    names, variants = ",".join(accuracy.RUNNERS), ",".join(VARIANTS)
    parser.add_argument("part", nargs="?", default="all", choices=("all", *_PARTS))
    parser.add_argument("--runners", default="all", type=_of(accuracy.RUNNERS), help=f"accuracy: all, or of {names}")
    parser.add_argument("--variants", default="all", type=_of(VARIANTS), help=f"accuracy: all, or of {variants}")
    parser.add_argument("--seeds", default="evaluation", type=_seeds, help="accuracy: evaluation, tune, or 1,2,...")
    parser.add_argument("--alone", action="store_true", help="speed: without Stone Soup")
    parser.add_argument("--most-compared", type=int, default=1_000, help="speed: largest N of Stone Soup")
    parser.add_argument("--quick", action="store_true", help="few seeds, a small sweep: a rough check")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="workers for all but speed")
    parser.add_argument("--recording", type=Path, default=_RECORDING)
    parser.add_argument("--json", type=Path, help="write everything measured to this file")
    parser.add_argument("--plot", type=Path, help="draw the pictures into this folder")
    return parser


def _of(names: Iterable[str]) -> Callable[[str], list[str]]:
    """Return a parser of `all`, or of some of the names with commas."""
    known = list(names)

    def read(text: str) -> list[str]:
        selected = known if text == "all" else text.split(",")
        if unknown := [name for name in selected if name not in known]:
            raise argparse.ArgumentTypeError(f"{unknown[0]} is none of {', '.join(known)}")
        return selected

    return read


def _seeds(text: str) -> tuple[int, ...]:
    named = {"evaluation": accuracy.EVALUATION_SEEDS, "tune": accuracy.TUNING_SEEDS}
    return named[text] if text in named else tuple(int(part) for part in text.split(","))
