"""Foreign messages: a CloudEvent on the bus with a payload of one type, as protobuf or as JSON. Pure."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from adapters.jetstream.codec.cloudevents import HeaderError, from_foreign_headers
from qiki.common.v1.stream_pb2 import EventContext

PROTOBUF = "application/protobuf"
JSON = "application/json"
MAX_DEPTH = 10

P = TypeVar("P", bound=Message)


class UndecodableError(ValueError):
    """A message that cannot be decoded as expected; `reason` is one word for programs, the text is for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ForeignMessage(Generic[P]):
    """The context and the decoded payload of a message."""

    context: EventContext
    payload: P

    @property
    def uuid(self) -> str:
        """The CloudEvent's id where it is a UUID, else a UUID of its source and id: the same at every delivery."""
        try:
            return str(uuid.UUID(self.context.id))
        except ValueError:
            return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.context.source}#{self.context.id}"))


def read(headers: Mapping[str, str], body: bytes, wanted: type[P]) -> ForeignMessage[P]:
    """Decode a message, which must be a CloudEvent with the full name of `wanted` as its type.

    Raises:
        UndecodableError: NOT_A_CLOUDEVENT, UNKNOWN_TYPE, UNKNOWN_CONTENT_TYPE or MALFORMED_PAYLOAD.
    """
    try:
        found = from_foreign_headers(headers)
    except HeaderError as error:
        raise UndecodableError("NOT_A_CLOUDEVENT", str(error)) from error
    name = wanted.DESCRIPTOR.full_name
    if found.context.type != name:
        raise UndecodableError("UNKNOWN_TYPE", f"type {found.context.type!r} is not {name}")
    return ForeignMessage(found.context, _decode(found.content_type or PROTOBUF, body, wanted))


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
