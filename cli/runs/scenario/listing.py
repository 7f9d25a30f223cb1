"""Implementation of `qiki scenario list` and `qiki scenario validate`."""

from collections.abc import Sequence
from pathlib import Path

from botspec.yaml_source import SpecError
from cli.errors import CliError
from cli.runs.scenario.catalogue import catalogue, find, load_bot, load_for
from svc_sim.domain.scenario.loader import load_scenario
from svc_sim.domain.scenario.scenario import LoadedScenario


def list_scenarios() -> None:
    """Print a line for each scenario of the catalogue. Raises CliError where one cannot be used."""
    try:
        rows = [_row(name, load_scenario(path)) for name, path in catalogue().items()]
    except SpecError as error:
        raise CliError(str(error)) from None
    heads = ("NAME", "DURATION", "CONTACTS", "FAULTS", "GOALS", "AGENTS", "")
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    for row in (heads, *rows):
        print("  ".join(f"{text:{width}}" for text, width in zip(row, widths, strict=True)).rstrip())


def validate_scenarios(names: Sequence[str], bot_spec: Path) -> None:
    """Check the scenarios of these names, or the whole catalogue, for a bot. Raises CliError with every problem."""
    bot, problems = load_bot(bot_spec), []
    for name in names or catalogue():
        try:
            loaded = load_for(find(name), bot)
        except SpecError as error:
            problems.append(str(error))
        else:
            print(f"{name}: can be used, sha256 {loaded.digest}")
    if problems:
        raise CliError("\n".join(problems))


def _row(name: str, loaded: LoadedScenario) -> tuple[str, ...]:
    scenario, trajectory = loaded.scenario, loaded.trajectory
    end_s = scenario.duration_s if trajectory is None else scenario.duration_s or trajectory.end_s
    contacts = len(scenario.contacts) if trajectory is None else len(trajectory.aircraft)
    agents = ", ".join(scenario.lock_step.agents) if scenario.lock_step is not None else "-"
    counts = (contacts, len(scenario.faults) + len(scenario.sensor_faults), len(scenario.goals))
    duration = "no end" if end_s is None else f"{end_s:g} s"
    return (name, duration, *map(str, counts), agents, scenario.description.partition(".")[0])
