"""The audit event made from a guard event for the audit trail."""

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from adapters.jetstream.codec.foreign import UndecodableError
from adapters.jetstream.codec.foreign_events import to_audit_event
from code_proofs import prove
from mesh.guard_reports import to_report
from qiki.common.v1.geometry_pb2 import UUID
from qiki.radar.v1.track_pb2 import RadarTrack
from qiki.registrar.v1.registrar_service_pb2 import Severity
from qiki.tracker.v1.guard_pb2 import GuardEvent, GuardKind, GuardPhase
from qiki_sdk.codes import BY_NUMBER, COLLISION_RISK, GUARD_ENTERED, GUARD_LEFT, IDENTITY_CONTRADICTED
from svc_registrar.wire import is_same, to_submission

RUN_ID = "11111111-2222-4333-8444-555555555555"
EVENT_ID = "00000000-0000-4000-8000-000000000007"
RAISED, CLEARED = GuardPhase.GUARD_PHASE_RAISED, GuardPhase.GUARD_PHASE_CLEARED


def guard_event(**changes: Any) -> GuardEvent:
    fields: dict[str, Any] = {
        "schema_version": 1,
        "rule": "collision",
        "kind": GuardKind.GUARD_KIND_CLOSEST_POINT_OF_APPROACH,
        "phase": RAISED,
        "alarm_id": "alarm",
        "track_id": UUID(value="track"),
        "frame_sequence": 12,
        "time": Timestamp(seconds=1_767_225_605),
        "track": RadarTrack(range_m=1234.4, transponder_id="QK\n\x00-7"),
        "held_s": 1.5,
        "message": "collision: comes near",
        "severity": Severity.SEVERITY_ERROR,
    }
    return GuardEvent(**{**fields, **changes})


SUBJECT = "qiki.events.v1.guard"


def headers(**changes: str) -> dict[str, str]:
    found = {
        "ce-specversion": "1.0",
        "ce-id": EVENT_ID,
        "ce-source": f"/qiki/qiki-01/{RUN_ID}/guard",
        "ce-type": "qiki.tracker.v1.GuardEvent",
        "ce-run": RUN_ID,
        "ce-recordedtime": "2026-03-01T00:00:00Z",
        "ce-datacontenttype": "application/protobuf",
    }
    return found | changes


@pytest.mark.parametrize(
    ("kind", "phase", "code", "severity"),
    [
        (GuardKind.GUARD_KIND_UNKNOWN_CONTACT_CLOSE, RAISED, "GUARD_ENTERED", "ERROR"),
        (GuardKind.GUARD_KIND_FOE_TRANSPONDER_OFF_APPROACH, RAISED, "GUARD_ENTERED", "ERROR"),
        (GuardKind.GUARD_KIND_SPOOFING_DETECTED, RAISED, "IDENTITY_CONTRADICTED", "ERROR"),
        (GuardKind.GUARD_KIND_CLOSEST_POINT_OF_APPROACH, RAISED, "COLLISION_RISK", "ERROR"),
        (GuardKind.GUARD_KIND_CLOSEST_POINT_OF_APPROACH, CLEARED, "GUARD_LEFT", "INFO"),
    ],
)
def test_every_kind_has_its_code(kind: Any, phase: Any, code: str, severity: str) -> None:
    found = to_audit_event(SUBJECT, headers(), guard_event(kind=kind, phase=phase).SerializeToString())
    assert BY_NUMBER[found.code].name == found.name == code
    assert Severity.Name(found.severity) == f"SEVERITY_{severity}"


def test_every_code_of_the_guard_is_reached() -> None:
    kinds = [kind for kind in GuardKind.values() if kind]
    found = [
        to_audit_event(SUBJECT, headers(), guard_event(kind=kind, phase=phase).SerializeToString())
        for kind in kinds
        for phase in (RAISED, CLEARED)
    ]
    prove(GUARD_ENTERED, found)
    prove(GUARD_LEFT, found)
    prove(COLLISION_RISK, found)
    prove(IDENTITY_CONTRADICTED, found)


def test_the_trackers_own_report_is_the_same_event_so_that_it_is_recorded_once() -> None:
    from_bus = to_audit_event(SUBJECT, headers(), guard_event().SerializeToString())
    reported = to_report(guard_event(), EVENT_ID, RUN_ID, "00-" + "1" * 32 + "-" + "2" * 16 + "-01")
    assert reported.event_id == from_bus.event_id
    assert is_same(reported, from_bus)


def test_the_audit_event_has_the_contents_of_the_alarm() -> None:
    found = to_audit_event(SUBJECT, headers(), guard_event().SerializeToString())
    assert to_submission(found).body == found.SerializeToString(deterministic=True)
    assert (found.run_id, found.reporter) == (RUN_ID, "svc_tracker")
    assert found.message == "collision: comes near"
    assert found.simulation_time.seconds == 1_767_225_605
    assert {each.name: each.value for each in found.attributes} == {
        "alarm_id": "alarm",
        "frame_sequence": "12",
        "held_s": "1.5",
        "kind": "CLOSEST_POINT_OF_APPROACH",
        "phase": "RAISED",
        "range_m": "1234",
        "rule": "collision",
        "track_id": "track",
        "transponder_id": "QK\n -7",
    }


def test_the_same_message_gives_the_same_event() -> None:
    payload = guard_event().SerializeToString()
    assert to_audit_event(SUBJECT, headers(), payload) == to_audit_event(SUBJECT, headers(), payload)


def test_its_id_differs_from_the_alarms_as_a_stream_stores_an_id_once() -> None:
    found = to_audit_event(SUBJECT, headers(), guard_event().SerializeToString())
    other = to_audit_event(SUBJECT, headers(**{"ce-id": RUN_ID}), guard_event().SerializeToString())
    assert len({EVENT_ID, RUN_ID, found.event_id, other.event_id}) == 4


def test_an_alarm_without_a_severity_takes_that_of_its_code() -> None:
    found = to_audit_event(SUBJECT, headers(), guard_event(severity=0).SerializeToString())
    assert found.severity == Severity.SEVERITY_CRITICAL


@pytest.mark.parametrize("changes", [{"kind": 0}, {"kind": 99}, {"phase": 0}, {"phase": 7}])
def test_an_alarm_of_unknown_kind_or_phase_is_refused(changes: dict[str, int]) -> None:
    with pytest.raises(UndecodableError) as caught:
        to_audit_event(SUBJECT, headers(), guard_event(**changes).SerializeToString())
    assert caught.value.reason == "MALFORMED_PAYLOAD"


def test_bytes_that_are_not_a_guard_event_are_refused() -> None:
    with pytest.raises(UndecodableError) as caught:
        to_audit_event(SUBJECT, headers(), b"\xff\xff")
    assert caught.value.reason == "MALFORMED_PAYLOAD"
