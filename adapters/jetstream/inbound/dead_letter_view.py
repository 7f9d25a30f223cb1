"""Dead-letter stream access: list the dead letters, show one, replay one, and remove one."""

from dataclasses import dataclass

from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp
from nats.aio.client import Client

from adapters.jetstream.client.messages import StoredMessage, get, get_last, get_next, store
from adapters.jetstream.client.requests import call
from adapters.jetstream.codec.cloudevents import MESSAGE_ID
from adapters.jetstream.codec.foreign import JSON, PROTOBUF, UndecodableError, read_event
from adapters.jetstream.inbound.dead_letters import SUBJECT_PREFIX, DeadLetter
from botspec.bus.streams import DEAD_LETTERS
from botspec.sections import Bus  # with the whole API: the types that a payload may be of

MAX_SHOWN_BYTES = 4096
# A replayed dead letter has a mark of its own in the stream: a stored message does not change.
REPLAYED_PREFIX = f"{SUBJECT_PREFIX}_replayed."
_SPACES = frozenset("\n\r\t")
_ALL = f"{SUBJECT_PREFIX}>"


class NotADeadLetterError(Exception):
    """There is no dead letter at the stream sequence, or it does not name its origin."""


@dataclass(frozen=True, slots=True)
class StoredDeadLetter:
    """A dead letter with its stream sequence in the dead-letter stream, and the time at which it was stored there.

    `replayed_ns` is the time of its last replay, in ns since 1970; 0: it was not replayed.
    """

    sequence: int
    stored_ns: int
    content: DeadLetter
    replayed_ns: int = 0

    @property
    def time(self) -> str:
        """The time of storing, RFC 3339."""
        return _time_text(self.stored_ns)

    @property
    def replayed_time(self) -> str:
        """The time of the last replay, RFC 3339; empty where there was none."""
        return _time_text(self.replayed_ns) if self.replayed_ns else ""

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
        if not message.subject.startswith(REPLAYED_PREFIX):
            found.append(await _read(client, bus, message))
        sequence = message.sequence + 1
    return found


async def get_dead_letter(client: Client, bus: Bus, sequence: int) -> StoredDeadLetter:
    """Return the dead letter at a stream sequence.

    Raises:
        NotADeadLetterError: there is none.
        JetStreamError: the server cannot be queried.
    """
    message = await get(client, bus.stream_of(DEAD_LETTERS), sequence)
    subject = message.subject if message is not None else ""
    if message is None or not subject.startswith(SUBJECT_PREFIX) or subject.startswith(REPLAYED_PREFIX):
        raise NotADeadLetterError(f"there is no dead letter {sequence}")
    return await _read(client, bus, message)


async def replay(client: Client, bus: Bus, dead_letter: StoredDeadLetter) -> bool:
    """Publish the message to its subject again, as received, and mark the dead letter as replayed.

    Return False where the message was stored again before and is in the duplicate window still.

    Its message id derives from the dead letter's: within the stream's duplicate window, repeated calls store it once.

    Raises:
        NotADeadLetterError: the dead letter does not name the message's origin, or names a stream that is not ours.
        JetStreamError: it is not known to be stored; trying again is harmless.
    """
    content = dead_letter.content
    if not content.subject or content.stream not in [stream.name for stream in bus.streams]:
        raise NotADeadLetterError(f"dead letter {dead_letter.sequence} does not name its message's origin")
    stream, sequence = bus.stream_of(DEAD_LETTERS), dead_letter.sequence
    headers = {**content.headers, MESSAGE_ID: f"{stream}/{sequence}/replay"}
    stored = await store(client, content.stream, content.subject, content.payload, headers)
    mark = {MESSAGE_ID: f"{stream}/{sequence}/replayed"}
    await store(client, stream, f"{REPLAYED_PREFIX}{sequence}", b"", mark)
    return stored


async def remove(client: Client, bus: Bus, dead_letter: StoredDeadLetter) -> None:
    """Delete a dead letter, and the mark of its replay.

    Raises:
        JetStreamError: it is not known to be deleted; trying again is harmless.
    """
    stream = bus.stream_of(DEAD_LETTERS)
    mark = await get_last(client, stream, f"{REPLAYED_PREFIX}{dead_letter.sequence}")
    for sequence in (mark.sequence if mark else 0, dead_letter.sequence):
        if sequence:
            await call(client, f"STREAM.MSG.DELETE.{stream}", {"seq": sequence, "no_erase": True})


def payload_text(dead_letter: DeadLetter) -> str:
    """Return the payload as JSON where its type is known and it can be decoded, else as text, else as hexadecimal."""
    return _as_known_type(dead_letter) or _as_text(dead_letter.payload) or _hexadecimal(dead_letter.payload)


def _as_known_type(dead_letter: DeadLetter) -> str:
    try:
        event = read_event(dead_letter.headers, dead_letter.payload)
        kind = (event.content_type or PROTOBUF).partition(";")[0].strip().lower()
        found = descriptor_pool.Default().FindMessageTypeByName(event.context.type)
        message = message_factory.GetMessageClass(found)()
        if kind == PROTOBUF:
            message.ParseFromString(event.data)
        elif kind == JSON:
            json_format.Parse(event.data, message)
        else:
            return ""
        return json_format.MessageToJson(message, preserving_proto_field_name=True)
    except (UndecodableError, KeyError, DecodeError, json_format.Error, UnicodeDecodeError):
        return ""


def _as_text(payload: bytes) -> str:
    """Return the payload where it is readable UTF-8, cut to a limit; else nothing."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return ""
    if not all(character.isprintable() or character in _SPACES for character in text):
        return ""
    left = len(text) - MAX_SHOWN_BYTES
    return f"{text[:MAX_SHOWN_BYTES]} and {left} characters more" if left > 0 else text


def _hexadecimal(payload: bytes) -> str:
    shown = payload[:MAX_SHOWN_BYTES].hex(" ")
    left = len(payload) - MAX_SHOWN_BYTES
    return f"{shown} and {left} bytes more" if left > 0 else shown


def _time_text(time_ns: int) -> str:
    stamp = Timestamp()
    stamp.FromNanoseconds(time_ns)
    return stamp.ToJsonString()


async def _read(client: Client, bus: Bus, message: StoredMessage) -> StoredDeadLetter:
    mark = await get_last(client, bus.stream_of(DEAD_LETTERS), f"{REPLAYED_PREFIX}{message.sequence}")
    content = DeadLetter.from_message(message)
    return StoredDeadLetter(message.sequence, message.stored_ns, content, mark.stored_ns if mark else 0)
