"""Foreign events: from a CloudEvent on the bus to an audit event for the registrar. Pure."""

from collections.abc import Mapping

from adapters.jetstream.codec import guard
from adapters.jetstream.codec.foreign import read
from qiki.registrar.v1.registrar_service_pb2 import AuditEvent


def to_audit_event(headers: Mapping[str, str], payload: bytes) -> AuditEvent:
    """Return the audit event in a CloudEvent of type `qiki.registrar.v1.AuditEvent`, encoded as protobuf or JSON.

    A guard event is converted to the equivalent audit event. Without an `event_id` it gets the CloudEvent's id, or a
    UUID of its source and id, so that a redelivered message is recognised.

    Raises:
        UndecodableError: it is not such an event; see `foreign.read`.
    """
    if guard.TYPE in (headers.get("ce-type"), headers.get("ce_type")):
        return guard.to_audit_event(headers, payload)
    found = read(headers, payload, AuditEvent)
    found.payload.event_id = found.payload.event_id or found.uuid
    return found.payload
