"""Stalled loops in the audit trail: each once, while it lasts, whatever the others do."""

from code_proofs import prove
from mesh.serving.health import Health
from mesh.serving.stalls import StallWatch
from qiki_sdk.audit import AuditReporter
from qiki_sdk.codes import LOOP_STALLED, Code


def test_a_loop_that_falls_silent_is_reported_once_and_again_after_it_has_advanced() -> None:
    now_s = 100.0
    reported: list[tuple[Code, object]] = []
    health = Health("svc_test", stall_s=30.0, now=lambda: now_s)
    loops = [health.loop("fold"), health.loop("other")]
    watch = StallWatch(health, lambda code, _message, **facts: reported.append((code, facts["loop"])))

    def look(at_s: float, *beating: int) -> None:
        nonlocal now_s
        now_s = at_s
        for index in beating:
            loops[index].beat()
        watch.look()

    look(129.0)
    assert reported == []
    look(131.0, 1)
    look(140.0, 1)
    prove(LOOP_STALLED, [code for code, _loop in reported])
    assert reported == [(LOOP_STALLED, "fold")]
    look(150.0, 0, 1)
    look(181.0, 1)
    assert reported == [(LOOP_STALLED, "fold")] * 2


def test_the_report_has_the_loop_and_its_silence() -> None:
    times = iter([0.0, 0.0, 31.0])
    health, audit = Health("svc_test", stall_s=30.0, now=lambda: next(times)), AuditReporter("", "svc_test")
    health.loop("fold")
    next(times)
    StallWatch(health, audit.report).look()
    (entry,) = audit._spool._waiting
    assert entry.event.message == "fold has not advanced for 31 s"
