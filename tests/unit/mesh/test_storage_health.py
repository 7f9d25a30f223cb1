"""Storage health: a failing disk is reported once, and once more when it works again."""

import errno
import logging

import grpc
import pytest

from code_proofs import prove
from mesh.serving.health import Health
from mesh.serving.storage_health import StorageHealth
from qiki_sdk.codes import STORAGE_FAILED, STORAGE_RESTORED, Code

FULL = OSError(errno.ENOSPC, "No space left on device")
BROKEN = OSError(errno.EIO, "Input/output error")


class Rig:
    def __init__(self) -> None:
        self.reports: list[tuple[Code, str, dict[str, object]]] = []
        self.health = Health("test", stall_s=60.0)
        self.health.up()
        self.heartbeat = self.health.loop("writer")
        self.storage = StorageHealth("the log cannot be written", self.heartbeat, self._report)

    def _report(self, code: Code, message: str = "", /, **attributes: object) -> None:
        self.reports.append((code, message, attributes))


def test_each_failure_refuses_the_callers_and_only_the_first_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    refusals = [rig.storage.failed(error) for error in (FULL, BROKEN)]
    assert [refusal.code for refusal in refusals] == [
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNAVAILABLE,
    ]
    message = "the log cannot be written: No space left on device"
    assert rig.reports == [(STORAGE_FAILED, message, {"cause": "ENOSPC"})]
    assert [record.message for record in caplog.records] == ["storage fails"]
    assert rig.storage.failure == "the log cannot be written: Input/output error", "the newest one"
    report = rig.health.report()
    assert (report.serving, report.detail) == (False, "writer: the log cannot be written: Input/output error")


def test_the_recovery_is_reported_once_with_its_cause_and_the_next_failure_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    rig = Rig()
    rig.storage.works()
    assert rig.reports == [], "a disk that never failed has not recovered"
    rig.storage.failed(FULL)
    for _write in range(2):
        rig.storage.works()
    assert (rig.storage.failure, rig.health.report().serving) == ("", True)
    code, message, attributes = rig.reports[1]
    assert (code, message, attributes["cause"]) == (
        STORAGE_RESTORED,
        "",
        "the log cannot be written: No space left on device",
    )
    rig.storage.failed(BROKEN)
    assert [report[0] for report in rig.reports] == [STORAGE_FAILED, STORAGE_RESTORED, STORAGE_FAILED]
    prove(STORAGE_FAILED, [report[0] for report in rig.reports])
    prove(STORAGE_RESTORED, [report[0] for report in rig.reports])
    assert [record.message for record in caplog.records] == ["storage fails", "storage works again", "storage fails"]
