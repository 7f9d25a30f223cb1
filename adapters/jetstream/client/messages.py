"""Single messages of a stream: stored once by message id, and read by stream sequence."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import nats.errors
from nats.aio.client import Client

from adapters.jetstream.client.errors import ConnectionGone, UnknownOutcome, error_of
from adapters.jetstream.client.requests import TopologyError, call

ACK_TIMEOUT_S = 5.0
_EXPECTED_LAST = "Nats-Expected-Last-Subject-Sequence"
_NOT_FOUND = 10037


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message as stored in a stream; `time` is when the server stored it, RFC 3339."""

    sequence: int
    subject: str
    headers: dict[str, str]
    payload: bytes
    time: str


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
        WriteError: it is not known to be stored; storing it again under the same id is harmless.
    """
    condition = {} if expected_last is None else {_EXPECTED_LAST: str(expected_last)}
    if not client.is_connected and not client.is_closed:  # a request started now would leave its future in the client
        raise UnknownOutcome(f"nothing is known about {subject}: not connected")
    try:
        answer = await client.request(subject, payload, timeout=ACK_TIMEOUT_S, headers={**headers, **condition})
        body = json.loads(answer.data)
    except (nats.errors.Error, ValueError) as error:
        if client.is_closed:
            raise ConnectionGone("the NATS connection is closed") from error
        raise UnknownOutcome(f"no clear answer about {subject}: {str(error) or type(error).__name__}") from error
    if "error" in body:
        raise error_of(body["error"], stream)
    if body.get("stream") != stream:
        raise UnknownOutcome(f"the answer does not confirm {subject}: {body}")
    return not body.get("duplicate")


async def get(client: Client, stream: str, sequence: int) -> StoredMessage | None:
    """Return the message at a stream sequence, None where it is absent. Raises `TopologyError`."""
    return await _get(client, stream, {"seq": sequence})


async def get_next(client: Client, stream: str, sequence: int, subject: str) -> StoredMessage | None:
    """Return the first message at or after a sequence with a matching subject, or None. Raises `TopologyError`."""
    return await _get(client, stream, {"seq": sequence, "next_by_subj": subject})


async def get_last(client: Client, stream: str, subject: str) -> StoredMessage | None:
    """Return the newest message with a matching subject, or None. Raises `TopologyError`."""
    return await _get(client, stream, {"last_by_subj": subject})


def parse_headers(block: bytes) -> dict[str, str]:
    """Return the headers of a NATS/1.0 header block."""
    headers: dict[str, str] = {}
    for line in block.decode("utf-8", "replace").split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if colon:
            headers[name] = value.strip()
    return headers


async def _get(client: Client, stream: str, request: Mapping[str, object]) -> StoredMessage | None:
    """Query the stream's leader, never a replica that may lag."""
    try:
        body = await call(client, f"STREAM.MSG.GET.{stream}", request)
    except TopologyError as error:
        if error.code == _NOT_FOUND:
            return None
        raise
    message: Any = body.get("message")
    try:
        headers = parse_headers(base64.b64decode(message.get("hdrs", "")))
        payload = base64.b64decode(message.get("data", ""))
        return StoredMessage(int(message["seq"]), str(message["subject"]), headers, payload, str(message["time"]))
    except (AttributeError, KeyError, TypeError, ValueError, binascii.Error) as error:
        raise TopologyError(f"{stream}: a stored message cannot be read: {error}") from error
