"""`qiki nats dlq`: list the messages that could not be processed, show one, send one again, and remove one."""

import asyncio
from typing import Annotated

import typer

from cli.botspec.option import DEFAULT_BOT, BotOption, bot_file
from cli.commands.jetstream.options import DEFAULT_NATS_URL, NatsUrl

dlq = typer.Typer(help="Look at dead letters, send one once more, and remove one.", no_args_is_help=True)

Sequence = Annotated[int, typer.Argument(min=1, metavar="N", help="The dead letter's sequence, as the list shows it.")]
After = Annotated[int, typer.Option(min=0, metavar="N", help="Begin after this sequence.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="Show so many at most.")]


@dlq.command("list")
def list_dead_letters(
    nats_url: NatsUrl = DEFAULT_NATS_URL, after: After = 0, limit: Limit = 100, bot: BotOption = DEFAULT_BOT
) -> None:
    """List the dead letters, oldest first."""
    from cli.commands.jetstream.dead_letter_text import list_lines  # noqa: PLC0415 - others must start without it

    for line in asyncio.run(list_lines(nats_url, bot_file(bot), after, limit)):
        print(line)


@dlq.command()
def show(sequence: Sequence, nats_url: NatsUrl = DEFAULT_NATS_URL, bot: BotOption = DEFAULT_BOT) -> None:
    """Show a dead letter: its reason, its headers, and its payload as readable text where it is some."""
    from cli.commands.jetstream.dead_letter_text import show_lines  # noqa: PLC0415 - others must start without it

    for line in asyncio.run(show_lines(nats_url, bot_file(bot), sequence)):
        print(line)


@dlq.command()
def replay(sequence: Sequence, nats_url: NatsUrl = DEFAULT_NATS_URL, bot: BotOption = DEFAULT_BOT) -> None:
    """Store a dead letter's message on its subject again, once: asking again soon after does nothing."""
    from cli.commands.jetstream.dead_letter_text import replay_dead_letter  # noqa: PLC0415 - others must start without it

    print(asyncio.run(replay_dead_letter(nats_url, bot_file(bot), sequence)))


@dlq.command()
def remove(sequence: Sequence, nats_url: NatsUrl = DEFAULT_NATS_URL, bot: BotOption = DEFAULT_BOT) -> None:
    """Delete a dead letter for ever: one that was replayed, or that nobody needs."""
    from cli.commands.jetstream.dead_letter_text import remove_dead_letter  # noqa: PLC0415 - others must start without it

    print(asyncio.run(remove_dead_letter(nats_url, bot_file(bot), sequence)))
