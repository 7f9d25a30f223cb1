"""Spans for the tests of the trace viewer, as the store holds them and as OTLP carries them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2

from cli.views.trace.collector.store import StoreLimits, TraceStore, open_store
from cli.views.trace.span import Span

T0_NS = 1_790_000_000_000_000_000
MS = 1_000_000


def trace_id(number: int) -> str:
    return f"{number:032x}"


def span(number: int, *, trace: int = 1, parent: int = 0, at_ms: float = 0, ms: float = 1, **fields: Any) -> Span:
    """Return a span of a trace; `at_ms` is its start after T0_NS."""
    start_ns = T0_NS + int(at_ms * MS)
    given: dict[str, Any] = {
        "service": "svc_sim",
        "name": f"work {number}",
        "kind": "internal",
        "failed": False,
        "status": "",
        "attributes": {},
        "resource": {"service.name": "svc_sim"},
    }
    return Span(
        trace_id=trace_id(trace),
        span_id=f"{number:016x}",
        parent_id=f"{parent:016x}" if parent else "",
        start_ns=start_ns,
        end_ns=start_ns + int(ms * MS),
        **given | fields,
    )


def store_with(directory: Path, *spans: Span, limits: StoreLimits | None = None) -> TraceStore:
    """Return a new store that holds the spans, each stored by an export of its own, in this order."""
    store = open_store(directory, limits or StoreLimits())
    for each in spans:
        store.add([each])
    return store


def pairs(attributes: Mapping[str, str | int]) -> list[KeyValue]:
    return [
        KeyValue(key=key, value=AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value))
        for key, value in attributes.items()
    ]


def otlp_span(number: int = 1, **fields: Any) -> trace_pb2.Span:
    given: dict[str, Any] = {
        "trace_id": (1).to_bytes(16, "big"),
        "span_id": number.to_bytes(8, "big"),
        "name": f"work {number}",
        "start_time_unix_nano": T0_NS,
        "end_time_unix_nano": T0_NS + MS,
    }
    return trace_pb2.Span(**given | fields)


def export(*spans: trace_pb2.Span, service: str = "svc_sim") -> bytes:
    """Return the spans as an encoded export request of one service."""
    scope = trace_pb2.ScopeSpans(spans=spans)
    resource = Resource(attributes=pairs({"service.name": service}))
    request = ExportTraceServiceRequest(
        resource_spans=[trace_pb2.ResourceSpans(resource=resource, scope_spans=[scope])]
    )
    return request.SerializeToString()
