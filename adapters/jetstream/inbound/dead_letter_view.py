"""Dead-letter stream access: list the dead letters, show one, and replay one."""

from dataclasses import dataclass

from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp
from nats.aio.client import Client

from adapters.jetstream.client.messages import StoredMessage, get, get_next, store
from adapters.jetstream.codec.cloudevents import MESSAGE_ID, HeaderError, from_foreign_headers
from adapters.jetstream.codec.foreign import JSON, PROTOBUF
from adapters.jetstream.inbound.dead_letters import SUBJECT_PREFIX, DeadLetter
from botspec.bus.streams import DEAD_LETTERS
from botspec.sections import Bus  # with the whole API: the types that a payload may be of

MAX_SHOWN_BYTES = 4096
_ALL = f"{SUBJECT_PREFIX}>"


class NotADeadLetterError(Exception):
    """There is no dead letter at the stream sequence, or it does not name its origin."""


@dataclass(frozen=True, slots=True)
class StoredDeadLetter:
    """A dead letter with its stream sequence in the dead-letter stream, and the time at which it was stored there."""

    sequence: int
    stored_ns: int
    content: DeadLetter

    @property
    def time(self) -> str:
        """The time of storing, RFC 3339."""
        stamp = Timestamp()
        stamp.FromNanoseconds(self.stored_ns)
        return stamp.ToJsonString()

    @property
    def origin(self) -> str:
        """The stream and the stream sequence of the original message."""
        return f"{self.content.stream}/{self.content.sequence}"


async def list_dead_letters(client: Client, bus: Bus, after: int, limit: int) -> list[StoredDeadLetter]:
    """Return the first dead letters after a sequence, oldest first, `limit` at most. Raises `JetStreamError`."""
    found: list[StoredDeadLetter] = []
    sequence = after + 1
    while len(found) < limit:
        message = await get_next(client, bus.stream_of(DEAD_LETTERS), sequence, _ALL)
        if message is None:
            break
        found.append(_read(message))
        sequence = message.sequence + 1
    return found


async def get_dead_letter(client: Client, bus: Bus, sequence: int) -> StoredDeadLetter:
    """Return the dead letter at a stream sequence.

    Raises:
        NotADeadLetterError: there is none.
        JetStreamError: the server cannot be queried.
    """
    message = await get(client, bus.stream_of(DEAD_LETTERS), sequence)
    if message is None or not message.subject.startswith(SUBJECT_PREFIX):
        raise NotADeadLetterError(f"there is no dead letter {sequence}")
    return _read(message)


async def replay(client: Client, bus: Bus, dead_letter: StoredDeadLetter) -> bool:
    """Publish the message to its subject again, as received; return False where that was done already.

    Its message id derives from the dead letter's: within the stream's duplicate window, repeated calls store it once.

    Raises:
        NotADeadLetterError: the dead letter does not name the message's origin, or names a stream that is not ours.
        JetStreamError: it is not known to be stored; trying again is harmless.
    """
    content = dead_letter.content
    if not content.subject or content.stream not in [stream.name for stream in bus.streams]:
        raise NotADeadLetterError(f"dead letter {dead_letter.sequence} does not name its message's origin")
    headers = {**content.headers, MESSAGE_ID: f"{bus.stream_of(DEAD_LETTERS)}/{dead_letter.sequence}/replay"}
    return await store(client, content.stream, content.subject, content.payload, headers)


def payload_text(dead_letter: DeadLetter) -> str:
    """Return the payload as JSON where its type is known and it can be decoded, else as hexadecimal."""
    try:
        read = from_foreign_headers(dead_letter.headers)
        kind = (read.content_type or PROTOBUF).partition(";")[0].strip().lower()
        found = descriptor_pool.Default().FindMessageTypeByName(read.context.type)
        message = message_factory.GetMessageClass(found)()
        if kind == PROTOBUF:
            message.ParseFromString(dead_letter.payload)
        elif kind == JSON:
            json_format.Parse(dead_letter.payload, message)
        else:
            return _hexadecimal(dead_letter.payload)
        return json_format.MessageToJson(message, preserving_proto_field_name=True)
    except (HeaderError, KeyError, DecodeError, json_format.Error, UnicodeDecodeError):
        return _hexadecimal(dead_letter.payload)


def _hexadecimal(payload: bytes) -> str:
    shown = payload[:MAX_SHOWN_BYTES].hex(" ")
    left = len(payload) - MAX_SHOWN_BYTES
    return f"{shown} and {left} bytes more" if left > 0 else shown


def _read(message: StoredMessage) -> StoredDeadLetter:
    return StoredDeadLetter(message.sequence, message.stored_ns, DeadLetter.from_message(message))
