"""The option `--bot`: an example bot by its name, or a BotSpec file."""

from pathlib import Path
from typing import Annotated, Final

import typer

from botspec.example import example_bots
from cli.errors import UsageError

DEFAULT_BOT: Final = "qiki-01"
BotOption = Annotated[
    str,
    typer.Option(
        "--bot",
        "--bot-spec",
        metavar="NAME|FILE",
        envvar="QIKI_BOT_SPEC",
        help=f"The bot: an example ({', '.join(example_bots())}), or a BotSpec file as YAML.",
    ),
]


def bot_file(bot: str) -> Path:
    """Return the absolute path of a bot's BotSpec. Raises UsageError where there is no such example or file."""
    examples = example_bots()
    if bot in examples:
        return examples[bot]
    path = Path(bot).absolute()
    if not path.is_file():
        raise UsageError(f"--bot {bot}: there is no such file, and the example bots are {', '.join(examples)}.")
    return path
