"""Foreign events: from any CloudEvent on the bus to the audit event that records it. Pure."""

import hashlib
import re
import uuid
from collections.abc import Mapping
from typing import Final

from adapters.jetstream.codec import guard
from adapters.jetstream.codec.foreign import ForeignEvent, decode, read_event
from qiki.registrar.v1 import registrar_service_pb2 as pb
from qiki_sdk.audit_event import make_event
from qiki_sdk.codes import FOREIGN_EVENT, MAX_FOREIGN_DATA_BYTES

REPORTER: Final = "bridge"
_NAMED: Final = frozenset({"id", "source", "type", "specversion"})
_TRACEPARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def to_audit_event(subject: str, headers: Mapping[str, str], payload: bytes) -> pb.AuditEvent:
    """Return the audit event of a CloudEvent, whatever its type.

    An event of type `qiki.registrar.v1.AuditEvent` is itself the audit event; without an `event_id` it gets the
    CloudEvent's id, or a UUID of its source and id. A guard event is converted to the equivalent audit event. Every
    other is kept whole in a FOREIGN_EVENT. A redelivered message gives the same audit event.

    Raises:
        UndecodableError: it is no CloudEvent, or its type is one of ours and its payload is not; see `foreign.read`.
    """
    event = read_event(headers, payload)
    if event.context.type == guard.TYPE:
        return guard.to_audit_event(event)
    if event.context.type == pb.AuditEvent.DESCRIPTOR.full_name:
        found = decode(event, pb.AuditEvent)
        found.payload.event_id = found.payload.event_id or found.uuid
        return found.payload
    return _whole(subject, event)


def _whole(subject: str, event: ForeignEvent) -> pb.AuditEvent:
    context = event.context
    made = make_event(
        REPORTER,
        FOREIGN_EVENT,
        f"{context.type} from {context.source} on {subject}",
        attributes={"source": context.source, "subject": subject, "type": context.type, "size_bytes": len(event.data)},
        traceparent=context.traceparent if _TRACEPARENT.fullmatch(context.traceparent) else "",
    )
    # Not the CloudEvent's own id, even if it is a UUID: as a message id, that may be in the duplicate window already.
    made.event_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"foreign/{context.source}#{context.id}"))
    made.foreign_event.CopyFrom(
        pb.ForeignEvent(
            bus_subject=subject,
            id=context.id,
            source=context.source,
            type=context.type,
            attributes=[
                pb.Attribute(name=name, value=value)
                for name, value in sorted(event.attributes.items())
                if name not in _NAMED
            ],
            data=event.data[:MAX_FOREIGN_DATA_BYTES],
            data_size_bytes=len(event.data),
            data_digest=hashlib.sha256(event.data).digest(),
        )
    )
    return made
