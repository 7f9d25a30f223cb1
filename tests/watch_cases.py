"""Cases of the conformance suite: every Watch RPC behind a real server on a real socket, with time driven by hand.

The services are put together by their own wiring; only the simulator's loop does not run: the test makes the ticks.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc

import svc_radar.wiring
import svc_registrar.wiring
import svc_sim.wiring
import svc_tracker.wiring
from botspec.example import example_bot_spec
from botspec.model import load_bot_spec
from craft_bot import write_bot_spec
from mesh.serving.health import Health
from mesh.serving.interceptor import MeshInterceptor
from mesh.serving.rpc_metrics import RpcMetrics
from mesh.serving.runtime import ServiceContext, ServiceParts
from mesh.serving.server import MeshServer
from mesh.telemetry.telemetry import Telemetry
from qiki.radar.v1 import radar_service_pb2
from qiki.radar.v1.radar_service_pb2_grpc import RadarServiceStub
from qiki.registrar.v1 import registrar_service_pb2
from qiki.registrar.v1.registrar_service_pb2_grpc import RegistrarServiceStub
from qiki.sim.v1 import sim_service_pb2
from qiki.sim.v1.commands_pb2 import Command, CommandOutcome, SwitchPower
from qiki.sim.v1.sim_service_pb2_grpc import SimServiceStub
from qiki.tracker.v1 import tracker_service_pb2
from qiki.tracker.v1.guard_pb2 import GuardEvent
from qiki.tracker.v1.tracker_service_pb2_grpc import TrackerServiceStub
from qiki_sdk.audit import AuditReporter
from qiki_sdk.audit_event import make_event
from qiki_sdk.channel import connect
from qiki_sdk.codes import BOOT_OK, SHUTDOWN
from svc_radar.config import RadarSettings
from svc_registrar.config import RegistrarSettings
from svc_sim.config import SimSettings
from svc_tracker.config import TrackerSettings

RUN_ID = "00000000-0000-4000-8000-000000000001"
OTHER_RUN_ID = "00000000-0000-4000-8000-000000000002"
START_TIME = "2026-01-01T00:00:00Z"
HEARTBEAT_S = 0.1
RULES = tuple(rule.name for rule in load_bot_spec(example_bot_spec()).spec.guard_rules)
WAIT_S = 20.0


@dataclass(frozen=True)
class WatchCase:
    """One Watch RPC: the service and the feed behind it, its stub, message types, and a filter that leaves some out."""

    service: str
    feed_name: str
    rpc: str
    messages: Any
    stub_type: Callable[[grpc.aio.Channel], Any]
    thin: Callable[["Served"], dict[str, Any]]
    columns: bool = False
    craft: bool = False

    @property
    def watch(self) -> str:
        return f"Watch{self.rpc}"

    @property
    def confirm(self) -> str:
        return f"Confirm{self.rpc}"

    def __str__(self) -> str:
        return f"{self.watch} in columns" if self.columns else self.watch


DERIVED_CASES: tuple[WatchCase, ...] = (
    WatchCase("sim", "world", "World", sim_service_pb2, SimServiceStub, lambda _: {"every_nth": 3}),
    WatchCase(
        "sim",
        "sensors",
        "Sensors",
        sim_service_pb2,
        SimServiceStub,
        lambda served: {"sensor_ids": [served.simulation.sensor_ids[0]]},
    ),
    WatchCase(
        "radar",
        "frames",
        "Frames",
        radar_service_pb2,
        RadarServiceStub,
        lambda served: {"sensor_ids": [served.feed.newest().subject]},
    ),
    WatchCase("tracker", "tracks", "Tracks", tracker_service_pb2, TrackerServiceStub, lambda _: {"every_nth_frame": 3}),
    WatchCase(
        "tracker",
        "guard",
        "Guard",
        tracker_service_pb2,
        TrackerServiceStub,
        lambda served: {"rules": [served.feed.newest().subject]},
    ),
)
# The feeds of a bot with a rigid body.
CRAFT_CASES = tuple(
    WatchCase("sim", name, rpc, sim_service_pb2, SimServiceStub, lambda _: {"every_nth": 3}, craft=True)
    for name, rpc in (("energy", "Energy"), ("shield", "Shield"), ("nav", "NavState"))
)
DERIVED_CASES += CRAFT_CASES
RECORDED_CASES = (
    WatchCase(
        "sim",
        "commands",
        "Commands",
        sim_service_pb2,
        SimServiceStub,
        lambda _: {"command_ids": [command_id(number) for number in range(3, 300, 3)]},
        craft=True,
    ),
    WatchCase(
        "registrar",
        "audit",
        "Events",
        registrar_service_pb2,
        RegistrarServiceStub,
        lambda _: {"codes": [SHUTDOWN.number]},
    ),
)
CASES = DERIVED_CASES + RECORDED_CASES
# The same feed in its other layout.
COLUMNS_CASE = replace(next(case for case in DERIVED_CASES if case.feed_name == "frames"), columns=True)
# It has neither a filter nor required readers, and does not go to NATS.
TRUTH_CASE = WatchCase("radar", "truth", "Truth", radar_service_pb2, RadarServiceStub, lambda _: {})


def command_id(number: int) -> str:
    """Return the id of a command of the test's own."""
    return str(uuid.UUID(int=number, version=4))


class Served:
    """A running case."""

    def __init__(self, case: WatchCase, parts: ServiceParts, simulation: Any, server: MeshServer, channel: Any) -> None:
        feed = next(feed for feed in parts.feeds if feed.name == case.feed_name)
        self.case = case
        self.servicer: Any = parts.mounts[0].servicer
        self.feed = feed
        self.simulation = simulation
        self.server = server
        self.channel = channel
        self.stub = case.stub_type(channel)
        # The events of the feed before the test's own: the registrar records its own start.
        self.begun = feed.store.last_sequence

    def request(self, **fields: Any) -> Any:
        if self.case.columns:
            fields["columns"] = True
        return getattr(self.case.messages, f"{self.case.watch}Request")(**fields)

    def watch(self, **fields: Any) -> Any:
        """Open a stream; the caller reads responses from it."""
        return getattr(self.stub, self.case.watch)(self.request(**fields))

    async def confirm(self, reader: str, token: str) -> int:
        request = getattr(self.case.messages, f"{self.case.confirm}Request")(reader=reader, resume_token=token)
        response = await getattr(self.stub, self.case.confirm)(request, timeout=WAIT_S)
        return int(response.confirmed_sequence)

    async def produce(self, count: int) -> int:
        """Append at least that many events to the feed; return its last sequence."""
        if self.case.service == "registrar":
            await self._record(count)
        elif self.case.feed_name == "commands":
            await self._command(count)
        elif self.case.feed_name == "guard":
            self._alarm(count)
        else:
            await self._simulate(count)
        return self.feed.store.last_sequence

    async def _simulate(self, count: int) -> None:
        goal = self.feed.store.last_sequence + count
        while self.feed.store.last_sequence < goal:
            self.simulation.compute(self.simulation.tick + 1)
            await asyncio.sleep(0)
            if self.case.service != "sim":
                await self.until(lambda: self.feed.store.last_sequence >= _scans_through(self.simulation.tick))

    def _alarm(self, count: int) -> None:
        """Append alarms of the BotSpec's rules in turn, ten a second; the simulation is stopped and raises none."""
        run = self.feed.run
        assert run is not None
        first = self.feed.store.last_sequence + 1
        for sequence in range(first, first + count):
            time_ns = run.start_time.ToNanoseconds() + sequence * 100_000_000
            event = GuardEvent(schema_version=1, rule=RULES[sequence % len(RULES)], alarm_id=f"alarm {sequence}")
            event.time.FromNanoseconds(time_ns)
            self.feed.append(event, sequence=sequence, time_ns=time_ns, tick=2 * sequence, subject=event.rule)

    async def _record(self, count: int) -> None:
        first = self.feed.store.last_sequence + 1
        events = [
            make_event("test", SHUTDOWN if number % 3 == 0 else BOOT_OK, f"event {number}")
            for number in range(first, first + count)
        ]
        request = registrar_service_pb2.RecordEventsRequest(events=events)
        response = await self.stub.RecordEvents(request, timeout=WAIT_S)
        assert all(result.WhichOneof("result") == "receipt" for result in response.results)

    async def _command(self, count: int) -> None:
        """Have commands accepted for a tick that is not reached: one event each."""
        first = self.feed.store.last_sequence + 1
        for number in range(first, first + count):
            action = SwitchPower(component="camera", on=number % 2 == 0)
            command = Command(command_id=command_id(number), tick=1_000, switch_power=action)
            request = sim_service_pb2.ExecuteCommandRequest(command=command)
            response = await self.stub.ExecuteCommand(request, timeout=WAIT_S)
            assert response.result.outcome == CommandOutcome.COMMAND_OUTCOME_APPLIED

    async def replayed(self) -> None:
        """Report that the replay is complete."""
        if self.case.service != "registrar":
            self.simulation.replayed()
        await self.until(lambda: not self.feed.replaying)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until the condition holds; check it after each change of the feed."""
        async with asyncio.timeout(WAIT_S):
            while not holds():
                await self.feed.change.wait(0.05)


@asynccontextmanager
async def serve(
    case: WatchCase, state_dir: Path, tracker_state_dir: Path | None = None, **settings: Any
) -> AsyncIterator[Served]:
    """Serve the case, and the services beneath it where it folds what they stream."""
    common = {"grpc_port": 0, "http_port": 0, "heartbeat_s": HEARTBEAT_S, "registrar_target": "", **settings}
    async with AsyncExitStack() as stack:
        simulation: Any = None

        def base() -> ServiceContext:
            made = service_context()
            stack.enter_context(made.resources)
            return made

        if case.service == "registrar":
            parts = svc_registrar.wiring.build(RegistrarSettings(state_dir=state_dir, **common), base())
            server = await stack.enter_async_context(running(parts, parts.loops))
        else:
            if case.craft:
                common = {"bot_spec": write_bot_spec(state_dir), **common}
            sim_settings = SimSettings(state_dir=state_dir, run_id=RUN_ID, start_time=START_TIME, **common)
            parts = svc_sim.wiring.build(sim_settings, base())
            simulation = parts.mounts[0].servicer.simulation  # type: ignore[attr-defined]
            simulation.begin()
            server = await stack.enter_async_context(running(parts, parts.loops[1:2]))  # that of the commands
        if case.service in ("radar", "tracker"):
            target = f"127.0.0.1:{server.port}"
            serve_truth = case is TRUTH_CASE
            radar_settings = RadarSettings(sim_target=target, serve_truth=serve_truth, **common)
            parts = svc_radar.wiring.build(radar_settings, base())
            server = await stack.enter_async_context(running(parts, parts.loops))
        if case.service == "tracker":
            target = f"127.0.0.1:{server.port}"
            fine = {"checkpoint_period_s": 0.1, "state_dir": tracker_state_dir}
            parts = svc_tracker.wiring.build(TrackerSettings(radar_target=target, **common, **fine), base())
            server = await stack.enter_async_context(running(parts, parts.loops))
        feed = next(feed for feed in parts.feeds if feed.name == case.feed_name)
        async with asyncio.timeout(WAIT_S):
            while feed.run is None or (case.service == "registrar" and feed.store.last_sequence == 0):
                await feed.change.wait(0.05)
        channel = await stack.enter_async_context(connect(f"127.0.0.1:{server.port}"))
        yield Served(case, parts, simulation, server, channel)


@asynccontextmanager
async def running(
    parts: ServiceParts, loops: Sequence[Callable[[], Awaitable[None]]] = ()
) -> AsyncIterator[MeshServer]:
    base = service_context()
    interceptor = MeshInterceptor(RpcMetrics(base.telemetry.registry), base.telemetry)
    server = MeshServer("127.0.0.1:0", parts.mounts, parts.feeds, base.health, interceptor)
    await server.start()
    base.health.up()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_run(loop)) for loop in loops]
        try:
            yield server
        finally:
            await server.drain()
            for task in tasks:
                task.cancel()


async def _run(loop: Callable[[], Any]) -> None:
    await loop()


def service_context() -> ServiceContext:
    """Return a context of a service that reports to no registrar and exports no spans."""
    return ServiceContext(Health("test", stall_s=60.0), Telemetry("test"), AuditReporter("", "test"))


def _scans_through(tick: int) -> int:
    """Return how many scans of the example bot end by a tick: one a second, and two, at 20 ticks each."""
    return tick // 20 + tick // 10
