"""OTLP requests become spans within the limits; unusable ones are refused, whole or span by span."""

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1 import trace_pb2

from cli.views.trace.collector import otlp
from cli.views.trace.collector.otlp import MalformedExportError, decode
from cli.views.trace.span import SpanLink
from trace_spans import MS, T0_NS, export, otlp_span, pairs


def test_a_span_keeps_ids_times_status_attributes_events_and_links() -> None:
    (found,) = decode(
        export(
            otlp_span(
                7,
                parent_span_id=(6).to_bytes(8, "big"),
                kind=trace_pb2.Span.SPAN_KIND_PRODUCER,
                status=trace_pb2.Status(code=trace_pb2.Status.STATUS_CODE_ERROR, message="no space"),
                attributes=pairs({"messaging.message.id": "a-b", "qiki.tick": 12}),
                events=[trace_pb2.Span.Event(name="retry", time_unix_nano=T0_NS + 5, attributes=pairs({"n": 2}))],
                links=[trace_pb2.Span.Link(trace_id=b"\x02" * 16, span_id=b"\x03" * 8)],
            ),
            service="bridge",
        )
    ).spans
    assert (found.trace_id, found.span_id, found.parent_id) == (f"{1:032x}", f"{7:016x}", f"{6:016x}")
    assert (found.service, found.name, found.kind, found.duration_ns) == ("bridge", "work 7", "producer", MS)
    assert (found.failed, found.status) == (True, "no space")
    assert found.attributes == {"messaging.message.id": "a-b", "qiki.tick": 12}
    assert [(each.name, each.time_ns, each.attributes) for each in found.events] == [("retry", T0_NS + 5, {"n": 2})]
    assert found.links == (SpanLink("02" * 16, "03" * 8, {}),)
    assert found.omitted == 0


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"trace_id": b"short"}, "trace_id has 5 bytes"),
        ({"trace_id": bytes(16)}, "trace_id has 16 bytes or is zero"),
        ({"span_id": b""}, "span_id has 0 bytes"),
        ({"span_id": bytes(8)}, "span_id has 8 bytes or is zero"),
        ({"parent_span_id": b"abc"}, "parent_span_id has 3 bytes"),
        ({"start_time_unix_nano": 0}, "start_time_unix_nano 0"),
        ({"start_time_unix_nano": 2**63}, f"start_time_unix_nano {2**63}"),
        ({"end_time_unix_nano": 2**64 - 1}, "as the end at most"),
    ],
)
def test_an_unusable_span_is_refused_with_its_field_and_the_others_are_kept(
    fields: dict[str, object], problem: str
) -> None:
    found = decode(export(otlp_span(1), otlp_span(2, **fields), otlp_span(3)))
    assert [each.name for each in found.spans] == ["work 1", "work 3"]
    assert found.refused == 1
    assert problem in found.problem


def test_bytes_that_are_no_request_are_refused() -> None:
    with pytest.raises(MalformedExportError, match="not an ExportTraceServiceRequest"):
        decode(b"\xff" * 100)


def test_an_end_before_the_start_is_a_duration_of_zero() -> None:
    (found,) = decode(export(otlp_span(1, end_time_unix_nano=T0_NS - 5))).spans
    assert found.duration_ns == 0


def test_attributes_and_texts_beyond_the_limits_are_cut_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp, "MAX_ATTRIBUTES", 3)
    monkeypatch.setattr(otlp, "MAX_TEXT", 8)
    monkeypatch.setattr(otlp, "MAX_EVENTS", 1)
    events = [trace_pb2.Span.Event(name=f"event {number}") for number in range(3)]
    attributes = pairs({f"k{number}": "x" * 20 for number in range(5)})
    (found,) = decode(export(otlp_span(1, name="n" * 20, attributes=attributes, events=events))).spans
    assert found.attributes == {f"k{number}": "x" * 8 for number in range(3)}
    assert found.name == "n" * 8
    assert [each.name for each in found.events] == ["event 0"]
    assert found.omitted == 2 + 2


def test_spans_beyond_the_number_of_one_export_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp, "MAX_SPANS_PER_EXPORT", 2)
    found = decode(export(*(otlp_span(number) for number in range(1, 6))))
    assert (len(found.spans), found.refused, found.problem) == (2, 3, "over 2 spans in one export")


def test_values_of_every_type_become_json_and_nesting_has_a_limit() -> None:
    deep = AnyValue(string_value="bottom")
    for _ in range(otlp.MAX_DEPTH + 1):
        deep = AnyValue(array_value=ArrayValue(values=[deep]))
    values = {
        "bool": AnyValue(bool_value=False),
        "nan": AnyValue(double_value=float("nan")),
        "bytes": AnyValue(bytes_value=b"\x00\xff"),
        "map": AnyValue(kvlist_value=KeyValueList(values=pairs({"a": 1}))),
        "none": AnyValue(),
        "deep": deep,
    }
    (found,) = decode(
        export(otlp_span(1, attributes=[KeyValue(key=key, value=value) for key, value in values.items()]))
    ).spans
    nested: object = otlp.TOO_DEEP
    for _ in range(otlp.MAX_DEPTH):
        nested = [nested]
    expected = {"bool": False, "nan": "nan", "bytes": "00ff", "map": {"a": 1}, "none": None, "deep": nested}
    assert found.attributes == expected
