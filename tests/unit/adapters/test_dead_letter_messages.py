"""Dead letters as messages of the dead-letter stream: written with the reason, and read back unchanged."""

from dataclasses import replace

import pytest

from adapters.jetstream.client.messages import StoredMessage
from adapters.jetstream.inbound.dead_letters import DeadLetter

DEAD_LETTER = DeadLetter(
    consumer="sim_commands",
    stream="QIKI_COMMANDS_V1",
    sequence=7,
    subject="qiki.commands.v1.qiki-01",
    headers={"ce-id": "1", "reason": "of the sender"},
    payload=b"\xff",
    reason="MALFORMED_PAYLOAD",
    detail="not a Command",
)


def stored(headers: dict[str, str]) -> StoredMessage:
    return StoredMessage(1, "qiki.dlq.v1.sim_commands", headers, DEAD_LETTER.payload, 0)


def test_a_dead_letter_is_read_back_as_it_was_written() -> None:
    assert DeadLetter.from_message(stored(DEAD_LETTER.message_headers())) == DEAD_LETTER


def test_headers_that_control_jetstream_are_not_copied() -> None:
    controlled = replace(DEAD_LETTER, headers={**DEAD_LETTER.headers, "Nats-Expected-Stream": "QIKI_COMMANDS_V1"})
    assert controlled.message_headers().keys() == DEAD_LETTER.message_headers().keys()


def test_the_same_dead_letter_always_has_the_same_message_id() -> None:
    again = replace(DEAD_LETTER, reason="EXHAUSTED", detail="delivered 30 times")
    assert again.message_headers()["Nats-Msg-Id"] == DEAD_LETTER.message_headers()["Nats-Msg-Id"]


@pytest.mark.parametrize("sequence", ["", "seven", "-1", "\u0667", "9" * 5000])
def test_an_origin_that_is_not_a_sequence_is_read_as_0(sequence: str) -> None:
    assert DeadLetter.from_message(stored({"qiki-dlq-sequence": sequence})).sequence == 0


def test_a_message_published_by_hand_has_no_origin() -> None:
    by_hand = DeadLetter.from_message(stored({"X-Odd": "1"}))
    assert (by_hand.stream, by_hand.subject, by_hand.reason, by_hand.headers) == ("", "", "", {"X-Odd": "1"})
