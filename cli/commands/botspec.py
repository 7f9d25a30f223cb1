"""`qiki botspec`: check a bot's specification, and generate from it."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.botspec.option import DEFAULT_BOT, bot_file
from cli.output_file import put

botspec = typer.Typer(help="Check a bot's specification, and generate from it.", no_args_is_help=True)

Bot = Annotated[
    str,
    typer.Argument(
        metavar="[NAME|FILE]",
        envvar="QIKI_BOT_SPEC",
        help="An example bot, or a BotSpec file as YAML.",
        show_default=True,
    ),
]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write to a file instead of the terminal.")]


class PictureFormat(StrEnum):
    """The format of a picture."""

    SVG = "svg"
    MERMAID = "mermaid"


@botspec.command()
def validate(bot: Bot = DEFAULT_BOT) -> None:
    """Check a BotSpec; report every problem with its line, and exit with status 1 if there is one."""
    from cli.botspec.texts import summary  # noqa: PLC0415 - others must start without it

    print(summary(bot_file(bot)))


@botspec.command()
def generate(
    bot: Bot = DEFAULT_BOT,
    *,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the files go.")] = Path("runtime"),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with status 1 if a file differs.")
    ] = False,
) -> None:
    """Write each service's runtime configuration, one JSON file a service, stamped with the BotSpec's digest."""
    from cli.botspec.texts import generate_files  # noqa: PLC0415 - others must start without it

    for line in generate_files(bot_file(bot), out, check=check):
        print(line)


@botspec.command()
def schema(out: Out = None) -> None:
    """Print the JSON Schema of a BotSpec, with which an editor completes and checks one."""
    from cli.botspec.texts import schema_text  # noqa: PLC0415 - others must start without it

    put(schema_text(), out)


@botspec.command()
def graph(
    bot: Bot = DEFAULT_BOT,
    *,
    picture: Annotated[
        PictureFormat, typer.Option("--format", help="svg: for a browser; mermaid: text, which code hosts render.")
    ] = PictureFormat.SVG,
    out: Out = None,
) -> None:
    """Draw the components, channels, streams and durables, and the flow between them."""
    from cli.botspec.texts import picture_text  # noqa: PLC0415 - others must start without it

    put(picture_text(bot_file(bot), mermaid=picture is PictureFormat.MERMAID), out)


@botspec.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A bot.")],
    after: Annotated[str, typer.Argument(metavar="NAME|FILE", help="The bot to compare with it.")],
) -> None:
    """Compare two BotSpecs by meaning, not by text: exit with status 1 if they differ."""
    from cli.botspec.texts import difference_lines  # noqa: PLC0415 - others must start without it

    lines = difference_lines(bot_file(before), bot_file(after))
    for line in lines:
        print(line)
    if lines:
        raise typer.Exit(1)
    print("The two specify the same bot.")
