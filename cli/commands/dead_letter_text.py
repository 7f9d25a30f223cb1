"""Dead letters as readable text."""

from collections.abc import Sequence

from adapters.jetstream.client.errors import WriteError
from adapters.jetstream.inbound import dead_letter_view as dlq_view
from adapters.jetstream.inbound.dead_letter_view import Letter, NotALetterError
from cli.errors import CliError
from cli.jetstream import connected

_COLUMNS = ("SEQUENCE", "TIME", "SUBJECT", "REASON", "CONSUMER")


async def list_lines(nats_url: str, after: int, limit: int) -> list[str]:
    """Return a table of the dead letters after a sequence. Raises CliError where the server cannot be reached."""
    async with connected(nats_url) as client:
        found = await dlq_view.letters(client, after, limit + 1)
    if not found:
        return ["There are no dead letters."]
    rows = [_COLUMNS, *(_row(letter) for letter in found[:limit])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    if len(found) > limit:
        lines.append(f"There are more: --after {found[limit - 1].sequence} shows what follows.")
    return lines


async def show_lines(nats_url: str, sequence: int) -> Sequence[str]:
    """Return the description of one dead letter. Raises CliError where there is none."""
    async with connected(nats_url) as client:
        try:
            letter = await dlq_view.letter(client, sequence)
        except NotALetterError as error:
            raise CliError(f"{error}; `qiki nats dlq list` shows those there are.") from None
    return [
        f"letter    {letter.sequence}, put aside {letter.time}",
        f"reason    {printable(letter.reason)}: {printable(letter.detail)}",
        f"subject   {printable(letter.subject)}",
        f"stood at  {printable(letter.origin)}, for {printable(letter.consumer)}",
        "headers",
        *(f"    {printable(name)}: {printable(value)}" for name, value in letter.headers.items()),
        f"payload   {len(letter.payload)} bytes",
        *(f"    {printable(line)}" for line in dlq_view.payload_text(letter).splitlines()),
    ]


async def replay_letter(nats_url: str, sequence: int) -> str:
    """Send a dead letter's message again and return the result. Raises CliError where it cannot be sent."""
    async with connected(nats_url) as client:
        try:
            letter = await dlq_view.letter(client, sequence)
            stored = await dlq_view.replay(client, letter)
        except NotALetterError as error:
            raise CliError(f"{error}; `qiki nats dlq list` shows those there are.") from None
        except WriteError as error:
            raise CliError(f"whether the message was sent is not known: {error}. Trying again is harmless.") from None
    subject = printable(letter.subject)
    if stored:
        return f"The message of letter {sequence} stands on {subject} again."
    return f"Nothing to do: the message of letter {sequence} was put onto {subject} again already."


def printable(text: str) -> str:
    """Return the text with terminal control characters made visible: a dead letter may contain any bytes."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def _row(letter: Letter) -> tuple[str, ...]:
    time = f"{letter.time[:19]}Z"
    texts = (letter.subject, letter.reason, letter.consumer)
    return (str(letter.sequence), time, *(printable(text) for text in texts))
