"""The tracker's gRPC server in its own process, without a radar as source."""

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Final

import svc_tracker.wiring
from mesh.serving.health import Health
from mesh.serving.interceptor import MeshInterceptor
from mesh.serving.rpc_metrics import RpcMetrics
from mesh.serving.runtime import ServiceContext
from mesh.serving.server import MeshServer
from mesh.telemetry.telemetry import Telemetry
from qiki_sdk.audit import AuditReporter
from svc_tracker.config import TrackerSettings

START_TIMEOUT_S: Final = 60.0


@contextmanager
def server_process() -> Iterator[int]:
    """Start a server in its own process and yield its port; the server ends with the block.

    Raises:
        TimeoutError: the server did not start in time.
    """
    context = multiprocessing.get_context("spawn")
    own_end, server_end = context.Pipe()
    process = context.Process(target=_serve, args=(server_end,), daemon=True)
    process.start()
    try:
        if not own_end.poll(START_TIMEOUT_S):
            raise TimeoutError(f"the server did not start within {START_TIMEOUT_S:g} s")
        yield own_end.recv()
    finally:
        own_end.send("stop")
        process.join(START_TIMEOUT_S)


def _serve(parent: Connection) -> None:
    """Serve the tracker as the service does, without a radar as source, until the parent ends it."""
    asyncio.run(_serve_until_stopped(parent))


async def _serve_until_stopped(parent: Connection) -> None:
    service = ServiceContext(Health("bench", stall_s=60.0), Telemetry("bench"), AuditReporter("", "bench"))
    parts = svc_tracker.wiring.build(TrackerSettings(grpc_port=0, http_port=0), service)
    interceptor = MeshInterceptor(RpcMetrics(service.telemetry.registry), service.telemetry)
    server = MeshServer("127.0.0.1:0", parts.mounts, parts.feeds, service.health, interceptor)
    await server.start()
    parent.send(server.port)
    await asyncio.to_thread(parent.recv)
    await server.drain()
