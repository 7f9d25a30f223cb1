"""Implementation of `qiki recording`: call the importer, show its progress, and print its report."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from rich.console import Console

from botspec.yaml_source import SpecError
from cli.demo.progress import Meter, open_meter
from cli.errors import CliError, UsageError
from evaluation.recordings.errors import NothingUsableError, RecordingError
from evaluation.recordings.importer import import_recording
from evaluation.recordings.overview import Overview, overview_of
from evaluation.recordings.reading.cleaning import Rules
from evaluation.recordings.report import Example, ImportReport, utc_text
from evaluation.recordings.sample import make_sample, paris
from evaluation.recordings.trajectory_file import SUFFIXES, check_output, write_trajectories
from svc_sim.domain.contacts.trajectory import Trajectory
from svc_sim.domain.scenario.loader import load_scenario


def parse_rules(
    start: str | None, duration_s: float, origin: str | None, max_gap_s: float, min_piece_s: float
) -> Rules:
    """Parse the options into rules; raises UsageError naming the option."""
    try:
        return Rules(
            start_s=None if start is None else _parse_start_s(start),
            duration_s=duration_s,
            max_gap_s=max_gap_s,
            min_piece_s=min_piece_s,
            origin=None if origin is None else _parse_origin(origin),
        )
    except RecordingError as error:
        raise UsageError(str(error)) from None


def run_import(source: Path, out: Path, rules: Rules, columns: Sequence[str]) -> None:
    """Import a file and show the report."""
    try:
        check_output(out)
    except RecordingError as error:
        raise UsageError(str(error)) from None
    try:
        with open_meter(Console()) as meter:
            recording = import_recording(source, rules, columns, partial(_tell, meter))
            meter.say(f"writing {out.name}")
            write_trajectories(out, recording.pieces)
    except NothingUsableError as error:
        print("\n".join(report_lines(error.report)))
        raise CliError(f"{source}: {error}; the table above says why. Nothing was written.") from None
    except RecordingError as error:
        raise CliError(str(error)) from None
    print("\n".join(report_lines(recording.report)))
    print(f"Wrote {out}. Play it: qiki demo --scenario {out}")


def run_info(file: Path) -> None:
    """Show the contents of a recording."""
    print("\n".join(overview_lines(overview_of(_load(file)))))


def run_sample(out: Path, cache_dir: Path) -> None:
    """Make the sample recording unless it exists."""
    sample = paris()
    try:
        check_output(out)
        with open_meter(Console()) as meter:
            recording = make_sample(sample, out, cache_dir, partial(_tell, meter))
    except RecordingError as error:
        raise CliError(str(error)) from None
    if recording is None:
        print(f"{out} is there already, and right.")
    else:
        print("\n".join(report_lines(recording.report)))
        print(f"Wrote {out}.")
    print(sample.attribution)


def report_lines(report: ImportReport) -> Iterator[str]:
    """Yield the report as lines: the rows, the unused ones by reason, and the result."""
    yield f"{'rows in the file':38}{report.rows_in:>10}"
    yield f"{'  used':38}{report.rows_used:>10}"
    for reason, rejection in report.rejections.items():
        what = "refused" if reason.is_fault else "left out"
        line = f"{f'  {what}: {reason.value}':38}{rejection.count:>10}"
        yield f"{line}   {_examples_text(report.counted_in, rejection.examples)}" if reason.is_fault else line
    if report.ignored_columns:
        yield f"columns not read: {', '.join(report.ignored_columns)[:200]}"
    if not report.rows_out:
        return
    latitude, longitude, height_m = report.origin_deg_m
    yield f"{'aircraft':38}{report.aircraft:>10}"
    yield f"{'rows written, one a second':38}{report.rows_out:>10}"
    yield f"{'  between rows of the file':38}{report.bridged_s:>10}"
    yield f"{'repeated positions, not measured again':38}{report.frozen:>10}"
    yield f"{'coordinates too far off to be true':38}{report.gated:>10}"
    yield f"from {utc_text(report.start_s)} on, {report.duration_s:g} s"
    yield f"origin {latitude:g} deg north, {longitude:g} deg east, height {height_m:g} m"


def overview_lines(overview: Overview) -> Iterator[str]:
    """Yield the overview as lines."""
    median, most = overview.at_a_time
    yield f"{'aircraft':20}{overview.aircraft:>10}"
    yield f"{'  at a time':20}{f'{median:g}':>10} median, {most} at most"
    yield f"{'rows':20}{overview.rows:>10} in {overview.segments} pieces"
    yield f"{'duration':20}{f'{overview.end_s:g}':>10} s"
    yield f"{'':20}{'least':>10}{'median':>10}{'most':>10}"
    for name, spread, factor in (
        ("east, km", overview.east_m, 1e-3),
        ("north, km", overview.north_m, 1e-3),
        ("up, km", overview.up_m, 1e-3),
        ("speed, m/s", overview.speed_mps, 1.0),
        ("climb, m/s", overview.climb_mps, 1.0),
    ):
        yield f"{name:20}" + "".join(f"{value * factor:>10.1f}" for value in spread)


def _tell(meter: Meter, what: str, done: int, total: int) -> None:
    if total:
        meter.show(what, done, total)
    else:
        meter.say(what)


def _load(file: Path) -> Trajectory:
    if not file.name.endswith(SUFFIXES):
        raise UsageError(
            f"{file}: a recording's name ends in {' or '.join(SUFFIXES)}; import makes one of state vectors."
        )
    try:
        trajectory = load_scenario(file).trajectory
    except SpecError as error:
        raise CliError(f"not a recording:\n{error}") from None
    assert trajectory is not None
    return trajectory


def _examples_text(counted_in: str, examples: Sequence[Example]) -> str:
    return "; ".join(
        " ".join(part for part in (f"{counted_in} {own.number}", own.column, repr(own.value)) if part)
        for own in examples
    )


def _parse_start_s(text: str) -> float:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or (time.tzinfo is not None and time.utcoffset() != timedelta(0)):
        raise UsageError(f"--start {text}: an ISO 8601 time in UTC, such as 2021-10-07T14:01:00Z.")
    return time.replace(tzinfo=UTC).timestamp()


def _parse_origin(text: str) -> tuple[float, float, float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (2, 3):
        raise UsageError(f"--origin {text}: LAT,LON or LAT,LON,HEIGHT, such as 49.0,2.5.")
    return numbers[0], numbers[1], numbers[2] if len(numbers) == 3 else 0.0
