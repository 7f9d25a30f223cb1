"""Foreign messages: a CloudEvent on the bus, in binary or structured mode, and a payload of one type in it. Pure."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from adapters.jetstream.codec.cloudevents import (
    HeaderError,
    ReadContext,
    attributes_of,
    encode_value,
    from_foreign_headers,
)
from adapters.jetstream.codec.structured import (
    JSON_FORMAT,
    PROTOBUF_FORMAT,
    StructuredError,
    StructuredEvent,
    read_json,
    read_protobuf,
)
from qiki.common.v1.stream_pb2 import EventContext

PROTOBUF = "application/protobuf"
JSON = "application/json"
MAX_DEPTH = 10
_STRUCTURED = "application/cloudevents"
_FORMATS = {JSON_FORMAT: read_json, PROTOBUF_FORMAT: read_protobuf}
# Our own extensions: events of others may have some of the same name, with other values.
_EXTENSIONS = frozenset({"ce-sequence", "ce-runcreated", "ce-recordedtime"})
# A message with one of these headers is in binary mode.
_BINARY = frozenset({"ce-specversion", "ce-id", "ce_id", "ce-type", "ce_type", "ce-source", "ce_source"})

P = TypeVar("P", bound=Message)


class UndecodableError(ValueError):
    """A message that cannot be decoded as expected; `reason` is one word for programs, the text is for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ForeignEvent:
    """A CloudEvent: the context of the known attributes, all attributes by name, and the payload."""

    context: EventContext
    attributes: Mapping[str, str]
    content_type: str
    data: bytes

    @property
    def uuid(self) -> str:
        """The CloudEvent's id where it is a UUID, else a UUID of its source and id: the same at every delivery."""
        try:
            return str(uuid.UUID(self.context.id))
        except ValueError:
            return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.context.source}#{self.context.id}"))


@dataclass(frozen=True, slots=True)
class ForeignMessage(Generic[P]):
    """A CloudEvent with its payload decoded."""

    event: ForeignEvent
    payload: P

    @property
    def context(self) -> EventContext:
        """The context of the event."""
        return self.event.context

    @property
    def uuid(self) -> str:
        """The event's id as a UUID: see `ForeignEvent.uuid`."""
        return self.event.uuid


def read(headers: Mapping[str, str], body: bytes, wanted: type[P]) -> ForeignMessage[P]:
    """Decode a message, which must be a CloudEvent with the full name of `wanted` as its type.

    Raises:
        UndecodableError: NOT_A_CLOUDEVENT, UNKNOWN_TYPE, UNKNOWN_CONTENT_TYPE or MALFORMED_PAYLOAD.
    """
    return decode(read_event(headers, body), wanted)


def decode(event: ForeignEvent, wanted: type[P]) -> ForeignMessage[P]:
    """Decode an event's payload; raises UndecodableError as `read` does."""
    name = wanted.DESCRIPTOR.full_name
    if event.context.type != name:
        raise UndecodableError("UNKNOWN_TYPE", f"type {event.context.type!r} is not {name}")
    return ForeignMessage(event, _decode(event.content_type or PROTOBUF, event.data, wanted))


def read_event(headers: Mapping[str, str], body: bytes) -> ForeignEvent:
    """Return the CloudEvent of a message, in binary or structured mode.

    Structured JSON is also recognised without its content type, where the message has no header of the binary mode.

    Raises:
        UndecodableError: NOT_A_CLOUDEVENT; the text names the header or the attribute.
    """
    content_type = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    kind = content_type.partition(";")[0].strip().lower()
    if kind.startswith(_STRUCTURED):
        if kind not in _FORMATS:
            raise UndecodableError("NOT_A_CLOUDEVENT", f"content type {kind!r} is not one of {', '.join(_FORMATS)}")
        return _structured(kind, body)
    if not _BINARY & headers.keys() and body.lstrip()[:1] == b"{" and b'"specversion"' in body:
        return _structured(JSON_FORMAT, body)
    try:
        found = _context(headers)
        return ForeignEvent(found.context, attributes_of(headers), found.content_type, body)
    except HeaderError as error:
        raise UndecodableError("NOT_A_CLOUDEVENT", str(error)) from error


def _context(headers: Mapping[str, str]) -> ReadContext:
    """Return the context; an extension that another program uses in another form than ours is no part of it."""
    try:
        return from_foreign_headers(headers)
    except HeaderError as error:
        if error.header not in _EXTENSIONS:
            raise
        return from_foreign_headers({name: value for name, value in headers.items() if name not in _EXTENSIONS})


def _structured(kind: str, body: bytes) -> ForeignEvent:
    """Read an event, and check its attributes as those of the binary mode."""
    try:
        found: StructuredEvent = _FORMATS[kind](body)
        headers = {f"ce-{name}": encode_value(value) for name, value in found.attributes.items()}
        context = _context({"ce-specversion": "", **headers}).context
    except StructuredError as error:
        raise UndecodableError("NOT_A_CLOUDEVENT", str(error)) from error
    except HeaderError as error:
        problem = f"attribute {error.header.removeprefix('ce-')}: {error.problem}"
        raise UndecodableError("NOT_A_CLOUDEVENT", problem) from error
    default = JSON if kind == JSON_FORMAT else ""
    return ForeignEvent(context, found.attributes, found.content_type or default, found.data)


def _decode(content_type: str, body: bytes, wanted: type[P]) -> P:
    kind = content_type.partition(";")[0].strip().lower()
    try:
        if kind == PROTOBUF:
            return wanted.FromString(body)
        if kind == JSON:
            return json_format.Parse(body, wanted(), max_recursion_depth=MAX_DEPTH)
    except (DecodeError, json_format.ParseError, UnicodeDecodeError) as error:
        name = wanted.DESCRIPTOR.full_name
        raise UndecodableError("MALFORMED_PAYLOAD", f"not {kind} of a {name}: {error}") from error
    raise UndecodableError("UNKNOWN_CONTENT_TYPE", f"content type {content_type!r} is neither {PROTOBUF} nor {JSON}")
