"""The bounds of the messages that were read and not yet written."""

import asyncio

import pytest

from adapters.jetstream.client.writer import Message
from adapters.jetstream.codec.outgoing import OutgoingMessage
from adapters.jetstream.outbound.queue import MAX_BYTES, MAX_MESSAGES, SendQueue

pytestmark = pytest.mark.asyncio


def outgoing(size_bytes: int) -> OutgoingMessage:
    return OutgoingMessage(Message({}, bytes(size_bytes)), "token")


async def filled(queue: SendQueue, message: OutgoingMessage) -> int:
    """Put the message repeatedly until the queue is full; return the number of messages in it."""
    putting = asyncio.ensure_future(put_for_ever(queue, message))
    counts = [-1]
    while len(queue) != counts[-1]:
        counts.append(len(queue))
        await asyncio.sleep(0)
    putting.cancel()
    await asyncio.wait([putting])
    return len(queue)


async def put_for_ever(queue: SendQueue, message: OutgoingMessage) -> None:
    while True:
        await queue.put(message)
        await asyncio.sleep(0)


async def test_large_messages_are_bounded_by_their_bytes() -> None:
    message = outgoing(900_000)
    assert await filled(SendQueue(), message) == MAX_BYTES // message.message.size_bytes


async def test_small_messages_are_bounded_by_their_number() -> None:
    assert await filled(SendQueue(), outgoing(0)) == MAX_MESSAGES


async def test_a_dropped_message_frees_its_bytes() -> None:
    queue, message = SendQueue(), outgoing(900_000)
    most = await filled(queue, message)
    queue.drop(3)
    assert await filled(queue, message) == most


async def test_an_empty_queue_accepts_a_message_larger_than_the_bound() -> None:
    queue = SendQueue()
    async with asyncio.timeout(5):
        await queue.put(outgoing(MAX_BYTES + 1))
    assert queue.tokens() == ["token"]
