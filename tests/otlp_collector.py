"""An OTLP receiver over gRPC, for tests of what the services export."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass
class Collector(TraceServiceServicer):
    """An OTLP receiver that keeps the received spans by id, with the name of their service."""

    spans: dict[bytes, tuple[str, Span]] = field(default_factory=dict)
    repeated: list[str] = field(default_factory=list)
    resources: dict[str, dict[str, str]] = field(default_factory=dict)

    def Export(self, request: pb.ExportTraceServiceRequest, context: object) -> pb.ExportTraceServiceResponse:
        for resource in request.resource_spans:
            attributes = {each.key: each.value.string_value for each in resource.resource.attributes}
            self.resources[attributes["service.name"]] = attributes
            for scope in resource.scope_spans:
                for span in scope.spans:
                    if span.span_id in self.spans:
                        self.repeated.append(span.name)
                    self.spans[span.span_id] = (attributes["service.name"], span)
        return pb.ExportTraceServiceResponse()


@contextmanager
def collecting(port: int = 0) -> Iterator[tuple[Collector, str]]:
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    add_TraceServiceServicer_to_server(collector, server)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield collector, f"http://127.0.0.1:{port}"
    finally:
        server.stop(0)


def attributes_of(span: Span) -> dict[str, str | int | bool]:
    """Return the attributes of a span by name."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value") for each in span.attributes}
