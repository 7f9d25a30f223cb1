"""Requests to JetStream: one function sends each of them, and maps its answer to fields or to an error."""

import json
from collections.abc import Mapping

import nats.errors
from nats.aio.client import Client

from adapters.jetstream.client.errors import (
    RUN_INIT,
    ConnectionGone,
    JetStreamError,
    StreamMissing,
    UnknownOutcome,
    error_of,
)

API_PREFIX = "$JS.API."
API_TIMEOUT_S = 5.0
_SHOWN_BYTES = 80


async def call(
    client: Client, operation: str, arguments: Mapping[str, object], timeout_s: float = API_TIMEOUT_S
) -> dict[str, object]:
    """Send the request `$JS.API.<operation>` and return its answer. Raises `JetStreamError`."""
    return await request(client, f"{API_PREFIX}{operation}", json.dumps(arguments).encode(), timeout_s)


async def request(
    client: Client,
    subject: str,
    payload: bytes,
    timeout_s: float,
    *,
    headers: Mapping[str, str] | None = None,
    stream: str = "",
) -> dict[str, object]:
    """Send a request, or a message to store in `stream`, and return the fields of its answer.

    Raises:
        ConnectionGone, StreamMissing: nothing was sent, or no stream accepts the subject.
        UnknownOutcome: no clear answer came within `timeout_s`.
        JetStreamError: the server's refusal, see `error_of`.
    """
    if not client.is_connected:  # a request started now would leave its future in the client
        raise no_answer(client, subject, ConnectionError("not connected"))
    try:
        answer = await client.request(subject, payload, timeout=timeout_s, headers=dict(headers) if headers else None)
    except nats.errors.NoRespondersError as error:
        if subject.startswith(API_PREFIX):
            raise UnknownOutcome("JetStream does not answer; start nats-server with -js") from error
        raise StreamMissing(f"no stream takes {subject}; {RUN_INIT}") from error
    except nats.errors.Error as error:
        raise no_answer(client, subject, error) from error
    return read_answer(answer.data, stream or subject.removeprefix(API_PREFIX))


def no_answer(client: Client, subject: str, error: Exception) -> JetStreamError:
    """Return the error for a message to `subject` that could not be sent, or was not answered."""
    if client.is_closed:
        return ConnectionGone("the NATS connection is closed")
    return UnknownOutcome(f"no answer about {subject.removeprefix(API_PREFIX)}: {str(error) or type(error).__name__}")


def read_answer(answer: bytes, about: str) -> dict[str, object]:
    """Return the fields of an answer, or raise the error that it reports; `about` names the request."""
    try:
        body = json.loads(answer)
    except ValueError as error:
        raise UnknownOutcome(f"the answer about {about} is not JetStream's: {answer[:_SHOWN_BYTES]!r}") from error
    if not isinstance(body, dict):
        raise UnknownOutcome(f"the answer about {about} is not JetStream's: {answer[:_SHOWN_BYTES]!r}")
    if "error" in body:
        raise error_of(body["error"], about)
    return body


def read_confirmation(
    body: Mapping[str, object], stream: str, expected_last: int, batch_id: str | None, count: int
) -> int:
    """Return the stream sequence of the last of `count` messages stored after `expected_last`.

    `batch_id` is the atomic batch's id, or None for a single message. An answer that is not exactly the confirmation of
    this write is an `UnknownOutcome`, never a success.
    """
    if body.get("duplicate"):
        raise UnknownOutcome(f"{stream} has seen the message id before, and does not report its sequence")
    sequence = body.get("seq")
    if body.get("stream") != stream or not isinstance(sequence, int) or sequence < expected_last + count:
        raise UnknownOutcome(f"the answer does not confirm {count} messages in {stream} after {expected_last}: {body}")
    if batch_id is not None and (body.get("batch"), body.get("count")) != (batch_id, count):
        raise UnknownOutcome(f"the answer does not confirm the batch {batch_id} of {count} messages: {body}")
    return sequence
