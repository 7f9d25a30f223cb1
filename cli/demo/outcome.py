"""Outcome of a demonstration: its report and its failures."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cli.demo.checks.comparison import SubjectCount, table_lines
from cli.demo.plot.plot_data import plot_data_of
from cli.demo.plot.radar_plot import MatplotlibMissingError, PictureError, draw
from cli.demo.record import RunRecord
from cli.demo.report import checked_lines, report_lines, score_text, speed_text, title_text
from cli.demo.statistics import DemoStatistics, statistics_of
from cli.errors import CliError, UsageError

NEXT = """Try next:
  make up                                     the same mesh in real time, until Ctrl-C
  .venv/bin/qiki health 127.0.0.1:50051       then, in another terminal: is the simulator SERVING?
  .venv/bin/qiki nats check                   and: are the JetStream streams as declared?"""


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """A finished run: the scenario's name, its record, and the problems found.

    `counts` compares emitted events with those in JetStream; the problems are sentences. `checked` is the number of
    messages checked, and of events recomputed and compared, by kind.
    """

    name: str
    record: RunRecord
    counts: tuple[SubjectCount, ...]
    track_problems: tuple[str, ...]
    content_problems: tuple[str, ...]
    health_problems: tuple[str, ...]
    checked: Mapping[str, int]

    def problems(self) -> list[str]:
        """Return all failures of the run as sentences; empty if there is none."""
        of_counts = [problem for count in self.counts if (problem := count.problem())]
        return [*of_counts, *self.track_problems, *self.content_problems, *self.health_problems]


def conclude(outcome: Outcome, picture: Path, elapsed_s: float) -> None:
    """Report and draw the run, and evaluate it. Raises CliError where it failed."""
    found = statistics_of(outcome.record)
    tables = (report_lines(outcome.name, found), table_lines(outcome.counts), checked_lines(outcome.checked))
    print("\n".join(line for table in tables for line in ("", *table)) + "\n")
    problems = outcome.problems()
    try:
        print(draw_run(outcome, found, picture))
    except MatplotlibMissingError as error:
        print(error)
    except PictureError as error:
        problems.append(str(error))
    if problems:
        raise CliError("\n".join(["not all is well:", *problems]))
    total = sum(count.emitted for count in outcome.counts)
    print(
        f"All {total} events are in JetStream, each once, in order, with the payload that was emitted; every frame has "
        f"its tracks;\nwhat was computed again is the same, to the byte; every service stayed healthy.\n"
        f"The demo took {elapsed_s:.1f} s.\n\n{NEXT}"
    )


def check_picture(picture: Path) -> None:
    """Raise UsageError before anything is started where the picture could not be written."""
    if picture.suffix.lower() != ".png":
        raise UsageError(f"--picture {picture}: the name should end in .png.")
    try:
        existed = picture.exists()
        picture.open("ab").close()
        if not existed:
            picture.unlink()
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"--picture {picture}: cannot be written: {reason}. Name another place.") from None


def draw_run(outcome: Outcome, found: DemoStatistics, picture: Path) -> str:
    """Draw the picture and return its path and a description of it. Raises PictureError."""
    data = plot_data_of(outcome.record)
    if data is None:
        return "There is no picture: no radar has scanned."
    record = outcome.record
    begin, end = (datetime.fromtimestamp(ns // 10**9, UTC) for ns in (record.first_time_ns, record.last_time_ns))
    facts = [f"simulation time {begin:%Y-%m-%d %H:%M:%S} to {end:%H:%M:%S} UTC", speed_text(found)]
    if found.score is not None:
        facts.append(f"GOSPA {score_text(found.score)}")
    draw(data, title_text(outcome.name, found), "  ·  ".join(facts), picture)
    return f"The picture is {picture.absolute()}: the truth, the detections and the confirmed tracks, seen from above."
