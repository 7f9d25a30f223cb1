"""Where the example bot's specification is: what a service uses that is told no other."""

from pathlib import Path


def example_bot_spec() -> Path:
    """Return the path of the example BotSpec."""
    return Path(__file__).parent / "BotSpec.yaml"
