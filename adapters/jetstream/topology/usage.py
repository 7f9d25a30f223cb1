"""Usage of a stream: whether a message was ever stored in it."""

from typing import Any

from nats.aio.client import Client

from adapters.jetstream.client.errors import UnknownOutcome
from adapters.jetstream.client.requests import call


async def is_used(client: Client, stream: str, timeout_s: float) -> bool:
    """Return whether any message was ever stored in the stream.

    Raises:
        JetStreamError: there is no such stream, or no clear answer in time.
    """
    answer: Any = await call(client, f"STREAM.INFO.{stream}", {}, timeout_s)
    try:
        return int(answer["state"]["last_seq"]) > 0
    except (ValueError, KeyError, TypeError) as error:
        raise UnknownOutcome(f"{stream}: its state cannot be read: {error}") from error
