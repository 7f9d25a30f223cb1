"""Decoding of OTLP export requests: untrusted bytes in, spans within named limits out. Pure."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from cli.views.trace.span import Span, SpanEvent, SpanLink, Value

MAX_EXPORT_BYTES: Final = 2 * 1024 * 1024
MAX_SPANS_PER_EXPORT: Final = 10_000
MAX_ATTRIBUTES: Final = 128  # of a span, an event, a link or a resource
MAX_EVENTS: Final = 128
MAX_LINKS: Final = 128
MAX_TEXT: Final = 4_096  # characters of a value, a status or a name
MAX_ELEMENTS: Final = 256  # of a list or a map
MAX_DEPTH: Final = 4  # of lists and maps within each other
MAX_TIME_NS: Final = 2**63 - 1
TRACE_ID_BYTES: Final = 16
SPAN_ID_BYTES: Final = 8
UNKNOWN_SERVICE: Final = "unknown"
TOO_DEEP: Final = "(nested too deep)"


class MalformedExportError(ValueError):
    """The bytes are no export request, or one beyond the limits."""


@dataclass(frozen=True, slots=True)
class Export:
    """A decoded request: its usable spans, the number of others, and why the first of those was refused."""

    spans: tuple[Span, ...]
    refused: int
    problem: str


def decode(data: bytes) -> Export:
    """Decode an ExportTraceServiceRequest; spans without usable ids or times are refused one by one.

    Raises:
        MalformedExportError: the bytes are not such a request.
    """
    try:
        request = ExportTraceServiceRequest.FromString(data)
    except DecodeError as error:
        raise MalformedExportError(f"not an ExportTraceServiceRequest: {error}") from None
    spans, problems = [], []
    for place, (span, resource) in enumerate(_spans_of(request)):
        problem = _problem(span) if place < MAX_SPANS_PER_EXPORT else f"over {MAX_SPANS_PER_EXPORT} spans in one export"
        if problem:
            problems.append(problem)
        else:
            spans.append(_to_span(span, resource))
    return Export(tuple(spans), len(problems), problems[0] if problems else "")


def _spans_of(request: ExportTraceServiceRequest) -> Iterator[tuple[trace_pb2.Span, dict[str, Value]]]:
    for resource_spans in request.resource_spans:
        resource, _omitted = _attributes(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                yield span, resource


def _problem(span: trace_pb2.Span) -> str:
    """Return why the span cannot be stored; empty if it can."""
    if len(span.trace_id) != TRACE_ID_BYTES or not any(span.trace_id):
        return f"trace_id has {len(span.trace_id)} bytes or is zero: {TRACE_ID_BYTES} bytes, not all zero"
    if len(span.span_id) != SPAN_ID_BYTES or not any(span.span_id):
        return f"span_id has {len(span.span_id)} bytes or is zero: {SPAN_ID_BYTES} bytes, not all zero"
    if len(span.parent_span_id) not in (0, SPAN_ID_BYTES):
        return f"parent_span_id has {len(span.parent_span_id)} bytes: none or {SPAN_ID_BYTES}"
    if not 0 < span.start_time_unix_nano <= MAX_TIME_NS or span.end_time_unix_nano > MAX_TIME_NS:
        return f"start_time_unix_nano {span.start_time_unix_nano}: from 1 to {MAX_TIME_NS}, as the end at most"
    return ""


def _to_span(span: trace_pb2.Span, resource: dict[str, Value]) -> Span:
    attributes, omitted = _attributes(span.attributes)
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex() if any(span.parent_span_id) else "",
        service=str(resource.get("service.name") or UNKNOWN_SERVICE),
        name=span.name[:MAX_TEXT],
        kind=_kind(span.kind),
        start_ns=span.start_time_unix_nano,
        # A clock that was set back during the work gives an end before the start.
        end_ns=max(span.start_time_unix_nano, span.end_time_unix_nano),
        failed=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        status=span.status.message[:MAX_TEXT],
        attributes=attributes,
        resource=resource,
        events=tuple(
            SpanEvent(each.name[:MAX_TEXT], min(each.time_unix_nano, MAX_TIME_NS), _attributes(each.attributes)[0])
            for each in span.events[:MAX_EVENTS]
        ),
        links=tuple(
            SpanLink(each.trace_id.hex()[:32], each.span_id.hex()[:16], _attributes(each.attributes)[0])
            for each in span.links[:MAX_LINKS]
        ),
        omitted=omitted
        + span.dropped_attributes_count
        + span.dropped_events_count
        + span.dropped_links_count
        + max(0, len(span.events) - MAX_EVENTS)
        + max(0, len(span.links) - MAX_LINKS),
    )


def _kind(number: int) -> str:
    """Return the name of a span's kind, such as `producer`; an unknown number is `unspecified`."""
    known = trace_pb2.Span.SpanKind.values()
    name = trace_pb2.Span.SpanKind.Name(number) if number in known else "SPAN_KIND_UNSPECIFIED"  # type: ignore[arg-type]  # checked
    return name.removeprefix("SPAN_KIND_").lower()


def _attributes(pairs: Iterable[KeyValue]) -> tuple[dict[str, Value], int]:
    """Return the first attributes and the number of the others."""
    found: dict[str, Value] = {}
    omitted = 0
    for pair in pairs:
        if len(found) < MAX_ATTRIBUTES:
            found[pair.key[:MAX_TEXT]] = _value(pair.value, MAX_DEPTH)
        else:
            omitted += 1
    return found, omitted


def _value(value: AnyValue, depth: int) -> Value:
    """Return the value as JSON holds it; infinities and NaN are text."""
    kind = value.WhichOneof("value")
    if kind in ("array_value", "kvlist_value"):
        return _compound(value, depth - 1) if depth else TOO_DEEP
    scalar: str | bool | int | float | bytes | None = getattr(value, kind) if kind else None
    if isinstance(scalar, float) and not math.isfinite(scalar):
        return str(scalar)
    if isinstance(scalar, bytes):
        return scalar[: MAX_TEXT // 2].hex()
    return scalar[:MAX_TEXT] if isinstance(scalar, str) else scalar


def _compound(value: AnyValue, depth: int) -> Value:
    if value.HasField("array_value"):
        return [_value(each, depth) for each in value.array_value.values[:MAX_ELEMENTS]]
    return {each.key[:MAX_TEXT]: _value(each.value, depth) for each in value.kvlist_value.values[:MAX_ELEMENTS]}
