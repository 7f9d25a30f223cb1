"""The receiver stores what it confirms, and refuses and counts the rest; over real gRPC, with a real store."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from prometheus_client import CollectorRegistry

from cli.views.trace.collector import store
from cli.views.trace.collector.otlp import MAX_EXPORT_BYTES
from cli.views.trace.collector.receiver import MAX_WAITING_EXPORTS, SERVICE_NAME, TraceReceiver, add_receiver
from cli.views.trace.collector.store import DATABASE, StoreLimits, open_store
from cli.views.trace.viewer.reader import open_traces
from mesh.serving.interceptor import MeshInterceptor, RpcMetrics
from mesh.telemetry.telemetry import Telemetry
from qiki_sdk.channel import SERVER_OPTIONS
from trace_spans import export, otlp_span, trace_id


@dataclass
class Running:
    receiver: TraceReceiver
    registry: CollectorRegistry
    target: str
    directory: Path

    async def send(self, data: bytes) -> ExportTraceServiceResponse:
        async with grpc.aio.insecure_channel(self.target) as channel:
            call = channel.unary_unary(
                f"/{SERVICE_NAME}/Export",
                request_serializer=bytes,
                response_deserializer=ExportTraceServiceResponse.FromString,
            )
            return await call(data, timeout=30)

    async def refused(self, data: bytes) -> tuple[grpc.StatusCode, str]:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.send(data)
        return caught.value.code(), caught.value.details() or ""

    def count(self, of: str, outcome: str) -> float | None:
        return self.registry.get_sample_value(f"qiki_collector_{of}_total", {"outcome": outcome})

    def stored(self, trace: str = trace_id(1)) -> list[str]:
        with open_traces(self.directory) as traces:
            return [each.name for each in traces.trace(trace)]


@asynccontextmanager
async def running(directory: Path) -> AsyncIterator[Running]:
    """A receiver on a server with the options and the interceptor of every service."""
    registry = CollectorRegistry()
    opened = open_store(directory, StoreLimits())
    receiver = TraceReceiver(opened, registry)
    interceptor = MeshInterceptor(RpcMetrics(registry), Telemetry("collector"))
    server = grpc.aio.server(interceptors=[interceptor], options=SERVER_OPTIONS)
    add_receiver(receiver, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield Running(receiver, registry, f"127.0.0.1:{port}", directory)
    finally:
        await server.stop(0)
        opened.close()


@pytest.mark.asyncio
async def test_a_confirmed_export_is_stored_and_counted(tmp_path: Path) -> None:
    async with running(tmp_path) as at:
        response = await at.send(export(otlp_span(1), otlp_span(2)))
        assert not response.HasField("partial_success")
        assert at.stored() == ["work 1", "work 2"]
        await at.send(export(otlp_span(1)))
        assert (at.count("spans", "stored"), at.count("spans", "repeated")) == (2, 1)
        assert at.receiver.facts().keys() == {"spans", "bytes"}


@pytest.mark.asyncio
async def test_the_exporter_of_opentelemetry_delivers_its_spans(tmp_path: Path) -> None:
    async with running(tmp_path) as at:
        provider = TracerProvider(resource=Resource.create({"service.name": "svc_x"}))
        provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"http://{at.target}", insecure=True)))
        span = provider.get_tracer("test").start_span("real work", attributes={"qiki.frame_id": "frame-1"})
        await asyncio.to_thread(span.end)
        await asyncio.to_thread(provider.shutdown)
        with open_traces(tmp_path) as traces:
            (found,) = traces.trace(traces.find("frame-1").trace_ids[0])
        assert (found.service, found.name) == ("svc_x", "real work")
        assert found.trace_id == f"{span.get_span_context().trace_id:032x}"


@pytest.mark.asyncio
async def test_a_malformed_export_is_refused_and_counted_and_the_next_is_stored(tmp_path: Path) -> None:
    async with running(tmp_path) as at:
        code, details = await at.refused(b"\xff" * 50)
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert "not an ExportTraceServiceRequest" in details
        await at.send(export(otlp_span(1)))
        assert at.stored() == ["work 1"]
        assert at.count("exports", "malformed") == 1
        facts = at.receiver.facts()
        assert (facts["refused_exports"], facts["last_refusal"]) == (1, details)


@pytest.mark.asyncio
async def test_a_huge_export_is_refused_and_counted(tmp_path: Path) -> None:
    async with running(tmp_path) as at:
        code, details = await at.refused(export(otlp_span(1, name="x" * MAX_EXPORT_BYTES)))
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert f"over {MAX_EXPORT_BYTES}: export fewer spans" in details
        assert at.count("exports", "too_large") == 1
        # Beyond the server's own limit it is refused before it is in memory.
        code, _details = await at.refused(export(otlp_span(1, name="x" * 3 * MAX_EXPORT_BYTES)))
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        await at.send(export(otlp_span(2)))
        assert at.stored() == ["work 2"]


@pytest.mark.asyncio
async def test_unusable_spans_are_reported_as_a_partial_success_and_counted(tmp_path: Path) -> None:
    async with running(tmp_path) as at:
        response = await at.send(export(otlp_span(1), otlp_span(2, trace_id=b"")))
        assert response.partial_success.rejected_spans == 1
        assert "trace_id has 0 bytes" in response.partial_success.error_message
        assert at.stored() == ["work 1"]
        assert (at.count("spans", "refused"), at.receiver.facts()["refused_spans"]) == (1, 1)


@pytest.mark.asyncio
async def test_what_cannot_be_stored_is_refused_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path) as at:
        monkeypatch.setattr(store, "MIN_FREE_BYTES", 2**62)
        code, details = await at.refused(export(otlp_span(1)))
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "free some space" in details
        assert at.count("exports", "not_stored") == 1
        monkeypatch.undo()
        await at.send(export(otlp_span(1)))
        assert at.stored() == ["work 1"]


@pytest.mark.asyncio
async def test_no_more_exports_wait_than_the_limit_and_those_that_wait_are_stored(tmp_path: Path) -> None:
    async with running(tmp_path) as at:
        with closing(sqlite3.connect(tmp_path / DATABASE, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # as if the disk were slow: no export ends before this lock does
            sent = [asyncio.create_task(at.send(export(otlp_span(n)))) for n in range(1, MAX_WAITING_EXPORTS + 2)]
            done, waiting = await asyncio.wait(sent, return_when=asyncio.FIRST_COMPLETED)
            (refused,) = done
            error = refused.exception()
            assert isinstance(error, grpc.aio.AioRpcError)
            assert error.code() is grpc.StatusCode.UNAVAILABLE
            other.execute("COMMIT")
        await asyncio.gather(*waiting)
        assert len(at.stored()) == MAX_WAITING_EXPORTS
        assert at.count("exports", "busy") == 1
