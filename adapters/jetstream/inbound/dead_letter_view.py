"""Dead-letter stream access: list the dead letters, show one, and replay one."""

from collections.abc import Mapping
from dataclasses import dataclass

from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.message import DecodeError
from nats.aio.client import Client

from adapters.jetstream.client.messages import StoredMessage, get, get_next, store
from adapters.jetstream.codec.cloudevents import MESSAGE_ID, HeaderError, from_foreign_headers
from adapters.jetstream.codec.foreign import JSON, PROTOBUF
from adapters.jetstream.inbound.dead_letters import OWN_PREFIX, STEERING_PREFIX, STREAM, SUBJECT_PREFIX
from botspec.channels import STREAMS  # with the whole API: the types that a payload may be of

MAX_SHOWN_BYTES = 4096
_ALL = f"{SUBJECT_PREFIX}>"


class NotALetterError(Exception):
    """There is no dead letter at the stream sequence, or it does not name its origin."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter: its stream sequence and time in the dead-letter stream, its reason, and the original message."""

    sequence: int
    time: str
    reason: str
    detail: str
    consumer: str
    subject: str
    origin: str
    headers: Mapping[str, str]
    payload: bytes


async def letters(client: Client, after: int, limit: int) -> list[Letter]:
    """Return the first dead letters after a sequence, oldest first, `limit` at most. Raises `TopologyError`."""
    found: list[Letter] = []
    place = after + 1
    while len(found) < limit:
        message = await get_next(client, STREAM, place, _ALL)
        if message is None:
            break
        found.append(_letter(message))
        place = message.sequence + 1
    return found


async def letter(client: Client, sequence: int) -> Letter:
    """Return the dead letter at a stream sequence.

    Raises:
        NotALetterError: there is none.
        TopologyError: the server cannot be queried.
    """
    message = await get(client, STREAM, sequence)
    if message is None or not message.subject.startswith(SUBJECT_PREFIX):
        raise NotALetterError(f"no letter stands at {sequence}")
    return _letter(message)


async def replay(client: Client, wanted: Letter) -> bool:
    """Publish the message to its subject again, as received; return False where that was done already.

    Its message id derives from the dead letter's: within the stream's duplicate window, repeated calls store it once.

    Raises:
        NotALetterError: the dead letter does not name the message's origin, or names a stream that is not ours.
        WriteError: it is not known to be stored; trying again is harmless.
    """
    stream = wanted.origin.partition("/")[0]
    if not wanted.subject or stream not in [declared.name for declared in STREAMS]:
        raise NotALetterError(f"the letter at {wanted.sequence} does not say where it came from")
    headers = {**wanted.headers, MESSAGE_ID: f"{STREAM}/{wanted.sequence}/replay"}
    return await store(client, stream, wanted.subject, wanted.payload, headers)


def payload_text(wanted: Letter) -> str:
    """Return the payload as JSON where its type is known and it can be decoded, else as hexadecimal."""
    try:
        read = from_foreign_headers(wanted.headers)
        kind = (read.content_type or PROTOBUF).partition(";")[0].strip().lower()
        found = descriptor_pool.Default().FindMessageTypeByName(read.context.type)
        message = message_factory.GetMessageClass(found)()
        if kind == PROTOBUF:
            message.ParseFromString(wanted.payload)
        elif kind == JSON:
            json_format.Parse(wanted.payload, message)
        else:
            return _hexadecimal(wanted.payload)
        return json_format.MessageToJson(message, preserving_proto_field_name=True)
    except (HeaderError, KeyError, DecodeError, json_format.Error, UnicodeDecodeError):
        return _hexadecimal(wanted.payload)


def _hexadecimal(payload: bytes) -> str:
    shown = payload[:MAX_SHOWN_BYTES].hex(" ")
    left = len(payload) - MAX_SHOWN_BYTES
    return f"{shown} and {left} bytes more" if left > 0 else shown


def _letter(message: StoredMessage) -> Letter:
    told = {name.removeprefix(OWN_PREFIX): value for name, value in message.headers.items()}
    kept = {
        name: value
        for name, value in message.headers.items()
        if not name.startswith(OWN_PREFIX) and not name.lower().startswith(STEERING_PREFIX)
    }
    return Letter(
        sequence=message.sequence,
        time=message.time,
        reason=told.get("reason", ""),
        detail=told.get("detail", ""),
        consumer=told.get("consumer", ""),
        subject=told.get("subject", ""),
        origin=f"{told.get('stream', '')}/{told.get('sequence', '')}",
        headers=kept,
        payload=message.payload,
    )
