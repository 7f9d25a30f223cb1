"""A gRPC server of the mesh: one port, health by loop progress, reflection, limits, and a bounded shutdown."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH_NAME
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection

from mesh.serving.departures import quieten_departures
from mesh.serving.errors import StartError
from mesh.serving.health import Health
from mesh.serving.interceptor import MeshInterceptor
from qiki_sdk.channel import SERVER_OPTIONS

MAX_CONCURRENT_RPCS = 1_000
HEALTH_PERIOD_S = 0.5
# Draining ends the streams; only health watches remain, which end only on request.
STOP_GRACE_S = 0.25
_LOG = logging.getLogger(__name__)
_Status = health_pb2.HealthCheckResponse


@dataclass(frozen=True, slots=True)
class GrpcService:
    """One service to serve: its full name, the generated function that registers it, and the servicer."""

    name: str
    register: Callable[[Any, grpc.aio.Server], None]
    servicer: object


class Drainable(Protocol):
    """Owner of open streams, which it ends with Draining on request."""

    def drain(self) -> None:
        """Ask every reader to reconnect elsewhere, and accept no new ones."""


class MeshServer:
    """Server of the mounts on one port, with health and reflection."""

    def __init__(
        self,
        address: str,
        mounts: Sequence[GrpcService],
        feeds: Iterable[Drainable],
        health: Health,
        interceptor: MeshInterceptor,
    ) -> None:
        self._address = address
        self._feeds = tuple(feeds)
        self._health = health
        self._names = ("", *(mount.name for mount in mounts))
        self._statuses = health_aio.HealthServicer()
        quieten_departures()
        self._server = grpc.aio.server(
            interceptors=[interceptor], options=SERVER_OPTIONS, maximum_concurrent_rpcs=MAX_CONCURRENT_RPCS
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._statuses, self._server)
        for mount in mounts:
            mount.register(mount.servicer, self._server)
        shown = (*self._names[1:], HEALTH_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(shown, self._server)
        self.port = 0

    async def start(self) -> None:
        """Bind and start to answer.

        Raises:
            StartError: the port is in use.
        """
        try:
            self.port = self._server.add_insecure_port(self._address)
        except RuntimeError:
            self.port = 0
        if self.port == 0:
            raise StartError(
                f"cannot listen on {self._address}: the port is taken or not allowed; choose another with grpc_port"
            )
        await self.publish()
        await self._server.start()

    async def watch_health(self) -> None:
        """Publish the health report periodically, until cancelled."""
        while True:
            await self.publish()
            await asyncio.sleep(HEALTH_PERIOD_S)

    async def drain(self) -> None:
        """Shut down: report NOT_SERVING, send Draining on every stream, stop."""
        self._health.draining()
        await self.publish()
        for feed in self._feeds:
            feed.drain()
        await self._server.stop(STOP_GRACE_S)

    async def publish(self) -> None:
        """Publish the current health report."""
        status = _Status.SERVING if self._health.report().serving else _Status.NOT_SERVING
        for name in self._names:
            await self._statuses.set(name, status)
