"""Read a subject back from JetStream: every message in order, up to the newest one at the start."""

import asyncio
from collections.abc import Awaitable, Callable

from nats.aio.client import Client

from adapters.jetstream.client.errors import UnknownOutcome
from adapters.jetstream.client.messages import StoredMessage, get_last
from adapters.jetstream.client.reader import SubjectReader
from mesh.tasks import cleanup, raise_if_cancelled

# The longest wait for the next message; within it the reader recovers from a lost consumer.
NEXT_TIMEOUT_S = 5.0
_FIRST = 1


async def read_back(
    client: Client, stream: str, subject: str, take: Callable[[StoredMessage], Awaitable[None]]
) -> None:
    """Pass every message of the subject to `take`, in order, from its first to the last one at the time of the call.

    Raises `JetStreamError` where the server does not deliver them, each within 5 s; and the errors of `take`.
    """
    newest = await get_last(client, stream, subject)
    if newest is None:
        return
    reader = SubjectReader(client, stream, subject, _FIRST)
    count = reached = 0
    try:
        while reached < newest.sequence:  # every round takes a message or raises
            message = await _next(reader, f"{subject}: stopped after {count} messages, before the end")
            reached = message.sequence
            if reached <= newest.sequence:
                await take(message)
                count += 1
    finally:
        await cleanup(reader.close())


async def _next(reader: SubjectReader, stopped: str) -> StoredMessage:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + NEXT_TIMEOUT_S
    while (left_s := deadline - loop.time()) > 0:
        raise_if_cancelled()
        message = await reader.next(left_s)
        if message is not None:
            return message
    raise UnknownOutcome(f"{stopped}: {reader.state}")
