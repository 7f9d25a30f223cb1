"""The spool on the disk: what a killed reporter leaves is delivered later, once, in order, with its drops reported."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from qiki.registrar.v1.registrar_service_pb2 import AuditEvent
from qiki_sdk.audit_event import make_event
from qiki_sdk.codes import BOOT_OK, SPOOL_DROPPED
from qiki_sdk.spool.files import SEGMENT_BYTES, SpoolInUseError
from qiki_sdk.spool.spool import Spool


def event(text: str) -> AuditEvent:
    return make_event("test", BOOT_OK, text)


def opened(directory: Path, capacity: int = 1000) -> Spool:
    spool = Spool("test", capacity)
    spool.keep_in(directory)
    return spool


def delivered(spool: Spool) -> list[AuditEvent]:
    """Answer every batch until nothing waits; return the events in the order of their delivery."""
    found: list[AuditEvent] = []
    while len(spool):
        found += spool.batch()
        spool.settle()
    return found


def facts(report: AuditEvent) -> dict[str, str]:
    return {item.name: item.value for item in report.attributes}


def test_events_of_a_process_that_is_killed_without_warning_are_delivered_by_the_next_in_order(tmp_path: Path) -> None:
    program = """
import os, sys, signal, pathlib
from qiki_sdk.audit import AuditReporter
from qiki_sdk import codes
audit = AuditReporter("127.0.0.1:1", "test", spool_dir=pathlib.Path(sys.argv[1]))
for number in range(500):
    audit.report(codes.BOOT_OK, str(number))
os.kill(os.getpid(), signal.SIGKILL)
"""
    died = subprocess.run([sys.executable, "-c", program, str(tmp_path)], timeout=60, check=False)
    assert died.returncode == -signal.SIGKILL
    spool = opened(tmp_path)
    found = delivered(spool)
    assert [each.message for each in found] == [str(number) for number in range(500)]
    assert [each.producer_sequence for each in found] == list(range(1, 501))
    assert len({each.producer_epoch for each in found}) == 1
    spool.close()
    assert len(opened(tmp_path)) == 0  # what was answered is not delivered again


def test_the_numbering_goes_on_after_a_restart_and_a_batch_without_an_answer_is_sent_again(tmp_path: Path) -> None:
    first = opened(tmp_path)
    for number in range(5):
        first.put(event(str(number)))
    first.batch()
    first.settle()
    first.put(event("in flight"))
    (in_flight,) = first.batch()
    first.close()
    second = opened(tmp_path)
    second.put(event("new"))
    found = delivered(second)
    assert [each.message for each in found] == ["in flight", "new"]
    assert [each.producer_sequence for each in found] == [6, 7]
    assert {each.producer_epoch for each in found} == {in_flight.producer_epoch}
    assert second.answered == 7


def test_drops_are_reported_once_in_their_position_also_after_a_restart(tmp_path: Path) -> None:
    first = opened(tmp_path, capacity=10)
    for number in range(1, 31):
        first.put(event(str(number)))
    first.close()
    second = opened(tmp_path, capacity=10)
    found = delivered(second)
    assert found[0].code == SPOOL_DROPPED.number
    assert facts(found[0]) == {"dropped": "20", "first": "1", "last": "20"}
    assert [each.message for each in found[1:]] == [str(number) for number in range(21, 31)]
    second.close()
    third = opened(tmp_path, capacity=10)
    third.put(event("later"))
    assert [each.message for each in delivered(third)] == ["later"]


def test_drops_behind_a_batch_in_flight_are_reported_behind_it(tmp_path: Path) -> None:
    spool = opened(tmp_path, capacity=4)
    spool.put(event("sent"))
    spool.batch()
    for number in range(10):
        spool.put(event(str(number)))
    spool.close()
    after = opened(tmp_path, capacity=4)
    found = delivered(after)
    assert [each.name for each in found] == ["BOOT_OK", "SPOOL_DROPPED", "BOOT_OK", "BOOT_OK", "BOOT_OK"]
    assert facts(found[1]) == {"dropped": "7", "first": "2", "last": "8"}


def test_the_disk_space_is_bounded_while_nothing_is_answered_and_freed_once_all_is(tmp_path: Path) -> None:
    spool = opened(tmp_path, capacity=100)
    spool.put(event("sent"))
    spool.batch()  # in flight for the whole time: its segment stays, the dropped ones behind it do not
    for _ in range(6 * SEGMENT_BYTES // 1000):
        spool.put(event("x" * 1000))
    assert sum(path.stat().st_size for path in tmp_path.glob("*.spool")) <= 4 * SEGMENT_BYTES
    delivered(spool)
    assert len(list(tmp_path.glob("*.spool"))) == 1


@pytest.mark.parametrize("cut", [1, 7, 20])
def test_a_torn_tail_loses_the_torn_event_alone(tmp_path: Path, cut: int) -> None:
    first = opened(tmp_path)
    for number in range(3):
        first.put(event(str(number)))
    first.close()
    (path,) = tmp_path.glob("*.spool")
    path.write_bytes(path.read_bytes()[:-cut])
    second = opened(tmp_path)
    second.put(event("new"))
    assert [each.message for each in delivered(second)] == ["0", "1", "new"]


def test_a_damaged_event_leaves_a_gap_in_the_numbers(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.put(event("a"))
    first.put(event("flip me"))
    first.close()
    second = opened(tmp_path)  # its events are in a segment of their own
    second.put(event("b"))
    second.close()
    damaged = min(tmp_path.glob("*.spool"))
    damaged.write_bytes(damaged.read_bytes().replace(b"flip me", b"flip ME"))
    found = delivered(opened(tmp_path))
    assert [(each.message, each.producer_sequence) for each in found] == [("a", 1), ("b", 3)]


def test_a_failing_disk_costs_no_event_of_a_living_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = opened(tmp_path)
    spool.put(event("before"))
    write = os.write

    def fail(file: int, data: bytes) -> int:
        write(file, data[:5])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", fail)
        spool.put(event("meanwhile"))
    spool.put(event("after"))
    assert [each.event.message for each in spool._waiting] == [
        "before",
        "meanwhile",
        "after",
    ]
    spool.close()
    found = delivered(opened(tmp_path))  # of the event that the disk refused, the gap is visible
    assert [(each.message, each.producer_sequence) for each in found] == [("before", 1), ("after", 3)]


def test_a_directory_that_another_reporter_uses_is_refused(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    with pytest.raises(SpoolInUseError, match="in use"):
        Spool("other").keep_in(tmp_path)
    spool.close()
    Spool("other").keep_in(tmp_path)


def test_events_reported_before_the_directory_was_known_follow_those_of_the_process_before(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.put(event("left"))
    first.close()
    second = Spool("test")
    second.put(event("early"))
    assert second.keep_in(tmp_path) == 1
    found: list[Any] = delivered(second)
    assert [(each.message, each.producer_sequence) for each in found] == [("left", 1), ("early", 2)]
