"""Gaps of producers: each missing number is reported once, and nothing that is not missing."""

import uuid

from google.protobuf.message import Message

from code_proofs import prove
from qiki.registrar.v1.registrar_service_pb2 import AuditEvent
from qiki_sdk.audit_event import make_event
from qiki_sdk.codes import BOOT_OK, REPORTER_GAP
from svc_registrar import producers
from svc_registrar.producers import ProducerPositions

EPOCH = str(uuid.uuid4())


def events(*numbers: int, epoch: str = EPOCH) -> list[AuditEvent]:
    found = []
    for number in numbers:
        event = make_event("test", BOOT_OK, f"{number}")
        event.producer_epoch, event.producer_sequence = epoch, number
        found.append(event)
    return found


def ranges(gaps: list[tuple[int, AuditEvent]]) -> list[tuple[int, str, str]]:
    found = []
    for index, gap in gaps:
        facts = {item.name: item.value for item in gap.attributes}
        found.append((index, facts["first"], facts["last"]))
    return found


def test_missing_numbers_are_reported_before_the_event_behind_them_and_once() -> None:
    positions = ProducerPositions()
    first = events(1, 2)
    assert positions.take(first, 0) == []
    positions.recorded(first)
    second = events(5, 6, 9)
    gaps = positions.take(second, 2)
    prove(REPORTER_GAP, [gap for _index, gap in gaps])
    assert ranges(gaps) == [(0, "3", "4"), (2, "7", "8")]
    positions.recorded(second)
    assert positions.take(second, 2) == []
    assert positions.take(events(10), 9) == []


def test_the_same_gap_has_the_same_id_so_that_a_repetition_is_recorded_once() -> None:
    ids = {ProducerPositions().take(events(4), 1)[0][1].event_id for _time in range(2)}
    assert len(ids) == 1


def test_a_restarted_registrar_takes_the_producers_word_for_what_was_answered() -> None:
    assert ProducerPositions().take(events(501), 500) == []
    assert ranges(ProducerPositions().take(events(501), 490)) == [(0, "491", "500")]
    assert ranges(ProducerPositions().take(events(97), 0)) == [(0, "1", "96")]


def test_without_the_producers_word_only_numbers_missing_since_the_start_are_reported() -> None:
    positions = ProducerPositions()
    assert positions.take(events(40), None) == []
    assert ranges(positions.take(events(42), None)) == [(0, "41", "41")]


def test_events_that_could_not_be_recorded_are_expected_again() -> None:
    positions = ProducerPositions()
    positions.recorded(events(1))
    failed = events(2, 3)
    positions.take(failed, 1)
    positions.failed(failed)
    assert positions.take(events(2, 3), 1) == []
    positions.failed(failed)
    assert ranges(positions.take(events(4), 1)) == [(0, "2", "3")]


def test_epochs_are_independent_and_events_without_one_are_not_counted() -> None:
    other = str(uuid.uuid4())
    mixed: list[Message] = [*events(1), *events(1, epoch=other), *events(2), *events(7, epoch="no uuid")]
    plain = make_event("test", BOOT_OK, "")
    assert ProducerPositions().take([*mixed, plain], 0) == []  # type: ignore[list-item]


def test_the_number_of_epochs_remembered_is_bounded() -> None:
    positions = ProducerPositions()
    for number in range(producers.MAX_EPOCHS + 10):
        positions.recorded(events(1, epoch=str(uuid.UUID(int=number + 1))))
    assert len(positions._recorded) == producers.MAX_EPOCHS
