"""`qiki diff`: the first differing event of two archived runs, and the inputs that it was computed from."""

from typing import Annotated

import typer

from cli.botspec.option import DEFAULT_BOT, BotOption, bot_file

_RUN = "DIR, the state directory of a mesh, or nats://HOST:PORT; #RUN_ID after it names a run, else it is the newest."


def diff(
    first: Annotated[str, typer.Argument(metavar="RUN", help=_RUN)],
    second: Annotated[str, typer.Argument(metavar="RUN", help="The run to compare it with.")],
    *,
    bot: BotOption = DEFAULT_BOT,
) -> None:
    """Compare every derived feed of two archived runs, and explain the first event that differs.

    Ids are compared as pairs and times from the start, so runs with other ids can be the same. Exit status 0 where the
    runs are the same, 1 where they differ, 2 where they cannot be compared.
    """
    from cli.runs.diff.run import run_diff  # noqa: PLC0415 - other commands must start without its dependencies

    run_diff(first, second, bot_file(bot))
