"""A simulator for tests, within this process or in one of its own, and a client of its RPCs."""

import asyncio
import json
import math
import os
import resource
import socket
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

import svc_sim.wiring
from mesh.serving.health import Health
from mesh.serving.interceptor import MeshInterceptor
from mesh.serving.rpc_metrics import RpcMetrics
from mesh.serving.runtime import ServiceContext
from mesh.serving.server import MeshServer
from mesh.telemetry.telemetry import Telemetry
from qiki.sim.v1 import sim_service_pb2 as pb
from qiki.sim.v1.commands_pb2 import Command, CommandResult, SetHelm
from qiki.sim.v1.sim_service_pb2_grpc import SimServiceStub
from qiki_sdk.audit import AuditReporter
from qiki_sdk.channel import connect
from qiki_sdk.errors import from_rpc_error
from svc_sim.config import SimSettings

WAIT_S = 20.0
GIVEN = {"run_id": "0b6e1c1e-0000-4000-8000-0000000000aa", "start_time": "2026-01-01T00:00:00Z"}


class Client:
    """The RPCs of a simulator, with refusals typed."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.stub = SimServiceStub(channel)
        self.health: Any = health_pb2_grpc.HealthStub(channel)

    async def call(self, method: str, request: Any) -> Any:
        try:
            return await getattr(self.stub, method)(request, timeout=WAIT_S)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error

    async def execute(self, command: Command) -> pb.ExecuteCommandResponse:
        response: pb.ExecuteCommandResponse = await self.call(
            "ExecuteCommand", pb.ExecuteCommandRequest(command=command)
        )
        return response

    async def result(self, command: Command) -> CommandResult:
        return (await self.execute(command)).result

    async def step(self, ticks: int) -> pb.SimulationState:
        response: pb.StepSimulationResponse = await self.call("StepSimulation", pb.StepSimulationRequest(ticks=ticks))
        return response.state

    async def state(self) -> pb.SimulationState:
        response: pb.GetSimulationResponse = await self.call("GetSimulation", pb.GetSimulationRequest())
        return response.state

    async def speed_mps(self) -> float:
        velocity = (await self.call("GetWorld", pb.GetWorldRequest())).snapshot.own_ship.velocity
        return math.hypot(velocity.x, velocity.y)

    async def history(self, count: int) -> dict[int, bytes]:
        """The first snapshots that are retained, as bytes by tick."""
        call = self.stub.WatchWorld(pb.WatchWorldRequest(from_oldest=True))
        found: dict[int, bytes] = {}
        try:
            async with asyncio.timeout(WAIT_S):
                while len(found) < count:
                    response: Any = await call.read()
                    if response.HasField("snapshot"):
                        found[response.snapshot.tick] = response.snapshot.SerializeToString(deterministic=True)
        finally:
            call.cancel()
        return found

    async def events(self, rpc: str, count: int, **request: Any) -> list[Any]:
        """The first retained events of a feed, as responses without their wall-clock times."""
        call = getattr(self.stub, f"Watch{rpc}")(getattr(pb, f"Watch{rpc}Request")(from_oldest=True, **request))
        found: list[Any] = []
        try:
            async with asyncio.timeout(WAIT_S):
                while len(found) < count:
                    response: Any = await call.read()
                    assert response is not grpc.aio.EOF, "the stream ended early"
                    if response.HasField("context"):
                        response.context.ClearField("recorded_time")
                        response.context.ClearField("run_created")
                        found.append(response)
        finally:
            call.cancel()
        return found

    async def until_health(self, wanted: int) -> None:
        async with asyncio.timeout(WAIT_S):
            call = self.health.Watch(health_pb2.HealthCheckRequest())
            try:
                while (await call.read()).status != wanted:
                    pass
            finally:
                call.cancel()


def helm(tick: int = 0, command_id: str = "", **values: float) -> Command:
    return Command(command_id=command_id or str(uuid.uuid4()), tick=tick, set_helm=SetHelm(**values))


@asynccontextmanager
async def served(state_dir: Path, **settings: Any) -> AsyncIterator[Client]:
    """Serve a simulator within this process, paused by default."""
    name = "svc_sim"
    base = ServiceContext(Health(name, stall_s=60.0), Telemetry(name), AuditReporter("", name))
    with base.resources:
        wanted: Any = {"paused": True, "heartbeat_s": 0.1, **GIVEN, **settings}
        parts = svc_sim.wiring.build(SimSettings(state_dir=state_dir, **wanted), base)
        interceptor = MeshInterceptor(RpcMetrics(base.telemetry.registry), base.telemetry)
        server = MeshServer("127.0.0.1:0", parts.mounts, parts.feeds, base.health, interceptor)
        await server.start()
        base.health.up()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_run(loop)) for loop in (*parts.loops, server.watch_health)]
            try:
                async with connect(f"127.0.0.1:{server.port}") as channel:
                    yield Client(channel)
            finally:
                await server.drain()
                for task in tasks:
                    task.cancel()


async def _run(loop: Callable[[], Awaitable[None]]) -> None:
    await loop()


class Child:
    """A simulator in a separate process."""

    def __init__(
        self, state_dir: Path, scenario: Path, environment: Mapping[str, str] | None = None, **settings: object
    ) -> None:
        self.port, self.http_port = _free_port(), _free_port()
        wanted = {
            "STATE_DIR": state_dir,
            "SCENARIO": scenario,
            "GRPC_PORT": self.port,
            "HTTP_PORT": self.http_port,
            "REGISTRAR_TARGET": "",
            **{key.upper(): value for key, value in {**GIVEN, **settings}.items()},
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "svc_sim"],
            env={
                **os.environ,
                **{f"QIKI_SIM_{key}": str(value) for key, value in wanted.items()},
                **(environment or {}),
            },
            stderr=subprocess.PIPE,
            text=True,
        )

    def healthz(self) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/healthz", timeout=WAIT_S) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            return dict(json.load(error))

    def let_files_grow_to(self, size_bytes: int) -> None:
        hard = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (size_bytes, hard))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(WAIT_S)

    def end(self) -> str:
        """Kill the process if it still runs, and return what it wrote."""
        self.process.kill()
        return self.process.communicate(timeout=WAIT_S)[1]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def spawned(
    state_dir: Path, scenario: Path, environment: Mapping[str, str] | None = None, **settings: object
) -> AsyncIterator[tuple[Child, Client]]:
    child = Child(state_dir, scenario, environment, **settings)
    try:
        async with connect(f"127.0.0.1:{child.port}") as channel:
            client = Client(channel)
            await client.stub.GetRun(pb.GetRunRequest(), wait_for_ready=True, timeout=WAIT_S)
            yield child, client
    finally:
        child.end()
