"""A conditional writer of one subject: the subject's tail is its cursor and its lock.

Every write names the expected last stream sequence of the subject. The server therefore refuses a write that is
repeated, late or from a competing writer, instead of storing it twice or out of order.
"""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import nats.errors
from nats.aio.client import Client

from adapters.jetstream.client.errors import MessageTooLarge
from adapters.jetstream.client.messages import EXPECTED_LAST, StoredMessage, get_last
from adapters.jetstream.client.requests import no_answer, read_confirmation, request
from adapters.jetstream.codec.cloudevents import header_size
from mesh import failpoints

MAX_BATCH_MESSAGES = 1000  # the server's own limit
MAX_BATCH_BYTES = 8 * 1024 * 1024  # the most that one write may occupy in the client's outbound buffer
MAX_HEADER_BYTES = 65535  # the server stores no longer header block

_EXPECTED_STREAM = "Nats-Expected-Stream"
_BATCH_ID = "Nats-Batch-Id"
_BATCH_SEQUENCE = "Nats-Batch-Sequence"
_BATCH_COMMIT = "Nats-Batch-Commit"
_FLUSH_EVERY = 32  # messages of a batch
_HEADER_RESERVE_BYTES = 512  # room for the headers above, whatever their values


@dataclass(frozen=True, slots=True)
class Message:
    """A message to store: headers (`Nats-Msg-Id` among them), payload, and their sizes with what a write adds."""

    headers: Mapping[str, str]
    payload: bytes
    header_bytes: int = field(init=False)
    size_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        header_bytes = header_size(self.headers) + _HEADER_RESERVE_BYTES
        object.__setattr__(self, "header_bytes", header_bytes)
        object.__setattr__(self, "size_bytes", header_bytes + len(self.payload))


def leading_batch(messages: Sequence[Message]) -> int:
    """Return how many of the first messages one `append` may carry: at least 1 of a non-empty sequence."""
    total_bytes = 0
    for count, message in enumerate(messages[:MAX_BATCH_MESSAGES]):
        total_bytes += message.size_bytes
        if total_bytes > MAX_BATCH_BYTES and count > 0:
            return count
    return min(len(messages), MAX_BATCH_MESSAGES)


class SubjectWriter:
    """Write to one subject of one stream; one call at a time. All its errors are `JetStreamError`.

    After every error the subject's tail shows what is stored.
    """

    def __init__(self, client: Client, stream: str, subject: str) -> None:
        self._client = client
        self._stream = stream
        self._subject = subject

    async def tail(self, timeout_s: float) -> StoredMessage | None:
        """Return the subject's last message, None where it has none.

        Asks the stream's leader, never a replica that may lag. Raises `StreamMissing`, `ConnectionGone`,
        `RequestRefused`, or `UnknownOutcome` where no clear answer comes within `timeout_s`.
        """
        return await get_last(self._client, self._stream, self._subject, timeout_s)

    def leading(self, messages: Sequence[Message]) -> int:
        """Return how many of the first messages to pass to one `append`: it stops before one that exceeds a limit."""
        count = leading_batch(messages)
        fitting = next((place for place in range(count) if self._too_large(messages[place])), count)
        return max(1, fitting)

    async def append(self, messages: Sequence[Message], expected_last: int, timeout_s: float) -> int:
        """Store all the messages in order, or none; return the stream sequence of the last.

        `expected_last` is the stream sequence of the subject's last message, 0 for none. Several messages are one
        atomic batch, no longer than `leading_batch` allows. Nothing is sent where the client raises `MessageTooLarge`.
        Raises `SequenceConflict`, `UnknownOutcome`, `StreamFull`, `MessageTooLarge`, `StreamMissing`, `RequestRefused`
        or `ConnectionGone`.
        """
        if not messages or leading_batch(messages) < len(messages):
            raise ValueError(f"{len(messages)} messages do not make one batch: see leading_batch")
        for message in messages:
            if problem := self._too_large(message):
                raise MessageTooLarge(f"{self._subject}: {problem}")
        batch_id = uuid.uuid4().hex if len(messages) > 1 else None
        answer = await self._send(messages, expected_last, batch_id, timeout_s)
        return read_confirmation(answer, self._stream, expected_last, batch_id, len(messages))

    async def _send(
        self, messages: Sequence[Message], expected_last: int, batch_id: str | None, timeout_s: float
    ) -> dict[str, object]:
        condition = {EXPECTED_LAST: str(expected_last), _EXPECTED_STREAM: self._stream}
        if batch_id is None:
            failpoints.reach("message.send")
            headers = {**messages[0].headers, **condition}
            answer = await self._request(messages[0].payload, headers, timeout_s)
            failpoints.reach("message.stored")
            return answer
        failpoints.reach("batch.send")
        for number, message in enumerate(messages[:-1], start=1):
            headers = {**message.headers, _BATCH_ID: batch_id, _BATCH_SEQUENCE: str(number)}
            if number == 1:
                headers |= condition
            try:
                await self._client.publish(self._subject, message.payload, headers=headers)
            except nats.errors.Error as error:
                raise no_answer(self._client, self._subject, error) from error
            if number % _FLUSH_EVERY == 0:
                await asyncio.sleep(0)  # lets the client write, so that the server works while the batch is built
        failpoints.reach("batch.partly_sent")
        last = messages[-1]
        batch = {_BATCH_ID: batch_id, _BATCH_SEQUENCE: str(len(messages)), _BATCH_COMMIT: "1"}
        answer = await self._request(last.payload, {**last.headers, **batch}, timeout_s)
        failpoints.reach("batch.stored")
        return answer

    async def _request(self, payload: bytes, headers: Mapping[str, str], timeout_s: float) -> dict[str, object]:
        return await request(self._client, self._subject, payload, timeout_s, headers=headers, stream=self._stream)

    def _too_large(self, message: Message) -> str:
        # Above max_payload the server closes the connection for good; the client checks the payload without headers.
        if message.header_bytes > MAX_HEADER_BYTES:
            return f"{message.header_bytes} header bytes, at most {MAX_HEADER_BYTES}"
        if message.size_bytes > self._client.max_payload:
            return f"{message.size_bytes} bytes with headers, at most {self._client.max_payload}"
        return ""
