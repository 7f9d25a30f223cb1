"""Usage of a stream: whether a message was ever stored in it."""

import json

import nats.errors
from nats.aio.client import Client

from adapters.jetstream.client.errors import UnknownOutcome, error_of


async def is_used(client: Client, stream: str, timeout_s: float) -> bool:
    """Return whether any message was ever stored in the stream.

    Raises:
        WriteError: there is no such stream, or no clear answer in time.
    """
    try:
        answer = await client.request(f"$JS.API.STREAM.INFO.{stream}", b"", timeout=timeout_s)
        body = json.loads(answer.data)
        if "error" in body:
            raise error_of(body["error"], stream)
        return int(body["state"]["last_seq"]) > 0
    except (nats.errors.Error, ValueError, KeyError, TypeError) as error:
        raise UnknownOutcome(f"no clear answer about {stream}: {str(error) or type(error).__name__}") from error
