"""Reading subjects of NATS JetStream from their beginning, as any client of NATS would."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import nats
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import Error as JetStreamError
from outcome import SmokeError, say


@dataclass(frozen=True, slots=True)
class Message:
    """One message as stored."""

    subject: str
    headers: Mapping[str, str]
    payload: bytes

    @property
    def sequence(self) -> str:
        """The event's sequence in its header; empty if there is none."""
        return self.headers.get("ce-sequence", "")


class Search(Protocol):
    """A search on a subject, which may hold wildcards."""

    subject: str

    def take(self, message: Message) -> None:
        """Process the next message."""

    def missing(self) -> str:
        """Describe the messages that are still missing; empty if none is."""


async def search(url: str, searches: list[Search], limit_s: float) -> None:
    """Read until everything is found, one search after the other.

    Raises:
        SmokeError: messages were not found in time; the text names them.
    """
    current = searches[0]
    try:
        async with asyncio.timeout(limit_s):
            client = await nats.connect(url, allow_reconnect=False)
            try:
                for current in searches:
                    say(f"reading {current.subject} at {url}")
                    await _read(client.jetstream(), current, limit_s)
            finally:
                await client.close()
    except (TimeoutError, OSError, NatsError, JetStreamError) as error:
        reason = str(error) or type(error).__name__
        raise SmokeError(
            f"{current.subject}: not found within {limit_s:.0f} s: {current.missing()}: {reason}"
        ) from error


async def _read(jetstream: JetStreamContext, wanted: Search, limit_s: float) -> None:
    messages = await jetstream.subscribe(wanted.subject, ordered_consumer=True)
    while wanted.missing():
        message = await messages.next_msg(timeout=limit_s)
        wanted.take(Message(message.subject, message.headers or {}, message.data))
    await messages.unsubscribe()
