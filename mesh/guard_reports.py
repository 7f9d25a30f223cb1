"""Guard alarms as audit events: the same event whether the tracker reports it or the bridge reads it. Pure."""

import uuid
from collections.abc import Mapping

from qiki.registrar.v1.registrar_service_pb2 import AuditEvent
from qiki.tracker.v1.guard_pb2 import GuardEvent, GuardKind, GuardPhase
from qiki_sdk.audit_event import make_event
from qiki_sdk.codes import COLLISION_RISK, GUARD_ENTERED, GUARD_LEFT, IDENTITY_CONTRADICTED, Code

REPORTER = "svc_tracker"
_RAISED: Mapping[int, Code] = {
    GuardKind.GUARD_KIND_UNKNOWN_CONTACT_CLOSE: GUARD_ENTERED,
    GuardKind.GUARD_KIND_FOE_TRANSPONDER_OFF_APPROACH: GUARD_ENTERED,
    GuardKind.GUARD_KIND_SPOOFING_DETECTED: IDENTITY_CONTRADICTED,
    GuardKind.GUARD_KIND_CLOSEST_POINT_OF_APPROACH: COLLISION_RISK,
}


def to_report(event: GuardEvent, event_id: str, run_id: str, traceparent: str = "") -> AuditEvent:
    """Return the audit event of a guard event with this id, a UUID; its own id derives from that one.

    Both ways of a guard event to the registrar give the same audit event, so that it is recorded once. The ids differ
    because both are published to the same stream, which stores an id only once.

    Raises:
        ValueError: the guard event's kind or phase is not known.
    """
    code = _code_of(event)
    report = make_event(
        REPORTER,
        code,
        event.message,
        simulation_time=event.time,
        run_id=run_id,
        attributes=_attributes(event),
        traceparent=traceparent,
    )
    report.event_id = str(uuid.uuid5(uuid.UUID(event_id), "audit"))
    if event.severity and code is not GUARD_LEFT:
        report.severity = event.severity
    return report


def _code_of(event: GuardEvent) -> Code:
    code = _RAISED.get(event.kind)
    if code is None:
        raise ValueError(f"a guard event of no known kind: {event.kind}")
    if event.phase == GuardPhase.GUARD_PHASE_RAISED:
        return code
    if event.phase == GuardPhase.GUARD_PHASE_CLEARED:
        return GUARD_LEFT
    raise ValueError(f"a guard event of no known phase: {event.phase}")


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
