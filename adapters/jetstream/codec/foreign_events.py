"""Events of others: from a CloudEvent on the bus to an audit event for the registrar. Pure."""

from collections.abc import Mapping

from adapters.jetstream.codec import guard as guard_events
from adapters.jetstream.codec.foreign import read
from qiki.registrar.v1.registrar_service_pb2 import AuditEvent


def to_audit_event(headers: Mapping[str, str], payload: bytes) -> AuditEvent:
    """Return the audit event that a CloudEvent of type `qiki.registrar.v1.AuditEvent` carries, as protobuf or JSON.

    Of a guard event it is the one that says the same. Without an `event_id` it gets the CloudEvent's id, or a UUID of
    its source and id, so that the same message is recognised when it comes again.

    Raises:
        UndecodableError: it is none; see `foreign_messages.read`.
    """
    if guard_events.TYPE in (headers.get("ce-type"), headers.get("ce_type")):
        return guard_events.to_audit_event(headers, payload)
    found = read(headers, payload, AuditEvent)
    found.payload.event_id = found.payload.event_id or found.uuid
    return found.payload
