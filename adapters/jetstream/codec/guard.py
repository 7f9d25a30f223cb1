"""Guard alarms to be recorded: from the tracker's guard event on the bus to an audit event. Pure."""

import uuid
from collections.abc import Mapping

from adapters.jetstream.codec.foreign import UndecodableError, read
from qiki.registrar.v1.registrar_service_pb2 import AuditEvent
from qiki.tracker.v1.guard_pb2 import GuardEvent, GuardKind, GuardPhase
from qiki_sdk.audit_event import make_event
from qiki_sdk.codes import COLLISION_RISK, GUARD_ENTERED, GUARD_LEFT, IDENTITY_CONTRADICTED, Code

TYPE = GuardEvent.DESCRIPTOR.full_name
REPORTER = "svc_tracker"


def to_audit_event(headers: Mapping[str, str], payload: bytes) -> AuditEvent:
    """Return the audit event of a guard event; its id derives from the guard event's, so that it is recorded once.

    The ids must differ: the audit event is published to the same stream, which stores an id only once.

    Raises:
        UndecodableError: it is not a guard event; see `foreign.read`.
    """
    found = read(headers, payload, GuardEvent)
    code = _code_of(found.payload)
    event = make_event(
        REPORTER,
        code,
        found.payload.message,
        simulation_time=found.payload.time,
        run_id=found.context.run_id,
        attributes=_attributes(found.payload),
    )
    event.event_id = str(uuid.uuid5(uuid.UUID(found.uuid), "audit"))
    if found.context.HasField("recorded_time"):
        event.reported_time.CopyFrom(found.context.recorded_time)
    if found.payload.severity and code is not GUARD_LEFT:
        event.severity = found.payload.severity
    return event


def _code_of(event: GuardEvent) -> Code:
    raised = {
        GuardKind.GUARD_KIND_UNKNOWN_CONTACT_CLOSE: GUARD_ENTERED,
        GuardKind.GUARD_KIND_FOE_TRANSPONDER_OFF_APPROACH: GUARD_ENTERED,
        GuardKind.GUARD_KIND_SPOOFING_DETECTED: IDENTITY_CONTRADICTED,
        GuardKind.GUARD_KIND_CLOSEST_POINT_OF_APPROACH: COLLISION_RISK,
    }
    code = raised.get(event.kind)
    if code is None:
        raise UndecodableError("MALFORMED_PAYLOAD", f"a guard event of no known kind: {event.kind}")
    if event.phase == GuardPhase.GUARD_PHASE_RAISED:
        return code
    if event.phase == GuardPhase.GUARD_PHASE_CLEARED:
        return GUARD_LEFT
    raise UndecodableError("MALFORMED_PAYLOAD", f"a guard event of no known phase: {event.phase}")


def _attributes(event: GuardEvent) -> Mapping[str, object]:
    track = event.track
    return {
        "alarm_id": event.alarm_id,
        "frame_sequence": event.frame_sequence,
        "held_s": f"{event.held_s:g}",
        "kind": GuardKind.Name(event.kind).removeprefix("GUARD_KIND_"),
        "phase": GuardPhase.Name(event.phase).removeprefix("GUARD_PHASE_"),
        "range_m": f"{track.range_m:.0f}",
        "rule": event.rule,
        "track_id": event.track_id.value,
        "transponder_id": track.transponder_id,
    }
