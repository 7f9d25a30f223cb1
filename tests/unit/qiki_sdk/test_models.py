"""Pydantic models of audit events: what validates is recorded, and the codes are those of the list."""

import subprocess
import sys
from typing import Any

import pytest
from google.protobuf import json_format
from pydantic import ValidationError

from qiki.registrar.v1.registrar_service_pb2 import AuditEvent
from qiki_sdk.audit_event import make_event
from qiki_sdk.codes import ALL, FAULT, FOREIGN_EVENT, Severity
from qiki_sdk.models import CODES, AuditEventModel
from svc_registrar.wire import to_submission

RUN_ID = "00000000-0000-4000-8000-000000000001"


def test_every_code_has_a_model_with_its_fields() -> None:
    assert [(each.number, each.name, each.severity, each.meaning, each.remedy) for each in CODES] == [
        (code.number, code.name, code.severity, code.meaning, code.remedy) for code in ALL
    ]


def test_name_severity_and_message_follow_from_the_code_and_the_event_can_be_recorded() -> None:
    for code in ALL:
        if code is not FOREIGN_EVENT:  # made by the bridge alone
            event = AuditEventModel(code=code.number, reporter="agent", attributes={"b": "2", "a": "1"}).to_message()
            assert (event.name, event.severity, event.message) == (code.name, code.severity, code.meaning)
            to_submission(event)


def test_a_message_and_its_json_come_back_as_they_were() -> None:
    made = AuditEventModel.model_validate(
        {"code": 901, "reporter": "agent", "message": "odd", "severity": 4, "run_id": RUN_ID, "attributes": {"a": "1"}}
    )
    event = made.to_message()
    assert event.severity == Severity.CRITICAL
    assert AuditEventModel.of(event) == made
    assert json_format.Parse(made.to_json(), AuditEvent()) == event
    assert AuditEventModel.of(make_event("svc_sim", FAULT, "", run_id=RUN_ID)).run_id is not None


@pytest.mark.parametrize(
    ("field", "broken"),
    [
        ("code", {"code": 199}),
        ("code", {"code": "many"}),
        ("name", {"name": "GAP"}),
        ("reporter", {"reporter": "two words"}),
        ("reporter", {"reporter": "x\n"}),
        ("message", {"message": "x" * 1001}),
        ("message", {"message": "a\x00"}),
        ("attributes", {"attributes": {"9": "x"}}),
        ("attributes", {"attributes": {"a": "x" * 401}}),
        ("attributes", {"attributes": {f"a{number}": "" for number in range(33)}}),
        ("run_id", {"run_id": "run"}),
        ("reported_time", {"reported_time": "2026-03-01T00:00:00"}),
        ("traceparent", {"traceparent": "x"}),
        ("other", {"other": 1}),
    ],
)
def test_an_event_that_the_registrar_would_reject_does_not_validate(field: str, broken: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=field):
        AuditEventModel.model_validate({"code": 901, "reporter": "agent", **broken})


def test_the_client_itself_needs_no_pydantic() -> None:
    program = "import sys, qiki_sdk, qiki_sdk.audit; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0
