"""The bounds of the messages that were read and not yet written."""

import asyncio

import pytest

from adapters.jetstream.client.writer import Message
from adapters.jetstream.outbound.queue import MAX_BYTES, MAX_MESSAGES, SendQueue

pytestmark = pytest.mark.asyncio


async def filled(inbox: SendQueue, message: Message) -> int:
    """Put the message repeatedly until the queue is full; return the number of messages in it."""
    putting = asyncio.ensure_future(put_for_ever(inbox, message))
    counts = [-1]
    while len(inbox) != counts[-1]:
        counts.append(len(inbox))
        await asyncio.sleep(0)
    putting.cancel()
    await asyncio.wait([putting])
    return len(inbox)


async def put_for_ever(inbox: SendQueue, message: Message) -> None:
    while True:
        await inbox.put(message, "token")
        await asyncio.sleep(0)


async def test_large_messages_are_bounded_by_their_bytes() -> None:
    message = Message({}, bytes(900_000))
    assert await filled(SendQueue(), message) == MAX_BYTES // message.size_bytes


async def test_small_messages_are_bounded_by_their_number() -> None:
    assert await filled(SendQueue(), Message({}, b"")) == MAX_MESSAGES


async def test_a_dropped_message_frees_its_bytes() -> None:
    inbox, message = SendQueue(), Message({}, bytes(900_000))
    most = await filled(inbox, message)
    inbox.drop(3)
    assert await filled(inbox, message) == most


async def test_an_empty_queue_accepts_a_message_larger_than_the_bound() -> None:
    inbox = SendQueue()
    async with asyncio.timeout(5):
        await inbox.put(Message({}, bytes(MAX_BYTES + 1)), "token")
    assert inbox.tokens() == ["token"]
