"""Dead letters as readable text."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from adapters.jetstream.client.errors import JetStreamError
from adapters.jetstream.inbound.dead_letter_view import (
    NotADeadLetterError,
    StoredDeadLetter,
    get_dead_letter,
    list_dead_letters,
    payload_text,
    remove,
    replay,
)
from cli.errors import CliError
from cli.local_mesh.files import load_bot
from cli.local_mesh.jetstream import connected

_COLUMNS = ("SEQUENCE", "TIME", "SUBJECT", "REASON", "CONSUMER", "REPLAYED")


async def list_lines(nats_url: str, bot_spec: Path, after: int, limit: int) -> list[str]:
    """Return a table of the dead letters after a sequence. Raises CliError where the server cannot be reached."""
    bus = load_bot(bot_spec).spec
    async with connected(nats_url) as client:
        found = await list_dead_letters(client, bus, after, limit + 1)
    if not found:
        return ["There are no dead letters."]
    rows = [_COLUMNS, *(_row(dead_letter) for dead_letter in found[:limit])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    if len(found) > limit:
        lines.append(f"There are more: --after {found[limit - 1].sequence} shows what follows.")
    return lines


async def show_lines(nats_url: str, bot_spec: Path, sequence: int) -> Sequence[str]:
    """Return the description of one dead letter. Raises CliError where there is none."""
    bus = load_bot(bot_spec).spec
    async with _dead_letters(nats_url) as client:
        dead_letter = await get_dead_letter(client, bus, sequence)
    content = dead_letter.content
    return [
        f"sequence  {dead_letter.sequence}, dead-lettered {dead_letter.time}",
        f"reason    {printable(content.reason)}: {printable(content.detail)}",
        f"subject   {printable(content.subject)}",
        f"origin    {printable(dead_letter.origin)}, for {printable(content.consumer)}",
        f"replayed  {dead_letter.replayed_time or 'no'}",
        "headers",
        *(f"    {printable(name)}: {printable(value)}" for name, value in content.headers.items()),
        f"payload   {len(content.payload)} bytes",
        *(f"    {printable(line)}" for line in payload_text(content).splitlines()),
    ]


async def replay_dead_letter(nats_url: str, bot_spec: Path, sequence: int) -> str:
    """Send a dead letter's message again and return the result. Raises CliError where it cannot be sent."""
    bus = load_bot(bot_spec).spec
    async with _dead_letters(nats_url) as client:
        dead_letter = await get_dead_letter(client, bus, sequence)
        try:
            stored = await replay(client, bus, dead_letter)
        except JetStreamError as error:
            raise CliError(f"whether the message was sent is not known: {error}. Trying again is harmless.") from None
    subject = printable(dead_letter.content.subject)
    if stored:
        return f"The message of dead letter {sequence} is stored on {subject} again."
    return f"Nothing to do: the message of dead letter {sequence} was stored on {subject} again before."


async def remove_dead_letter(nats_url: str, bot_spec: Path, sequence: int) -> str:
    """Delete a dead letter for ever and return the result. Raises CliError where there is none."""
    bus = load_bot(bot_spec).spec
    async with _dead_letters(nats_url) as client:
        dead_letter = await get_dead_letter(client, bus, sequence)
        try:
            await remove(client, bus, dead_letter)
        except JetStreamError as error:
            raise CliError(f"whether it was removed is not known: {error}. Trying again is harmless.") from None
    return f"Dead letter {sequence} of {printable(dead_letter.content.subject)} is removed."


def printable(text: str) -> str:
    """Return the text with terminal control characters made visible: a dead letter may contain any bytes."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


@asynccontextmanager
async def _dead_letters(nats_url: str) -> AsyncIterator[Any]:
    """Yield a client; raise CliError for a sequence without a usable dead letter."""
    async with connected(nats_url) as client:
        try:
            yield client
        except NotADeadLetterError as error:
            raise CliError(f"{error}; `qiki nats dlq list` shows those there are.") from None


def _row(dead_letter: StoredDeadLetter) -> tuple[str, ...]:
    time, content = f"{dead_letter.time[:19]}Z", dead_letter.content
    texts = (content.subject, content.reason, content.consumer)
    replayed = f"{dead_letter.replayed_time[:19]}Z" if dead_letter.replayed_time else ""
    return (str(dead_letter.sequence), time, *(printable(text) for text in texts), replayed)
