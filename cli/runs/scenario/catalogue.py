"""The catalogue of scenarios: those that come with the simulator, by name, and files of one's own."""

from dataclasses import dataclass
from pathlib import Path

from botspec.model import BotSpec, load_bot_spec
from botspec.yaml_source import Document, Problem, SpecError, load
from cli.errors import UsageError
from cli.runs.scenario.goals.needs import goal_needs
from svc_sim.craft.components import bot_parts
from svc_sim.domain.scenario.loader import load_scenario
from svc_sim.domain.scenario.scenario import LoadedScenario
from svc_sim.lock_step import step_ticks_of
from svc_sim.wiring import default_scenario

SUFFIXES = (".yaml", ".yml", ".csv", ".csv.gz")


@dataclass(frozen=True, slots=True)
class Bot:
    """A bot that a scenario is loaded for: its specification, and the digest of the file."""

    spec: BotSpec
    digest: str


def load_bot(path: Path) -> Bot:
    """Return a bot's specification. Raises UsageError."""
    try:
        loaded = load_bot_spec(path)
    except SpecError as error:
        raise UsageError(str(error)) from None
    return Bot(loaded.spec, loaded.digest)


def catalogue() -> dict[str, Path]:
    """Return the files of the catalogue by their names, in alphabetical order."""
    return {path.stem: path for path in sorted(default_scenario().parent.glob("*.yaml"))}


def find(name: str) -> Path:
    """Return the file of a scenario, given by its name in the catalogue or by its path. Raises UsageError."""
    known = catalogue()
    if name in known:
        return known[name]
    path = Path(name)
    if name.endswith(SUFFIXES):
        return path.absolute()
    raise UsageError(f"there is no scenario {name!r} in the catalogue (there are: {', '.join(known)}); or give a file.")


def load_for(path: Path, bot: Bot) -> LoadedScenario:
    """Read a scenario, and check its faults and goals against the bot.

    Raises:
        SpecError: with one line per problem, each with the file, the line and the field.
    """
    loaded = load_scenario(path, bot.spec.radars, bot_parts(bot.spec))
    step_ticks_of(loaded, bot.spec.simulation)
    document = load(path) if path.suffix in (".yaml", ".yml") else None
    found = [
        _problem(path, document, ("goals", number, *field), message)
        for number, goal in enumerate(loaded.scenario.goals)
        for field, message in goal_needs(goal, bot.spec)
    ]
    if found:
        raise SpecError(found)
    return loaded


def _problem(path: Path, document: Document | None, loc: tuple[str | int, ...], message: str) -> Problem:
    if document is None:
        return Problem(path, 0, "", message)
    return Problem(path, document.line(loc), document.where(loc), message)
