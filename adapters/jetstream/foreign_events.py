"""Events of others: from a CloudEvent on the bus to an audit event for the registrar. Pure."""

import uuid
from collections.abc import Mapping

from google.protobuf import json_format
from google.protobuf.message import DecodeError

from adapters.jetstream.cloudevents import HeaderError, from_foreign_headers
from qiki.registrar.v1.registrar_service_pb2 import AuditEvent

PROTOBUF = "application/protobuf"
JSON = "application/json"


class UndecodableError(ValueError):
    """A message that is no audit event; `reason` is one word for programs, the text is for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def to_audit_event(headers: Mapping[str, str], payload: bytes) -> AuditEvent:
    """Return the audit event that a CloudEvent of type `qiki.registrar.v1.AuditEvent` carries, as protobuf or JSON.

    Without an `event_id` it gets the CloudEvent's id, or a UUID of its source and id, so that the same message is
    recognised when it comes again.

    Raises:
        UndecodableError: NOT_A_CLOUDEVENT, UNKNOWN_TYPE, UNKNOWN_CONTENT_TYPE or MALFORMED_PAYLOAD.
    """
    try:
        read = from_foreign_headers(headers)
    except HeaderError as error:
        raise UndecodableError("NOT_A_CLOUDEVENT", str(error)) from error
    context = read.context
    if context.type != AuditEvent.DESCRIPTOR.full_name:
        raise UndecodableError("UNKNOWN_TYPE", f"type {context.type!r} is not {AuditEvent.DESCRIPTOR.full_name}")
    event = _decode(read.content_type or PROTOBUF, payload)
    if not event.event_id:
        event.event_id = _event_id(context.source, context.id)
    return event


def _decode(content_type: str, payload: bytes) -> AuditEvent:
    kind = content_type.partition(";")[0].strip().lower()
    try:
        if kind == PROTOBUF:
            return AuditEvent.FromString(payload)
        if kind == JSON:
            return json_format.Parse(payload, AuditEvent(), max_recursion_depth=10)
    except (DecodeError, json_format.ParseError, UnicodeDecodeError) as error:
        raise UndecodableError("MALFORMED_PAYLOAD", f"not {kind} of an audit event: {error}") from error
    raise UndecodableError("UNKNOWN_CONTENT_TYPE", f"content type {content_type!r} is neither {PROTOBUF} nor {JSON}")


def _event_id(source: str, identity: str) -> str:
    try:
        return str(uuid.UUID(identity))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{source}#{identity}"))
