"""The outcome of a conditional write, decoded from JetStream's answer. The answers are copied from nats-server 2.15."""

import json

import pytest

from adapters.jetstream.client.errors import (
    JetStreamError,
    MessageTooLarge,
    NotFound,
    RequestRefused,
    SequenceConflict,
    StreamFull,
    StreamMissing,
    UnknownOutcome,
)
from adapters.jetstream.client.requests import read_answer, read_confirmation


def read(answer: object, *, expected_last: int = 6, batch_id: str | None = None, count: int = 1) -> int:
    raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return read_confirmation(read_answer(raw, "S"), "S", expected_last, batch_id, count)


def failure(code: int, description: str) -> dict[str, object]:
    return {"error": {"code": 400, "err_code": code, "description": description}, "stream": "S", "seq": 0}


def test_a_stored_message_is_answered_with_its_sequence() -> None:
    assert read({"stream": "S", "seq": 7}) == 7


def test_a_stored_batch_is_answered_with_its_last_sequence_its_id_and_its_size() -> None:
    assert read({"stream": "S", "seq": 9, "batch": "b", "count": 3}, batch_id="b", count=3) == 9


@pytest.mark.parametrize(
    ("code", "description", "kind"),
    [
        (10071, "wrong last sequence: 4", SequenceConflict),
        (10164, "wrong last sequence", SequenceConflict),
        (10077, "maximum bytes exceeded", StreamFull),
        (10023, "insufficient resources", StreamFull),
        (10047, "insufficient storage resources available", StreamFull),
        (10054, "message size exceeds maximum allowed", MessageTooLarge),
        (10097, "header size exceeds maximum allowed of 64k", MessageTooLarge),
        (10059, "stream not found", StreamMissing),
        (10037, "no message found", NotFound),
        (10014, "consumer not found", NotFound),
        (10201, "atomic publish batch contains duplicate message id", UnknownOutcome),
        (10176, "atomic publish batch is incomplete", UnknownOutcome),
        (10008, "JetStream system temporarily unavailable", UnknownOutcome),
        (10158, "duplicate message id is in process", UnknownOutcome),
    ],
)
def test_a_known_error_code_becomes_the_error_with_its_remedy(
    code: int, description: str, kind: type[JetStreamError]
) -> None:
    with pytest.raises(kind, match=f"{description}.*{code}"):
        read(failure(code, description))


def test_any_other_error_is_a_refusal_with_its_code_and_description() -> None:
    with pytest.raises(RequestRefused) as refused:
        read(failure(10060, "expected stream does not match"))
    assert refused.value.code == 10060
    assert "expected stream does not match" in refused.value.description


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"+OK", id="not JSON"),
        pytest.param(b"\xff\xfe", id="not text"),
        pytest.param(b"[1]", id="not an object"),
        pytest.param({"stream": "S", "seq": 7, "duplicate": True}, id="a duplicate"),
        pytest.param({"stream": "T", "seq": 7}, id="another stream"),
        pytest.param({"stream": "S"}, id="no sequence"),
        pytest.param({"stream": "S", "seq": "7"}, id="a sequence that is text"),
        pytest.param({"stream": "S", "seq": float("nan")}, id="a sequence that is NaN"),
        pytest.param({"stream": "S", "seq": True}, id="a sequence that is a truth value"),
        pytest.param({"stream": "S", "seq": 6}, id="a sequence that was there before"),
        pytest.param({"error": {}}, id="an error without a code"),
        pytest.param({"error": "no"}, id="an error that is text"),
    ],
)
def test_an_unclear_answer_is_an_unknown_outcome_never_a_success(answer: object) -> None:
    with pytest.raises(UnknownOutcome):
        read(answer)


@pytest.mark.parametrize(
    "answer",
    [
        {"stream": "S", "seq": 9},
        {"stream": "S", "seq": 9, "batch": "other", "count": 3},
        {"stream": "S", "seq": 9, "batch": "b", "count": 2},
        {"stream": "S", "seq": 8, "batch": "b", "count": 3},
    ],
)
def test_an_answer_that_does_not_confirm_the_whole_batch_is_an_unknown_outcome(answer: dict[str, object]) -> None:
    with pytest.raises(UnknownOutcome):
        read(answer, batch_id="b", count=3)
