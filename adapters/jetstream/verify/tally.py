"""Read a whole subject back from JetStream and count its events."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from adapters.jetstream.client.writer import SubjectWriter
from adapters.jetstream.verify.count import Counter, Record, RunTally, SubjectTally
from mesh.tasks import cleanup

__all__ = ["Record", "RunTally", "SubjectTally", "TallyError", "tally"]

BATCH_OF_HEADERS = 1000
BATCH_WITH_PAYLOADS = 64
API_TIMEOUT_S = 5.0
ABANDONED_AFTER_S = 60.0


class TallyError(Exception):
    """The subject could not be read to its end; nothing is known about it."""


async def tally(
    client: Client,
    stream: str,
    subject: str,
    *,
    with_records: bool = False,
    with_payloads: bool = False,
    timeout_s: float = 60.0,
) -> SubjectTally:
    """Count the events of the subject from its first message to the last one at the time of the call.

    `with_records` keeps id and sequence of every event; `with_payloads` (implies it) reads and hashes the payloads too.
    Raises `TallyError` where the end is not reached within `timeout_s`, `HeaderError` for a message that no bridge
    wrote, and the errors of `SubjectWriter.tail`.
    """
    counter = Counter(subject, keep_records=with_records or with_payloads)
    tail = await SubjectWriter(client, stream, subject).tail(API_TIMEOUT_S)
    if tail is None:
        return counter.result()
    try:
        async with asyncio.timeout(timeout_s), _reader(client, stream, subject, tail.sequence, with_payloads) as reader:
            while not reader.finished:  # bounded by the timeout
                for message in await reader.next_batch():
                    counter.add(message.headers or {}, message.data if with_payloads else None)
    except (TimeoutError, nats.errors.Error, nats.js.errors.Error) as error:
        detail = str(error) or type(error).__name__
        raise TallyError(f"{subject}: stopped after {counter.messages} messages, before the end: {detail}") from error
    return counter.result()


class _Reader:
    """Pull a consumer's messages in batches up to the stream sequence `last`, by a callback.

    The client's own `fetch` takes three times as long per message.
    """

    def __init__(self, client: Client, stream: str, consumer: str, last: int, batch: int) -> None:
        self.finished = False
        self.inbox = client.new_inbox()
        self._client = client
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._last = last
        self._batch = batch
        self._delivered = 0
        self._messages: list[Msg] = []
        self._problem = ""
        self._complete = asyncio.Event()

    async def next_batch(self) -> list[Msg]:
        self._messages = []
        self._complete.clear()
        request = {"batch": self._batch, "expires": int(API_TIMEOUT_S * 1e9)}
        await self._client.publish(self._next, json.dumps(request).encode(), self.inbox)
        await self._complete.wait()
        if self._problem:
            raise TallyError(f"stopped after {self._delivered} messages, before the end: {self._problem}")
        return self._messages

    async def take(self, message: Msg) -> None:
        if message.headers and (status := message.headers.get("Status")):
            self._problem = f"{status} {message.headers.get('Description', '')}".strip()
            self._complete.set()
            return
        places = message.metadata.sequence
        self._delivered += 1
        if places.consumer != self._delivered:
            self._problem = "a message was lost on the way"
        self._messages.append(message)
        self.finished = places.stream >= self._last
        if self.finished or self._problem or len(self._messages) == self._batch:
            self._complete.set()


@asynccontextmanager
async def _reader(client: Client, stream: str, subject: str, last: int, with_payloads: bool) -> AsyncIterator[_Reader]:
    name = f"tally-{uuid.uuid4().hex}"
    config = ConsumerConfig(
        name=name,
        filter_subject=subject,
        ack_policy=AckPolicy.NONE,
        deliver_policy=DeliverPolicy.ALL,
        headers_only=not with_payloads,
        mem_storage=True,
        inactive_threshold=ABANDONED_AFTER_S,
    )
    reader = _Reader(client, stream, name, last, BATCH_WITH_PAYLOADS if with_payloads else BATCH_OF_HEADERS)
    subscription = await client.subscribe(reader.inbox, cb=reader.take)
    try:
        jetstream = client.jetstream(timeout=API_TIMEOUT_S)
        await jetstream.add_consumer(stream, config)
        yield reader
        await jetstream.delete_consumer(stream, name)  # after a failure the server removes it by itself
    finally:
        await cleanup(subscription.unsubscribe())
