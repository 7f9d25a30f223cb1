"""Ordered reader of one subject, through a pull consumer that is recreated whenever its state is uncertain."""

import json
import time
import uuid
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from adapters.jetstream.client.errors import ConnectionGone, JetStreamError
from adapters.jetstream.client.messages import StoredMessage, delivered
from adapters.jetstream.client.requests import API_PREFIX, call
from mesh.feeds.notifier import Notifier
from qiki_sdk.backoff import Backoff

# Limits of a reader's buffer: more is requested only after all of it is taken.
BATCH_MESSAGES = 256
BATCH_BYTES = 4 * 1024 * 1024
EXPIRES_S = 30.0
HEARTBEAT_S = 1.0
# A consumer counts as lost after this time without a message from the server while a request is open.
SILENCE_S = 3.0
# The server itself removes the consumer of a dead process or of a reader that does not read after this time.
ABANDONED_AFTER_S = 60.0
# Short, so that a caller that waits for the next event can report in time.
OPEN_TIMEOUT_S = 2.0
_NS_PER_S = 1_000_000_000
_HEARTBEAT = "100"
_REQUEST_IS_OVER = ("404", "408")
_TOO_MANY_BYTES = "Message Size Exceeds MaxBytes"


@dataclass(slots=True)
class _Consumer:
    """A consumer on the server, the client connection over which it is read, and the progress of its delivery."""

    name: str
    connection: int
    subscription: Subscription | None = None
    delivered: int = 0
    asked: int = 0
    received_at_s: float = field(default_factory=time.monotonic)


class SubjectReader:
    """The messages of one subject from a stream sequence on, each once and in order, for as long as they are read.

    `change` is notified when there is more to take or a reason to check. Lives on one event loop; one caller at a time.
    """

    def __init__(self, client: Client, stream: str, subject: str, first_sequence: int) -> None:
        """Read from the first message at or after stream sequence `first_sequence`; nothing is opened yet."""
        self.change = Notifier()
        self.state = "not opened yet"
        self._client = client
        self._stream = stream
        self._subject = subject
        self._next_sequence = first_sequence
        self._taken: deque[StoredMessage] = deque()
        self._consumer: _Consumer | None = None
        self._abandoned: list[_Consumer] = []
        self._backoff = Backoff(cap_s=2.0)
        self._delays = self._backoff.delays()
        self._retry_at_s = 0.0

    @property
    def waiting(self) -> int:
        """The number of messages received and not yet taken."""
        return len(self._taken)

    async def next(self, wait_s: float) -> StoredMessage | None:
        """Return the next message; None where none came within `wait_s`, or `change` woke the caller.

        While the server is away it waits, then continues from the same position.

        Raises:
            ConnectionGone: the connection is closed for good.
        """
        if not self._taken:
            self._drop_if_lost()
            if time.monotonic() >= self._retry_at_s:
                await self._ask()
        if not self._taken and wait_s > 0:
            now_s = time.monotonic()
            retry_s = self._retry_at_s - now_s if self._retry_at_s > now_s else HEARTBEAT_S
            await self.change.wait(min(wait_s, retry_s))
        if not self._taken:
            return None
        return self._taken.popleft()

    async def close(self) -> None:
        """Remove the server's state for this reader; if the request does not arrive, the server removes it itself."""
        if self._consumer is not None:
            self._abandon("closed")
        await self._remove_abandoned()

    async def _ask(self) -> None:
        """Request messages: create the consumer where there is none, request where no request is open."""
        if self._client.is_closed:
            raise ConnectionGone("the NATS connection is closed")
        await self._remove_abandoned()
        try:
            if not self._client.is_connected:
                raise nats.errors.ConnectionReconnectingError
            if self._consumer is None:
                await self._open()
            if self._consumer is not None and self._consumer.asked == 0:
                await self._request(self._consumer)
        except (nats.errors.Error, JetStreamError) as error:
            self._abandon(f"waiting for JetStream: {str(error) or type(error).__name__}")
            self._retry_at_s = time.monotonic() + next(self._delays)

    async def _open(self) -> None:
        consumer = self._consumer = _Consumer(f"reader-{uuid.uuid4().hex}", self._connection())
        inbox = self._client.new_inbox()

        async def take(message: Msg) -> None:
            if self._consumer is consumer:
                self._take(consumer, message)

        consumer.subscription = await self._client.subscribe(inbox, cb=take)
        config = {
            "name": consumer.name,
            "filter_subject": self._subject,
            "ack_policy": "none",
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self._next_sequence,
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": int(ABANDONED_AFTER_S * _NS_PER_S),
        }
        operation = f"CONSUMER.CREATE.{self._stream}.{consumer.name}"
        await call(self._client, operation, {"stream_name": self._stream, "config": config}, OPEN_TIMEOUT_S)
        self.state = "reading"

    async def _request(self, consumer: _Consumer) -> None:
        assert consumer.subscription is not None, "opened before it is asked"
        request = {
            "batch": BATCH_MESSAGES,
            "max_bytes": BATCH_BYTES,
            "expires": int(EXPIRES_S * _NS_PER_S),
            "idle_heartbeat": int(HEARTBEAT_S * _NS_PER_S),
        }
        consumer.asked, consumer.received_at_s = BATCH_MESSAGES, time.monotonic()
        subject = f"{API_PREFIX}CONSUMER.MSG.NEXT.{self._stream}.{consumer.name}"
        await self._client.publish(subject, json.dumps(request).encode(), consumer.subscription.subject)

    def _take(self, consumer: _Consumer, message: Msg) -> None:
        consumer.received_at_s = time.monotonic()
        status = (message.headers or {}).get("Status")
        if status == _HEARTBEAT:
            return
        if status is None:
            consumer.delivered += 1
            if message.metadata.sequence.consumer != consumer.delivered:
                self._abandon("a message was lost on the way")
                return
            consumer.asked -= 1
            self._delays = self._backoff.delays()
            self._taken.append(delivered(message))
            self._next_sequence = self._taken[-1].sequence + 1
        elif status in _REQUEST_IS_OVER or (message.headers or {}).get("Description") == _TOO_MANY_BYTES:
            consumer.asked = 0
        else:
            self._abandon(f"{status} {(message.headers or {}).get('Description', '')}".strip())
        self.change.notify()

    def _drop_if_lost(self) -> None:
        """Abandon the consumer where the requested messages are no longer coming: a request is sent only once."""
        consumer = self._consumer
        if consumer is None or not consumer.asked:
            return
        if consumer.connection != self._connection():
            self._abandon("the connection was lost")
        elif time.monotonic() - consumer.received_at_s > SILENCE_S:
            self._abandon(f"silent for {SILENCE_S:g} s")

    def _connection(self) -> int:
        """Return the number of the client's current connection."""
        return int(self._client.stats["reconnects"])

    def _abandon(self, why: str) -> None:
        """Continue with a new consumer after the messages already taken."""
        self.state = why
        if self._consumer is not None:
            self._abandoned.append(self._consumer)
            self._consumer = None

    async def _remove_abandoned(self) -> None:
        while self._abandoned:
            consumer = self._abandoned.pop()
            with suppress(nats.errors.Error):
                if consumer.subscription is not None:
                    await consumer.subscription.unsubscribe()
                if self._client.is_connected:
                    await self._client.publish(f"{API_PREFIX}CONSUMER.DELETE.{self._stream}.{consumer.name}")
