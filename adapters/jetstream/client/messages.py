"""Single messages of a stream: stored once by message id, and read by stream sequence."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from nats.aio.client import Client
from nats.aio.msg import Msg

from adapters.jetstream.client.errors import NotFound, UnknownOutcome
from adapters.jetstream.client.requests import API_TIMEOUT_S, call, request

ACK_TIMEOUT_S = 5.0
EXPECTED_LAST = "Nats-Expected-Last-Subject-Sequence"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message in a stream; `stored_ns` is the server's wall clock at storing, in ns since 1970, to 1 us."""

    sequence: int
    subject: str
    headers: Mapping[str, str]
    payload: bytes
    stored_ns: int


async def store(
    client: Client,
    stream: str,
    subject: str,
    payload: bytes,
    headers: Mapping[str, str],
    *,
    expected_last: int | None = None,
) -> bool:
    """Store a message; return False where one with its `Nats-Msg-Id` is already stored, which is as good.

    With `expected_last`, store it only where the subject's last message has that stream sequence (0: none).

    Raises:
        JetStreamError: it is not known to be stored; storing it again under the same id is harmless.
    """
    condition = {} if expected_last is None else {EXPECTED_LAST: str(expected_last)}
    body = await request(client, subject, payload, ACK_TIMEOUT_S, headers={**headers, **condition}, stream=stream)
    if body.get("stream") != stream:
        raise UnknownOutcome(f"the answer does not confirm {subject}: {body}")
    return not body.get("duplicate")


async def get(client: Client, stream: str, sequence: int) -> StoredMessage | None:
    """Return the message at a stream sequence, None where it is absent. Raises `JetStreamError`."""
    return await _get(client, stream, {"seq": sequence}, API_TIMEOUT_S)


async def get_next(client: Client, stream: str, sequence: int, subject: str) -> StoredMessage | None:
    """Return the first message at or after a sequence with a matching subject, or None. Raises `JetStreamError`."""
    return await _get(client, stream, {"seq": sequence, "next_by_subj": subject}, API_TIMEOUT_S)


async def get_last(client: Client, stream: str, subject: str, timeout_s: float = API_TIMEOUT_S) -> StoredMessage | None:
    """Return the newest message with a matching subject, or None. Raises `JetStreamError`."""
    return await _get(client, stream, {"last_by_subj": subject}, timeout_s)


def delivered(message: Msg) -> StoredMessage:
    """Return the stored message that a consumer delivered."""
    metadata = message.metadata
    stored_us = (metadata.timestamp - _EPOCH) // timedelta(microseconds=1)
    return StoredMessage(
        metadata.sequence.stream, message.subject, message.headers or {}, message.data, stored_us * 1_000
    )


def parse_headers(block: bytes) -> dict[str, str]:
    """Return the headers of a NATS/1.0 header block."""
    headers: dict[str, str] = {}
    for line in block.decode("utf-8", "replace").split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if colon:
            headers[name] = value.strip()
    return headers


async def _get(client: Client, stream: str, arguments: Mapping[str, object], timeout_s: float) -> StoredMessage | None:
    """Query the stream's leader, never a replica that may lag."""
    try:
        body = await call(client, f"STREAM.MSG.GET.{stream}", arguments, timeout_s)
    except NotFound:
        return None
    message: Any = body.get("message")
    stored = Timestamp()
    try:
        stored.FromJsonString(message["time"])
        headers = parse_headers(base64.b64decode(message.get("hdrs", "")))
        payload = base64.b64decode(message.get("data", ""))
        return StoredMessage(
            int(message["seq"]), str(message["subject"]), headers, payload, stored.ToNanoseconds() // 1_000 * 1_000
        )
    except (AttributeError, KeyError, TypeError, ValueError, binascii.Error) as error:
        raise UnknownOutcome(f"{stream}: a stored message cannot be read: {error}") from error
