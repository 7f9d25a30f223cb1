"""Proof that an audit code is reached: a test calls `prove` with what was really reported.

`tests/unit/checks/test_code_proofs.py` fails for every code that no test proves.
"""

from collections.abc import Iterable
from typing import Protocol

from qiki.registrar.v1.registrar_service_pb2 import AuditEvent
from qiki_sdk.audit import AuditReporter
from qiki_sdk.codes import Code


class Named(Protocol):
    """An audit event or a code."""

    @property
    def name(self) -> str: ...


def prove(code: Code, reported: Iterable[Named | str]) -> None:
    """Fail unless an event of this code was reported; `reported` are events, codes or their names."""
    names = {item if isinstance(item, str) else item.name for item in reported}
    assert code.name in names, f"{code.name} was not reported, but {sorted(names)}"


def waiting(audit: AuditReporter) -> list[AuditEvent]:
    """Return the events in the spool of a reporter that does not run."""
    return [each.event for each in audit._spool._waiting]
