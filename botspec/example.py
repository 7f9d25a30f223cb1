"""The example BotSpec, which a service uses where no other is configured."""

from pathlib import Path


def example_bot_spec() -> Path:
    """Return the path of the example BotSpec."""
    return Path(__file__).parent / "BotSpec.yaml"
