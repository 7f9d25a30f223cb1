"""The example bots, of which a service uses the first where no BotSpec is configured."""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def example_bot_spec() -> Path:
    """Return the path of the example BotSpec."""
    return _PACKAGE / "BotSpec.yaml"


def example_bots() -> dict[str, Path]:
    """Return the path of each example bot's BotSpec by its name."""
    others = {path.stem: path for path in sorted((_PACKAGE / "bots").glob("*.yaml"))}
    return {"qiki-01": example_bot_spec(), **others}
