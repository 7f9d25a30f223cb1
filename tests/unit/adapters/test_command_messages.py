"""Commands and answers as messages: the messages accepted as commands, and the headers of an answer."""

import uuid

import pytest
from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp

from adapters.jetstream.codec.cloudevents import from_foreign_headers
from adapters.jetstream.codec.commands import StreamPosition, answer_headers, is_answered, to_command
from adapters.jetstream.codec.foreign import UndecodableError
from adapters.jetstream.inbound.advisories import Advisory, read_advisory
from qiki.sim.v1.commands_pb2 import Command, CommandResult, SetHelm

COMMAND_ID, RUN_ID = "7b6f0a3e-2f5c-4f0e-9c41-3a8d2f1e5b00", "0b6e1c1e-0000-4000-8000-0000000000aa"
COMMAND = Command(command_id=COMMAND_ID, set_helm=SetHelm(speed_mps=5.0))
RESULT = CommandResult(command_id=COMMAND_ID, run_id=RUN_ID, tick=21, time=Timestamp(seconds=1_767_225_601))
HEADERS = {
    "ce-specversion": "1.0",
    "ce-id": "order 1",
    "ce-source": "/agents/pilot",
    "ce-type": "qiki.sim.v1.Command",
}
ORIGIN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
HOP = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"
PLACE = StreamPosition("2026-01-01T00:00:00Z", 17)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("", COMMAND.SerializeToString()),
        ("application/protobuf", COMMAND.SerializeToString()),
        ("Application/JSON; charset=utf-8", json_format.MessageToJson(COMMAND).encode()),
    ],
)
def test_a_command_is_read_as_protobuf_or_json(content_type: str, body: bytes) -> None:
    headers = HEADERS | ({"ce-datacontenttype": content_type} if content_type else {})
    assert to_command(headers, body).command == COMMAND


def test_a_command_without_an_id_takes_the_id_of_its_event() -> None:
    nameless = Command(set_helm=SetHelm(speed_mps=5.0)).SerializeToString()
    first, again = to_command(HEADERS, nameless), to_command(HEADERS, nameless)
    other = to_command(HEADERS | {"ce-source": "/agents/other"}, nameless)
    assert first.command.command_id == again.command.command_id != other.command.command_id
    assert str(uuid.UUID(first.command.command_id)) == first.command.command_id
    assert to_command(HEADERS | {"ce-id": COMMAND_ID}, nameless).command.command_id == COMMAND_ID


def test_the_hop_of_the_trace_comes_before_its_origin() -> None:
    body = COMMAND.SerializeToString()
    assert to_command(HEADERS, body).traceparent == ""
    assert to_command(HEADERS | {"ce-traceparent": ORIGIN}, body).traceparent == ORIGIN
    assert to_command(HEADERS | {"ce-traceparent": ORIGIN, "traceparent": HOP}, body).traceparent == HOP


@pytest.mark.parametrize(
    ("headers", "body", "reason"),
    [
        ({}, b"", "NOT_A_CLOUDEVENT"),
        (HEADERS | {"ce_id": "other"}, b"", "NOT_A_CLOUDEVENT"),
        (HEADERS | {"ce-type": "qiki.registrar.v1.AuditEvent"}, b"", "UNKNOWN_TYPE"),
        (HEADERS | {"ce-datacontenttype": "text/plain"}, b"", "UNKNOWN_CONTENT_TYPE"),
        (HEADERS, b"\xff\xff", "MALFORMED_PAYLOAD"),
        (HEADERS | {"ce-datacontenttype": "application/json"}, b'{"unknown": 1}', "MALFORMED_PAYLOAD"),
        (HEADERS | {"ce-datacontenttype": "application/json"}, b"\xff", "MALFORMED_PAYLOAD"),
        (HEADERS | {"ce-datacontenttype": "application/json"}, b"[" * 100_000, "MALFORMED_PAYLOAD"),
    ],
)
def test_a_message_that_is_no_command_is_refused_with_a_reason(
    headers: dict[str, str], body: bytes, reason: str
) -> None:
    with pytest.raises(UndecodableError) as caught:
        to_command(headers, body)
    assert caught.value.reason == reason


def test_an_answer_is_a_cloudevent_about_its_command_and_the_same_each_time() -> None:
    headers = answer_headers(RESULT, "qiki-01", PLACE, HOP)
    context = from_foreign_headers(headers).context
    assert (context.type, context.subject) == ("qiki.sim.v1.CommandResult", COMMAND_ID)
    assert (context.source, context.run_id) == (f"/qiki/qiki-01/{RUN_ID}/responses", RUN_ID)
    assert (context.time, context.traceparent) == (RESULT.time, HOP)
    assert headers["Nats-Msg-Id"] == headers["ce-id"] == str(uuid.UUID(headers["ce-id"]))
    later = answer_headers(RESULT, "qiki-01", StreamPosition(PLACE.stream_created, 99), "")
    assert later["ce-id"] == headers["ce-id"]
    assert "traceparent" not in later
    other_run = CommandResult(command_id=COMMAND_ID, run_id=COMMAND_ID)
    assert answer_headers(other_run, "qiki-01", PLACE, "")["ce-id"] != headers["ce-id"]
    assert "ce-time" not in answer_headers(other_run, "qiki-01", PLACE, "")


def test_answers_to_different_commands_have_different_ids() -> None:
    other = CommandResult(command_id=RUN_ID, run_id=RUN_ID)
    ids = {answer_headers(result, "qiki-01", PLACE, "")["Nats-Msg-Id"] for result in (RESULT, other)}
    assert len(ids) == 2


def test_a_command_counts_as_answered_if_the_newest_answer_is_to_it_or_to_a_later_one_of_its_stream() -> None:
    newest = answer_headers(RESULT, "qiki-01", PLACE, "")
    assert [is_answered(StreamPosition(PLACE.stream_created, number), newest) for number in (16, 17, 18)] == [
        True,
        True,
        False,
    ]
    assert not is_answered(StreamPosition("2026-02-02T00:00:00Z", 3), newest), (
        "the stream was deleted and created again"
    )
    for text in ("", "17", "2026-01-01T00:00:00Z/", "2026-01-01T00:00:00Z/x", "2026-01-01T00:00:00Z/\u0661\u0667"):
        assert not is_answered(PLACE, {"qiki-command-place": text})
    assert not is_answered(PLACE, {})


def test_an_advisory_is_read_and_any_other_message_is_none() -> None:
    said = b'{"stream": "QIKI_COMMANDS_V1", "consumer": "sim_commands", "stream_seq": 5, "deliveries": 30}'
    assert read_advisory(said) == Advisory("QIKI_COMMANDS_V1", "sim_commands", 5, 30)
    for body in (b"", b"x", b"[]", b"{}", b'{"stream": "a", "consumer": "b", "stream_seq": "?", "deliveries": 1}'):
        assert read_advisory(body) is None
