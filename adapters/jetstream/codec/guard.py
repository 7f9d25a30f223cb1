"""Guard alarms to be recorded: from the tracker's guard event on the bus to an audit event. Pure."""

from adapters.jetstream.codec.foreign import ForeignEvent, UndecodableError, decode
from mesh.guard_reports import to_report
from qiki.registrar.v1.registrar_service_pb2 import AuditEvent
from qiki.tracker.v1.guard_pb2 import GuardEvent

TYPE = GuardEvent.DESCRIPTOR.full_name


def to_audit_event(event: ForeignEvent) -> AuditEvent:
    """Return the audit event of a guard event: the same that the tracker reports, so that it is recorded once.

    Raises:
        UndecodableError: it is not a guard event; see `foreign.read`.
    """
    found = decode(event, GuardEvent)
    try:
        report = to_report(found.payload, found.uuid, found.context.run_id)
    except ValueError as error:
        raise UndecodableError("MALFORMED_PAYLOAD", str(error)) from error
    if found.context.HasField("recorded_time"):
        report.reported_time.CopyFrom(found.context.recorded_time)
    return report
