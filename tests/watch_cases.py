"""What the conformance suite runs on: every Watch RPC behind a real server on a real socket, with time driven by hand.

The services are put together by their own wiring; only the simulator's loop does not run: the test makes the ticks.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

import svc_radar.wiring
import svc_sim.wiring
from mesh.feed import Feed
from mesh.health import Health
from mesh.interceptor import MeshInterceptor, RpcMetrics
from mesh.runtime import Base, Parts
from mesh.serving import MeshServer
from mesh.telemetry import Telemetry
from qiki.radar.v1 import radar_service_pb2
from qiki.radar.v1.radar_service_pb2_grpc import RadarServiceStub
from qiki.sim.v1 import sim_service_pb2
from qiki.sim.v1.sim_service_pb2_grpc import SimServiceStub
from qiki_sdk.channel import connect
from svc_radar.config import RadarSettings
from svc_sim.config import SimSettings

RUN_ID = "00000000-0000-4000-8000-000000000001"
OTHER_RUN_ID = "00000000-0000-4000-8000-000000000002"
START_TIME = "2026-01-01T00:00:00Z"
HEARTBEAT_S = 0.1
WAIT_S = 20.0


@dataclass(frozen=True)
class WatchCase:
    """One Watch RPC: the feed behind it, its stub, message types, and a filter that leaves some events out."""

    feed_name: str
    messages: Any
    stub_type: Callable[[grpc.aio.Channel], Any]
    watch: str
    confirm: str
    thin: Callable[["Served"], dict[str, Any]]

    def __str__(self) -> str:
        return self.watch


CASES = (
    WatchCase("world", sim_service_pb2, SimServiceStub, "WatchWorld", "ConfirmWorld", lambda _s: {"every_nth": 3}),
    WatchCase(
        "sensors",
        sim_service_pb2,
        SimServiceStub,
        "WatchSensors",
        "ConfirmSensors",
        lambda served: {"sensor_ids": [served.simulation.sensor_ids[0]]},
    ),
    WatchCase(
        "frames",
        radar_service_pb2,
        RadarServiceStub,
        "WatchFrames",
        "ConfirmFrames",
        lambda served: {"sensor_ids": [served.feed.newest().subject]},
    ),
)


class Served:
    """A running case."""

    def __init__(self, case: WatchCase, feed: Feed, simulation: Any, server: MeshServer, channel: grpc.aio.Channel):
        self.case = case
        self.feed = feed
        self.simulation = simulation
        self.server = server
        self.channel = channel
        self.stub = case.stub_type(channel)

    def request(self, **fields: Any) -> Any:
        return getattr(self.case.messages, f"{self.case.watch}Request")(**fields)

    def watch(self, **fields: Any) -> Any:
        """Open a stream; the caller reads responses from it."""
        return getattr(self.stub, self.case.watch)(self.request(**fields))

    async def confirm(self, reader: str, token: str) -> int:
        request = getattr(self.case.messages, f"{self.case.confirm}Request")(reader=reader, resume_token=token)
        response = await getattr(self.stub, self.case.confirm)(request, timeout=WAIT_S)
        return int(response.confirmed_sequence)

    async def produce(self, count: int) -> int:
        """Make ticks until the feed has that many events more; return its last sequence."""
        goal = self.feed.ring.last_sequence + count
        while self.feed.ring.last_sequence < goal:
            self.simulation.compute(self.simulation.tick + 1)
            await asyncio.sleep(0)
            if self.feed.name == "frames":
                await self.until(self.radar_has_caught_up)
        return self.feed.ring.last_sequence

    def radar_has_caught_up(self) -> bool:
        """Return whether the frames are as many as the world's snapshots make."""
        return self.feed.ring.last_sequence >= _frames_through(self.simulation)

    async def refolded(self) -> None:
        """Say that nothing of the past remains to be computed."""
        self.simulation.refolded()
        await self.until(lambda: not self.feed.refolding)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until the feed's changes have made it so."""
        async with asyncio.timeout(WAIT_S):
            while not holds():
                await self.feed.change.wait(0.05)


@asynccontextmanager
async def serve(case: WatchCase, state_dir: Path, **settings: Any) -> AsyncIterator[Served]:
    """Serve the case, and the simulator beneath it where it is another service's."""
    async with AsyncExitStack() as stack:
        common = {"grpc_port": 0, "http_port": 0, "heartbeat_s": HEARTBEAT_S, **settings}
        sim_settings = SimSettings(state_dir=state_dir, run_id=RUN_ID, start_time=START_TIME, **common)
        sim = svc_sim.wiring.build(sim_settings, _base("svc_sim"))
        simulation: Any = sim.mounts[0].servicer.simulation  # type: ignore[attr-defined]
        simulation.begin()
        server = await stack.enter_async_context(_running(sim, "127.0.0.1:0"))
        parts = sim
        if case.feed_name == "frames":
            radar_settings = RadarSettings(sim_target=f"127.0.0.1:{server.port}", **common)
            parts = svc_radar.wiring.build(radar_settings, _base("svc_radar"))
            server = await stack.enter_async_context(_running(parts, "127.0.0.1:0", with_loops=True))
        feed = next(feed for feed in parts.feeds if feed.name == case.feed_name)
        channel = await stack.enter_async_context(connect(f"127.0.0.1:{server.port}"))
        served = Served(case, feed, simulation, server, channel)
        await served.until(lambda: feed.run is not None)
        yield served


@asynccontextmanager
async def _running(parts: Parts, address: str, with_loops: bool = False) -> AsyncIterator[MeshServer]:
    base = _base("test")
    interceptor = MeshInterceptor(RpcMetrics(base.telemetry.registry), base.telemetry.tracer)
    server = MeshServer(address, parts.mounts, parts.feeds, base.health, interceptor)
    await server.start()
    base.health.up()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_run(loop)) for loop in parts.loops] if with_loops else []
        try:
            yield server
        finally:
            for task in tasks:
                task.cancel()
            await server.drain()


async def _run(loop: Callable[[], Any]) -> None:
    await loop()


def _base(service: str) -> Base:
    return Base(Health(service, stall_s=60.0), Telemetry(service, "", 1.0))


def _frames_through(simulation: Any) -> int:
    """Return how many scans of the example bot end by the present tick: one a second, and two, at 20 ticks each."""
    return int(simulation.tick // 20 + simulation.tick // 10)
