"""A service's own audit events: a failed loop is in its spool before the process ends, the spool in its directory."""

from pathlib import Path
from typing import ClassVar

import pytest

from code_proofs import prove, waiting
from mesh.serving.ending import EndWatch
from mesh.serving.errors import StartError
from mesh.serving.runtime import _run, keep_audit_events
from mesh.settings import SPOOL_DIR, ServiceSettings
from qiki_sdk.audit import AuditReporter
from qiki_sdk.codes import BOOT_OK, FAULT


class Settings(ServiceSettings):
    service_name: ClassVar[str] = "svc_test"
    state_dir: Path | None = None


class Ending(EndWatch):
    def __init__(self) -> None:
        self.begun = False

    def begin(self) -> None:
        self.begun = True


@pytest.mark.asyncio
async def test_a_loop_that_fails_is_reported_before_the_service_ends() -> None:
    async def advance() -> None:
        raise ValueError("odd")

    audit, ending = AuditReporter("", "svc_test"), Ending()
    with pytest.raises(ValueError, match="odd"):
        await _run(advance, ending, audit)
    prove(FAULT, waiting(audit))
    assert ending.begun
    (event,) = waiting(audit)
    assert event.message == "a loop failed: ValueError: odd"


@pytest.mark.parametrize(
    ("settings", "directory"),
    [
        (Settings(), None),
        (Settings(state_dir=Path("state")), Path("state") / SPOOL_DIR),
        (Settings(spool_dir=Path("spool")), Path("spool")),
        (Settings(state_dir=Path("state"), spool_dir=Path("spool")), Path("spool")),
    ],
)
def test_the_spool_is_in_its_own_directory_or_the_state_directory_or_in_memory(
    settings: Settings, directory: Path | None
) -> None:
    assert settings.audit_spool() == directory


def test_events_reported_before_the_start_are_kept_and_a_directory_in_use_fails_the_start(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path)
    audit = AuditReporter("", "svc_test")
    audit.report(BOOT_OK)
    keep_audit_events(settings, audit)
    assert list((tmp_path / SPOOL_DIR).glob("*.spool"))
    with pytest.raises(StartError, match="in use by another process"):
        keep_audit_events(settings, AuditReporter("", "svc_test"))
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match="cannot be used"):
        keep_audit_events(Settings(spool_dir=tmp_path / "file"), AuditReporter("", "svc_test"))


def test_a_service_that_reports_to_nobody_makes_no_spool(tmp_path: Path) -> None:
    keep_audit_events(Settings(state_dir=tmp_path, registrar_target=""), AuditReporter("", "svc_test"))
    assert list(tmp_path.iterdir()) == []
