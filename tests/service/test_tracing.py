"""Spans of real services on their way out: RPC status, exporters, and a collector that goes away."""

import asyncio
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.sdk.trace import TracerProvider

from otlp_collector import Collector, attributes_of, collecting
from qiki.sim.v1 import sim_service_pb2 as sim
from qiki.sim.v1.sim_service_pb2_grpc import SimServiceStub
from qiki_sdk.channel import connect

WAIT_S = 60.0
GONE = "the trace collector does not answer; spans are dropped"
BACK = "the trace collector answers again"


class Child:
    """A simulator that runs, and the lines of its log so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self.target = ""
        self._news = asyncio.Condition()

    async def read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            async with self._news:
                self.lines.append(line.decode())
                self._news.notify_all()

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines if line.startswith("{")]

    def count(self, event: str) -> int:
        return sum(each.get("event") == event for each in self.events())

    async def until(self, event: str) -> dict[str, Any]:
        async with asyncio.timeout(WAIT_S), self._news:
            await self._news.wait_for(lambda: self.count(event) > 0)
        return next(each for each in self.events() if each.get("event") == event)

    async def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(WAIT_S):
            return await self.process.wait()


@asynccontextmanager
async def simulator(**environment: str) -> AsyncIterator[Child]:
    """Run a simulator with these variables; all are OpenTelemetry's or the simulator's own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("QIKI_", "OTEL_"))}
    own = {"GRPC_PORT": "0", "HTTP_PORT": "0", "REGISTRAR_TARGET": "", "LOG_FORMAT": "json"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "svc_sim"),
        env={**kept, **{f"QIKI_SIM_{name}": value for name, value in own.items()}, **environment},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 22,
    )
    child = Child(process)
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(child.read())
        try:
            child.target = (await child.until("listening"))["grpc"]
            yield child
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            await reading


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


async def call(target: str, method: str, request: Any) -> str:
    async with connect(target) as channel:
        try:
            await getattr(SimServiceStub(channel), method)(request, timeout=WAIT_S)
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return "OK"


async def spans_of(collector: Collector, child: Child, name: str) -> list[Span]:
    """Stop the simulator, which exports what remains; return its spans of this name."""
    assert await child.stop() == 0
    return [span for _service, span in collector.spans.values() if span.name == name]


@pytest.mark.asyncio
async def test_a_refused_request_is_no_error_of_the_server() -> None:
    with collecting() as (collector, endpoint):
        async with simulator(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) as child:
            refused = await call(child.target, "StepSimulation", sim.StepSimulationRequest(ticks=0))
            (span,) = await spans_of(collector, child, "qiki.sim.v1.SimService/StepSimulation")
    assert refused in ("INVALID_ARGUMENT", "FAILED_PRECONDITION")
    found = attributes_of(span)
    assert (found["rpc.system.name"], found["rpc.method"]) == ("grpc", "qiki.sim.v1.SimService/StepSimulation")
    assert (found["rpc.response.status_code"], found["error.type"]) == (refused, refused)
    assert span.status.code == Status.STATUS_CODE_UNSET
    assert not span.events


@pytest.mark.asyncio
@pytest.mark.parametrize(("untraced", "traced"), [(None, 0), ("[]", 1)])
async def test_confirmations_make_spans_only_if_asked_for(untraced: str | None, traced: int) -> None:
    setting = {} if untraced is None else {"QIKI_SIM_UNTRACED_RPCS": untraced}
    with collecting() as (collector, endpoint):
        async with simulator(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, **setting) as child:
            await call(child.target, "ConfirmWorld", sim.ConfirmWorldRequest(reader="nobody", resume_token=b"x"))
            await call(child.target, "GetSimulation", sim.GetSimulationRequest())
            found = await spans_of(collector, child, "qiki.sim.v1.SimService/ConfirmWorld")
    assert len(found) == traced
    assert any(span.name.endswith("GetSimulation") for _service, span in collector.spans.values())


@pytest.mark.asyncio
async def test_an_absent_collector_makes_one_line_when_it_goes_and_one_when_it_is_back() -> None:
    port = free_port()
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}", "OTEL_BSP_SCHEDULE_DELAY": "200"}
    async with simulator(**environment) as child:
        await child.until(GONE)
        with collecting(port) as (collector, _endpoint):
            back = await child.until(BACK)
            assert collector.spans
            assert back["spans_lost"] > 0
            assert await child.stop() == 0
        levels = [each["level"] for each in child.events() if each.get("event") not in (GONE, BACK)]
    assert (child.count(GONE), child.count(BACK)) == (1, 1)
    assert set(levels) <= {"info"}, child.lines


@pytest.mark.asyncio
async def test_the_service_names_itself_and_its_version() -> None:
    with collecting() as (collector, endpoint):
        async with simulator(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_RESOURCE_ATTRIBUTES="deployment=test") as child:
            await call(child.target, "GetSimulation", sim.GetSimulationRequest())
            await spans_of(collector, child, "tick")
    assert collector.resources["svc_sim"]["deployment"] == "test"
    assert collector.resources["svc_sim"]["service.namespace"] == "qiki"
    assert collector.resources["svc_sim"]["service.version"]


@contextmanager
def http_collecting() -> Iterator[tuple[list[tuple[str, str, bytes]], str]]:
    """Run an OTLP receiver over HTTP; yield what it received - path, type, body - and its address."""
    received: list[tuple[str, str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, self.headers["Content-Type"], body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield received, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.asyncio
async def test_spans_go_out_over_http_too() -> None:
    with http_collecting() as (received, endpoint):
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
        async with simulator(**variables) as child:
            await call(child.target, "GetSimulation", sim.GetSimulationRequest())
            assert await child.stop() == 0
    assert {(path, kind) for path, kind, _body in received} == {("/v1/traces", "application/x-protobuf")}
    requests = [ExportTraceServiceRequest.FromString(body) for _path, _kind, body in received]
    spans = [
        span
        for each in requests
        for resource in each.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert "qiki.sim.v1.SimService/GetSimulation" in {span.name for span in spans}


@pytest.mark.asyncio
async def test_the_console_shows_spans_where_asked_for() -> None:
    async with simulator(OTEL_TRACES_EXPORTER="console", OTEL_BSP_SCHEDULE_DELAY="100") as child:
        async with asyncio.timeout(WAIT_S):
            while not any('"name": "tick"' in line for line in child.lines):  # noqa: ASYNC110  # the output is the interface
                await asyncio.sleep(0.05)
        assert await child.stop() == 0


@pytest.mark.asyncio
async def test_a_unary_call_is_a_child_of_the_callers_span() -> None:
    tracer = TracerProvider().get_tracer("test")
    with collecting() as (collector, endpoint):
        async with simulator(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) as child:
            with tracer.start_as_current_span("mine") as mine:
                assert await call(child.target, "GetSimulation", sim.GetSimulationRequest()) == "OK"
            (span,) = await spans_of(collector, child, "qiki.sim.v1.SimService/GetSimulation")
    own = mine.get_span_context()
    assert (int.from_bytes(span.trace_id), int.from_bytes(span.parent_span_id)) == (own.trace_id, own.span_id)
