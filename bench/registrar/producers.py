"""Fifty pipelined producers against a registrar process: durable events a second, and the time to each receipt."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from nats_server import free_port
from qiki.registrar.v1 import registrar_service_pb2 as pb
from qiki.registrar.v1.registrar_service_pb2_grpc import RegistrarServiceStub
from qiki_sdk import codes
from qiki_sdk.audit_event import make_event
from qiki_sdk.channel import connect

PRODUCERS = 50
# Requests that a producer has in flight, and events of a request: as the SDK's spool sends them under load.
IN_FLIGHT = 4
EVENTS_A_REQUEST = 20
START_TIMEOUT_S = 60.0
REQUEST_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Recorded:
    """One measurement: receipts given, seconds, and the milliseconds to each receipt."""

    events: int
    seconds: float
    latencies_ms: list[float]

    @property
    def rate(self) -> float:
        """Durable events a second."""
        return self.events / self.seconds


@asynccontextmanager
async def registrar(state_dir: Path) -> AsyncIterator[tuple[RegistrarServiceStub, int]]:
    """Run a registrar process; yield its stub and its process id."""
    port = free_port()
    settings = {
        "QIKI_REGISTRAR_STATE_DIR": str(state_dir),
        "QIKI_REGISTRAR_GRPC_PORT": str(port),
        "QIKI_REGISTRAR_HTTP_PORT": "0",
        "QIKI_REGISTRAR_TRACE_EXPORTER": "none",
        "QIKI_REGISTRAR_LOG_LEVEL": "warning",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "svc_registrar", env={**os.environ, **settings}
    )
    try:
        async with connect(f"127.0.0.1:{port}") as channel:
            stub = RegistrarServiceStub(channel)
            await stub.GetLog(pb.GetLogRequest(), timeout=START_TIMEOUT_S, wait_for_ready=True)
            yield stub, process.pid
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def record(state_dir: Path, requests: int) -> Recorded:
    """Send so many requests from every producer, and wait for every receipt.

    Raises:
        RuntimeError: a receipt is missing, or its event is not in the log.
    """
    latencies_ms: list[float] = []
    receipts: list[int] = []
    async with registrar(state_dir) as (stub, _pid):
        began_s = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for producer in range(PRODUCERS):
                group.create_task(_produce(stub, f"producer-{producer}", requests, latencies_ms, receipts))
        seconds = time.perf_counter() - began_s
        log = await stub.GetLog(pb.GetLogRequest())
    expected = PRODUCERS * requests * EVENTS_A_REQUEST
    if len(set(receipts)) != expected or max(receipts) > log.last_sequence:
        raise RuntimeError(f"{len(set(receipts))} receipts of {expected}; the log has {log.last_sequence} events")
    return Recorded(expected, seconds, latencies_ms)


async def _produce(
    stub: RegistrarServiceStub, name: str, requests: int, latencies_ms: list[float], receipts: list[int]
) -> None:
    room = asyncio.Semaphore(IN_FLIGHT)

    async def send(request: pb.RecordEventsRequest) -> None:
        began_s = time.perf_counter()
        response = await stub.RecordEvents(request, timeout=REQUEST_TIMEOUT_S)
        latencies_ms.append((time.perf_counter() - began_s) * 1e3)
        receipts.extend(result.receipt.sequence for result in response.results)
        room.release()

    async with asyncio.TaskGroup() as group:
        for number in range(requests):
            await room.acquire()
            group.create_task(send(_request(name, number)))


def _request(reporter: str, number: int) -> pb.RecordEventsRequest:
    attributes = {"first": number, "last": number + 5, "feed": "frames"}
    events = [
        make_event(reporter, codes.GAP, f"event {number} {item}", attributes=attributes)
        for item in range(EVENTS_A_REQUEST)
    ]
    return pb.RecordEventsRequest(events=events)
