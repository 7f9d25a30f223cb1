"""An event as JSON: protobuf's own mapping, and back to the same bytes."""

import base64
import json
from datetime import UTC, datetime

from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from qiki.registrar.v1.registrar_service_pb2 import Attribute, AuditEvent, ForeignEvent
from qiki_sdk import codes
from qiki_sdk.audit_event import make_event
from svc_registrar import event_json
from svc_registrar.domain.lines import Line, encode, parse, time_text

TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
TIMES = st.builds(Timestamp, seconds=st.integers(-62_135_596_800, 253_402_300_799), nanos=st.integers(0, 999_999_999))
EVENTS = st.builds(
    AuditEvent,
    schema_version=st.integers(0, 2**32 - 1),
    event_id=TEXT,
    code=st.integers(0, 2**32 - 1),
    severity=st.integers(0, 4),
    reporter=TEXT,
    simulation_time=st.none() | TIMES,
    reported_time=st.none() | TIMES,
    message=TEXT,
    attributes=st.lists(st.builds(Attribute, name=TEXT, value=TEXT), max_size=3),
    traceparent=TEXT,
    producer_epoch=TEXT,
    producer_sequence=st.integers(0, 2**64 - 1),
    foreign_event=st.none()
    | st.builds(
        ForeignEvent,
        type=TEXT,
        attributes=st.lists(st.builds(Attribute, name=TEXT, value=TEXT), max_size=2),
        data=st.binary(max_size=40),
        data_size_bytes=st.integers(0, 2**64 - 1),
    ),
)


def line_of(event: AuditEvent) -> Line:
    content = event_json.to_content(event, event.SerializeToString(deterministic=True))
    line = parse(encode(content, 1, 0, time_text(0)))
    assert line is not None
    return line


@settings(deadline=None, max_examples=300)
@given(EVENTS)
def test_an_event_comes_back_from_its_line_byte_by_byte(event: AuditEvent) -> None:
    body = event.SerializeToString(deterministic=True)
    line = line_of(event)
    assert event_json.from_line(line) == (event, body)
    assert line.data.count(b"\n") == 1
    assert b'"wire"' not in line.content.rpartition(b"}")[2]


@settings(deadline=None)
@given(EVENTS)
def test_the_json_is_what_protobufs_own_parser_reads(event: AuditEvent) -> None:
    found = json.loads(b"{" + line_of(event).content + b"}")["event"]
    assert json_format.ParseDict(found, AuditEvent()) == event


def test_fields_of_a_later_version_are_kept_with_the_event() -> None:
    event = make_event("test", codes.GAP, "later")
    body = event.SerializeToString(deterministic=True) + b"\xfa\x7f\x03new"
    later = AuditEvent.FromString(body)
    line = line_of(later)
    found, stored = event_json.from_line(line)
    assert (found, stored) == (later, later.SerializeToString(deterministic=True))
    assert b"new" in stored
    assert base64.b64decode(json.loads(b"{" + line.content + b"}")["wire"]) == stored
    nested = make_event("test", codes.GAP, "nested", attributes={"a": 1})
    nested.attributes[0].MergeFromString(b"\xfa\x7f\x03new")
    assert event_json.from_line(line_of(nested))[1] == nested.SerializeToString(deterministic=True)


@given(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)), st.integers(0, 999_999_999))
def test_times_in_lines_are_iso_8601_with_nanoseconds(at: datetime, ns: int) -> None:
    seconds = int((at.replace(tzinfo=UTC, microsecond=0) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    text = time_text(seconds * 10**9 + ns).decode()
    assert text == at.replace(microsecond=0).isoformat() + f".{ns:09}Z"
    line = parse(encode(b'"event":1', 1, 0, text.encode()))
    assert line is not None
    assert line.recorded_ns == seconds * 10**9 + ns


def test_a_line_with_any_byte_changed_is_not_whole() -> None:
    data = encode(b'"event":{"message":"x"}', 7, 6, time_text(10**18))
    assert parse(data) is not None
    for place in range(len(data)):
        for bit in range(8):
            changed = data[:place] + bytes((data[place] ^ 1 << bit,)) + data[place + 1 :]
            assert parse(changed) is None, (place, bit)
