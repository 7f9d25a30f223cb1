"""Files given to a mesh: read before anything is started."""

from pathlib import Path

from botspec.model import LoadedBotSpec, load_bot_spec
from botspec.yaml_source import SpecError
from cli.errors import UsageError
from svc_sim.domain.scenario.loader import load_scenario


def check_files(scenario: Path | None, bot_spec: Path) -> None:
    """Read the files as the services will. Raises UsageError with each error on a line."""
    try:
        load_bot_spec(bot_spec)
        if scenario is not None:
            load_scenario(scenario)
    except SpecError as error:
        raise UsageError(f"nothing was started, for a file cannot be used:\n{error}") from None


def load_bot(path: Path) -> LoadedBotSpec:
    """Read a BotSpec. Raises UsageError with each error on a line."""
    try:
        return load_bot_spec(path)
    except SpecError as error:
        raise UsageError(f"the BotSpec cannot be used:\n{error}") from None
