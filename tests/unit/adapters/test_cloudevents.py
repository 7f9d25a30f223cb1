"""The CloudEvents NATS binary binding, tested with vectors from the specification and the mesh's header contract."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.jetstream.codec.cloudevents import (
    HeaderError,
    decode_value,
    encode_value,
    from_foreign_headers,
    from_headers,
    header_size,
    size_on_wire,
    to_headers,
)
from qiki.common.v1 import stream_pb2

VECTORS = json.loads((Path(__file__).parents[2] / "fixtures" / "cloudevents_vectors.json").read_text("utf-8"))
ORIGIN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
HOP = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"

# Written by hand from section 6 of the design: the headers of one frame, in full.
FRAME_HEADERS = {
    "ce-specversion": "1.0",
    "ce-id": "6f1f6c9e-8a51-5f3e-9d0c-0d6d0f6a2b11",
    "ce-type": "qiki.radar.v1.RadarFrame",
    "ce-source": "/qiki/bot-1/7d0a/frames",
    "ce-subject": "radar%20front",
    "ce-time": "2026-03-01T12:00:00.000000001Z",
    "ce-datacontenttype": "application/protobuf",
    "ce-dataschema": "proto:qiki.radar.v1.RadarFrame",
    "ce-sequence": "00000000000000000042",
    "ce-traceparent": ORIGIN,
    "ce-tracestate": "a=1,b=2",
    "ce-recordedtime": "2026-11-20T10:00:00.500Z",
    "ce-run": "7d0a",
    "ce-runcreated": "2026-11-20T09:00:00Z",
    "ce_id": "6f1f6c9e-8a51-5f3e-9d0c-0d6d0f6a2b11",
    "ce_type": "qiki.radar.v1.RadarFrame",
    "ce_source": "/qiki/bot-1/7d0a/frames",
    "ce_time": "2026-03-01T12:00:00.000000001Z",
    "Nats-Msg-Id": "6f1f6c9e-8a51-5f3e-9d0c-0d6d0f6a2b11",
    "qiki-resume-token": "djE6NDI",
    "traceparent": HOP,
}


def frame_context() -> stream_pb2.EventContext:
    context = stream_pb2.EventContext(
        id="6f1f6c9e-8a51-5f3e-9d0c-0d6d0f6a2b11",
        source="/qiki/bot-1/7d0a/frames",
        type="qiki.radar.v1.RadarFrame",
        sequence=42,
        subject="radar front",
        run_id="7d0a",
        traceparent=ORIGIN,
        tracestate="a=1,b=2",
    )
    context.time.seconds, context.time.nanos = 1772366400, 1
    context.recorded_time.seconds, context.recorded_time.nanos = 1795168800, 500_000_000
    context.run_created.seconds = 1795165200
    return context


def cases(kind: str) -> list[object]:
    return [pytest.param(case, id=case["why"]) for case in VECTORS[kind]]


@pytest.mark.parametrize("case", cases("encode"))
def test_a_value_is_percent_encoded_as_the_binding_requires(case: dict[str, str]) -> None:
    assert encode_value(case["text"]) == case["header"]
    assert decode_value(case["header"]) == case["text"]


@pytest.mark.parametrize("case", cases("decode"))
def test_a_value_encoded_by_another_writer_is_decoded(case: dict[str, str]) -> None:
    assert decode_value(case["header"]) == case["text"]


@pytest.mark.parametrize("case", cases("reject"))
def test_a_malformed_value_is_refused_and_the_header_named(case: dict[str, str]) -> None:
    with pytest.raises(HeaderError) as refused:
        from_headers({**FRAME_HEADERS, "ce-subject": case["header"]})
    assert refused.value.header == "ce-subject"


@given(st.text())
def test_any_text_becomes_one_line_of_visible_ascii(text: str) -> None:
    encoded = encode_value(text)
    assert all("!" <= character <= "~" for character in encoded)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])))
def test_any_text_without_control_characters_survives_a_round_trip(text: str) -> None:
    assert decode_value(encode_value(text)) == text


def test_an_events_context_becomes_exactly_the_headers_of_the_contract() -> None:
    assert to_headers(frame_context(), "djE6NDI", HOP) == FRAME_HEADERS


def test_the_headers_of_the_contract_become_the_events_context() -> None:
    read = from_headers(FRAME_HEADERS)
    assert read.context == frame_context()
    assert read.resume_token == "djE6NDI"
    assert read.content_type == "application/protobuf"


def test_an_absent_attribute_has_no_header() -> None:
    context = frame_context()
    for field in ("subject", "traceparent", "tracestate"):
        context.ClearField(field)
    headers = to_headers(context, "djE6NDI", None)
    absent = {"ce-subject", "ce-traceparent", "ce-tracestate", "traceparent"}
    assert headers.keys() == FRAME_HEADERS.keys() - absent
    assert from_headers(headers).context == context


@pytest.mark.parametrize(
    ("field", "header"),
    [
        ("id", "ce-id"),
        ("source", "ce-source"),
        ("type", "ce-type"),
        ("time", "ce-time"),
        ("sequence", "ce-sequence"),
        ("run_id", "ce-run"),
        ("run_created", "ce-runcreated"),
        ("recorded_time", "ce-recordedtime"),
    ],
)
def test_a_context_without_a_required_attribute_is_not_written(field: str, header: str) -> None:
    context = frame_context()
    context.ClearField(field)  # type: ignore[arg-type] # the stub lists the names as literals
    with pytest.raises(HeaderError) as refused:
        to_headers(context, "djE6NDI", None)
    assert refused.value.header == header


@pytest.mark.parametrize("character", ["\r\n", "\n", "\x00", "\x7f", "\x85"])
def test_a_control_character_never_reaches_the_wire(character: str) -> None:
    context = frame_context()
    context.subject = f"front{character}Nats-Msg-Id: forged"
    with pytest.raises(HeaderError) as refused:
        to_headers(context, "djE6NDI", None)
    assert refused.value.header == "ce-subject"


@pytest.mark.parametrize("value", ["", "two words", "a\r\nX: y", "é"])
def test_a_token_that_is_not_visible_ascii_is_not_written(value: str) -> None:
    with pytest.raises(HeaderError) as refused:
        to_headers(frame_context(), value, None)
    assert refused.value.header == "qiki-resume-token"


def test_a_trace_context_that_is_not_visible_ascii_is_not_written() -> None:
    with pytest.raises(HeaderError) as refused:
        to_headers(frame_context(), "djE6NDI", "00-\n")
    assert refused.value.header == "traceparent"


@pytest.mark.parametrize(
    ("nanos", "fraction"),
    [
        (0, ""),
        (1, ".000000001"),
        (1_000, ".000001"),
        (123_456_000, ".123456"),
        (123_456_789, ".123456789"),
        (120_000_000, ".120"),
        (100_001_000, ".100001"),
    ],
)
def test_a_time_is_written_to_the_nanosecond_and_read_back(nanos: int, fraction: str) -> None:
    context = frame_context()
    context.time.nanos = context.recorded_time.nanos = context.run_created.nanos = nanos
    headers = to_headers(context, "token", None)
    assert headers["ce-time"] == headers["ce_time"] == f"2026-03-01T12:00:00{fraction}Z"
    assert headers["ce-recordedtime"].endswith(f"{fraction}Z")
    assert headers["ce-runcreated"].endswith(f"{fraction}Z")
    assert from_headers(headers).context == context


def test_a_time_outside_the_calendar_is_not_written() -> None:
    context = frame_context()
    context.time.seconds = 10**13
    with pytest.raises(HeaderError) as refused:
        to_headers(context, "djE6NDI", None)
    assert refused.value.header == "ce-time"


@pytest.mark.parametrize("header", ["ce-id", "ce-type", "ce-source", "ce-time"])
def test_a_reader_takes_the_alias_where_the_attribute_is_missing(header: str) -> None:
    headers = {name: value for name, value in FRAME_HEADERS.items() if name != header}
    assert from_headers(headers).context == frame_context()


@pytest.mark.parametrize("name", ["id", "type", "source", "time"])
def test_a_contradiction_between_attribute_and_alias_is_refused(name: str) -> None:
    other = "2027-01-01T00:00:00Z" if name == "time" else "other"
    with pytest.raises(HeaderError, match="contradicts") as refused:
        from_headers({**FRAME_HEADERS, f"ce_{name}": other})
    assert refused.value.header == f"ce-{name}"


def test_the_same_instant_in_another_spelling_is_no_contradiction() -> None:
    assert from_headers({**FRAME_HEADERS, "ce_time": "2026-03-01T14:00:00.000000001+02:00"}).context == frame_context()


@pytest.mark.parametrize(
    "header",
    [
        "ce-specversion",
        "ce-datacontenttype",
        "ce-sequence",
        "ce-recordedtime",
        "ce-run",
        "ce-runcreated",
        "qiki-resume-token",
    ],
)
def test_a_missing_required_header_is_named(header: str) -> None:
    headers = {name: value for name, value in FRAME_HEADERS.items() if name != header}
    with pytest.raises(HeaderError) as refused:
        from_headers(headers)
    assert refused.value.header == header


@pytest.mark.parametrize("name", ["id", "type", "source", "time"])
def test_a_required_attribute_missing_under_both_names_is_named(name: str) -> None:
    headers = {key: value for key, value in FRAME_HEADERS.items() if key not in (f"ce-{name}", f"ce_{name}")}
    with pytest.raises(HeaderError) as refused:
        from_headers(headers)
    assert refused.value.header == f"ce-{name}"


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("ce-specversion", "0.3"),
        ("ce-datacontenttype", "application/json"),
        ("ce-sequence", "0"),
        ("ce-sequence", "-1"),
        ("ce-sequence", "1e3"),
        ("ce-sequence", " 1"),
        ("ce-sequence", "nan"),
        ("ce-sequence", "\u0661"),
        ("ce-sequence", "18446744073709551616"),
        ("ce-sequence", "9" * 5000),
        ("ce-recordedtime", "yesterday"),
        ("ce-recordedtime", "2026-03-01"),
        ("ce-recordedtime", "2026-03-01T12:00:00"),
        ("ce-recordedtime", "2026-02-30T12:00:00Z"),
        ("ce-recordedtime", "2026-03-01T12:00:60Z"),
        ("ce-recordedtime", "2026-03-01T12:00:00.1234567891Z"),
        ("ce-recordedtime", "2026-03-01T12:00:00+99:99"),
        ("ce-runcreated", "0000-01-01T00:00:00Z"),
    ],
)
def test_a_value_that_cannot_be_read_is_refused_and_named(header: str, value: str) -> None:
    with pytest.raises(HeaderError) as refused:
        from_headers({**FRAME_HEADERS, header: value})
    assert refused.value.header == header


def test_the_largest_sequence_fits() -> None:
    headers = {**FRAME_HEADERS, "ce-sequence": "18446744073709551615"}
    assert from_headers(headers).context.sequence == 2**64 - 1


def test_a_message_of_the_older_contract_is_read_by_its_aliases_alone() -> None:
    read = from_foreign_headers({"ce_id": "1", "ce_type": "t", "ce_source": "s", "ce_time": "2026-03-01T12:00:00Z"})
    assert (read.context.id, read.context.type, read.context.source) == ("1", "t", "s")
    assert read.context.time.seconds == 1772366400
    assert read.context.sequence == 0
    assert not read.context.HasField("run_created")
    assert read.resume_token == ""


def test_a_foreign_event_without_a_source_is_refused() -> None:
    with pytest.raises(HeaderError) as refused:
        from_foreign_headers({"ce-specversion": "1.0", "ce-id": "1", "ce-type": "t"})
    assert refused.value.header == "ce-source"


def test_the_size_on_the_wire_is_that_of_the_block_as_nats_writes_it() -> None:
    block = b"NATS/1.0\r\nA: 1\r\nce-subject: \xc3\xa9\r\n\r\n"
    assert header_size({"A": " 1 ", "ce-subject": "é"}) == len(block)
    assert size_on_wire({"A": "1", "ce-subject": "é"}, b"12345") == len(block) + 5
