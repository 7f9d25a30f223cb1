"""Read a subject back from JetStream: every message in order, with the time at which JetStream stored it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from adapters.jetstream.client.writer import SubjectWriter
from mesh.tasks import cleanup

# With payloads of at most a megabyte, a batch's memory stays bounded.
BATCH = 128
API_TIMEOUT_S = 5.0
ABANDONED_AFTER_S = 60.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ReadBackError(Exception):
    """The subject could not be read to its end."""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message in JetStream; `stored_ns` is the server's wall clock at storing, in ns since 1970, to 1 us."""

    headers: Mapping[str, str]
    payload: bytes
    stored_ns: int


async def read_back(
    client: Client, stream: str, subject: str, take: Callable[[StoredMessage], Awaitable[None]]
) -> None:
    """Pass every message of the subject to `take`, in order, from its first to the last one at the time of the call.

    Raises `ReadBackError` where the server does not deliver them, each batch within 5 s, without a gap; and the errors
    of `SubjectWriter.tail` and of `take`.
    """
    tail = await SubjectWriter(client, stream, subject).tail(API_TIMEOUT_S)
    if tail is None:
        return
    config = ConsumerConfig(
        ack_policy=AckPolicy.NONE,
        deliver_policy=DeliverPolicy.ALL,
        mem_storage=True,
        inactive_threshold=ABANDONED_AFTER_S,
    )
    reached, delivered, pending = 0, 0, 1
    try:
        subscription = await client.jetstream().pull_subscribe(subject, stream=stream, config=config)
        try:
            while reached < tail.sequence:  # every fetch returns a message or raises
                # No more than there are: the client waits until its timeout for a batch that is not full.
                for message in await subscription.fetch(max(1, min(BATCH, pending)), timeout=API_TIMEOUT_S):
                    delivered += 1
                    places = message.metadata.sequence
                    if places.consumer != delivered:
                        raise ReadBackError(f"{subject}: message {delivered} was lost on the way")
                    if reached < tail.sequence:
                        await take(_stored(message))
                    reached, pending = places.stream, message.metadata.num_pending
        finally:
            await cleanup(subscription.unsubscribe())
    except (nats.errors.Error, nats.js.errors.Error) as error:
        detail = str(error) or type(error).__name__
        raise ReadBackError(f"{subject}: stopped after {delivered} messages, before the end: {detail}") from error


def _stored(message: Msg) -> StoredMessage:
    stored_us = (message.metadata.timestamp - _EPOCH) // timedelta(microseconds=1)
    return StoredMessage(message.headers or {}, message.data, stored_us * 1_000)
