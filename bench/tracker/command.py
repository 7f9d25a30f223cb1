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

from bench.tracker import accuracy, coalescing, over_grpc, plots, recorded, report, speed
from bench.tracker.findings import Findings
from bench.tracker.scene import VARIANTS

_PARTS = ("speed", "grpc", "accuracy", "recorded", "coalescing")
_RECORDING = Path("recordings/paris.csv.gz")


def main(arguments: Sequence[str]) -> int:
    """Run the requested measurements; print the results, and write them to the requested files."""
    asked = _parser().parse_args(arguments)
    console = Console(width=130)
    console.print(
        f"Python {platform.python_version()}, NumPy {np.__version__}, {os.cpu_count()} CPUs, BLAS on one thread"
    )
    findings = Findings()
    for part in _PARTS if asked.part == "all" else (asked.part,):
        findings = _MEASURE[part](findings, asked, console)
    console.print(f"seeds: {', '.join(f'{name} {list(seeds)}' for name, seeds in findings.seeds.items())}")
    report.show(findings, console)
    if asked.json is not None:
        asked.json.write_text(json.dumps(report.to_json(findings), indent=1) + "\n", encoding="utf-8")
    if asked.plot is not None:
        for path in plots.draw(findings, asked.plot):
            console.print(f"drew {path}")
    return 0


def _speed(findings: Findings, asked: argparse.Namespace, console: Console) -> Findings:
    comparisons, costs = [], []
    compared = [] if asked.alone else [course for course in speed.COMPARED if course.targets <= asked.most_compared]
    for course in compared:
        console.print(f"speed: N = {course.targets:,}, in turns with Stone Soup ...")
        comparisons.append(speed.compared(course))
    for course in speed.ALONE:
        console.print(f"speed: N = {course.targets:,}, alone ...")
        costs.append(speed.alone(course))
    seeds = {**findings.seeds, "speed": (speed.SEED,)}
    return replace(findings, comparisons=comparisons, costs=costs, seeds=seeds)


def _grpc(findings: Findings, asked: argparse.Namespace, console: Console) -> Findings:
    console.print("grpc ...")
    ways = [over_grpc.measure(targets, over_grpc.SCANS, over_grpc.SEED) for targets in over_grpc.TARGETS]
    kept = over_grpc.sustain(*over_grpc.SUSTAINED)
    return replace(findings, grpc=ways, sustained=[kept], seeds={**findings.seeds, "grpc": (over_grpc.SEED,)})


def _accuracy(findings: Findings, asked: argparse.Namespace, console: Console) -> Findings:
    seeds = asked.seeds[: 3 if asked.quick else None]
    sweep = accuracy.QUICK_SWEEP if asked.quick else accuracy.SWEEP
    found: list[accuracy.Result] = []
    for variant in asked.variants:
        console.print(f"accuracy: {variant} ...")
        found += accuracy.results(asked.runners, variant, seeds, asked.processes, sweep)
    return replace(findings, accuracy=found, seeds={**findings.seeds, "accuracy": seeds})


def _recorded(findings: Findings, asked: argparse.Namespace, console: Console) -> Findings:
    if not asked.recording.exists():
        console.print(f"recorded: left out, there is no {asked.recording}: qiki recording sample {asked.recording}")
        return findings
    console.print("recorded ...")
    seeds = recorded.SEEDS[: 1 if asked.quick else None]
    found = recorded.results(asked.recording, seeds, asked.processes)
    return replace(findings, recorded=found, seeds={**findings.seeds, "recorded": seeds})


def _coalescing(findings: Findings, asked: argparse.Namespace, console: Console) -> Findings:
    console.print("coalescing ...")
    seeds = coalescing.SEEDS[: 4 if asked.quick else None]
    sweep = coalescing.QUICK_SWEEP if asked.quick else coalescing.SWEEP
    found = coalescing.results(seeds, asked.processes, sweep)
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
    parser.add_argument("--seeds", default="judged", type=_seeds, help="accuracy: judged, tune, or numbers with commas")
    parser.add_argument("--alone", action="store_true", help="speed: without Stone Soup")
    parser.add_argument("--most-compared", type=int, default=1_000, help="speed: largest N of Stone Soup")
    parser.add_argument("--quick", action="store_true", help="few seeds, a small sweep: a look, not a judgement")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="workers for all but speed")
    parser.add_argument("--recording", type=Path, default=_RECORDING)
    parser.add_argument("--json", type=Path, help="write everything measured to this file")
    parser.add_argument("--plot", type=Path, help="draw the pictures into this folder")
    return parser


def _of(names: Iterable[str]) -> Callable[[str], list[str]]:
    """Return a parser of `all`, or of some of the names with commas."""
    known = list(names)

    def read(text: str) -> list[str]:
        chosen = known if text == "all" else text.split(",")
        if unknown := [name for name in chosen if name not in known]:
            raise argparse.ArgumentTypeError(f"{unknown[0]} is none of {', '.join(known)}")
        return chosen

    return read


def _seeds(text: str) -> tuple[int, ...]:
    named = {"judged": accuracy.JUDGED_SEEDS, "tune": accuracy.TUNING_SEEDS}
    return named[text] if text in named else tuple(int(part) for part in text.split(","))
