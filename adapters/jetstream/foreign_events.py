"""Events of others: from a CloudEvent on the bus to an audit event for the registrar. Pure."""

from collections.abc import Mapping

from adapters.jetstream.foreign_messages import read
from qiki.registrar.v1.registrar_service_pb2 import AuditEvent


def to_audit_event(headers: Mapping[str, str], payload: bytes) -> AuditEvent:
    """Return the audit event that a CloudEvent of type `qiki.registrar.v1.AuditEvent` carries, as protobuf or JSON.

    Without an `event_id` it gets the CloudEvent's id, or a UUID of its source and id, so that the same message is
    recognised when it comes again.

    Raises:
        UndecodableError: it is none; see `foreign_messages.read`.
    """
    found = read(headers, payload, AuditEvent)
    found.payload.event_id = found.payload.event_id or found.uuid
    return found.payload
