"""A fold of another service's feed, against a real server on a real socket that runs the test's script."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

import mesh.folds.runner
import svc_radar.wiring
import svc_sim.wiring
import svc_tracker.wiring
from botspec.example import example_bot_spec
from code_proofs import prove, waiting
from mesh.feeds.feed import Feed, FeedSettings, FlowControl
from mesh.feeds.ring import Retention
from mesh.feeds.token import Token
from mesh.folds.runner import FoldRunner, FoldSource
from mesh.serving.errors import (
    HistoryDivergedError,
    InvalidFieldError,
    MeshError,
    RetentionTooShortError,
    RunChangedError,
    TokenExpiredError,
)
from mesh.serving.health import Health
from mesh.serving.interceptor import MeshInterceptor
from mesh.serving.rpc_metrics import RpcMetrics
from mesh.serving.runtime import ServiceContext, ServiceParts
from mesh.serving.server import GrpcService, MeshServer
from mesh.telemetry.telemetry import Telemetry
from qiki.common.v1.stream_pb2 import Ended, EventContext, Heartbeat, Run
from qiki.sim.v1 import sim_service_pb2 as pb
from qiki.sim.v1.sim_service_pb2_grpc import (
    SimServiceServicer,
    SimServiceStub,
    add_SimServiceServicer_to_server,
)
from qiki.sim.v1.world_pb2 import WorldSnapshot
from qiki_sdk import Event, QikiError
from qiki_sdk.audit import AuditReporter
from qiki_sdk.channel import connect
from qiki_sdk.codes import FOLD_BEGUN, SOURCE_CONNECTED, SOURCE_LOST
from svc_radar.config import RadarSettings
from svc_sim.config import SimSettings
from svc_tracker.config import TrackerSettings

pytestmark = pytest.mark.asyncio

WAIT_S = 30.0
S = 1_000_000_000
OWN_INTERVAL_S = 1.5
RUN_A = Run(run_id="0b6e1c1e-0000-4000-8000-0000000000aa", bot_id="qiki-01", tick_ns=S, bot_spec_digest="spec")
RUN_B = Run(run_id="0b6e1c1e-0000-4000-8000-0000000000bb", bot_id="qiki-01", tick_ns=S, bot_spec_digest="spec")


def token(sequence: int) -> str:
    return Token(bytes(8), bytes(8), sequence).encode()


def event(sequence: int, run: Run = RUN_A) -> pb.WatchWorldResponse:
    context = EventContext(sequence=sequence, run_id=run.run_id, time=Timestamp(seconds=sequence))
    return pb.WatchWorldResponse(resume_token=token(sequence), context=context, snapshot=WorldSnapshot(tick=sequence))


def heartbeat(place: int, last: int, *, replaying: bool = False, at_s: int = 0) -> pb.WatchWorldResponse:
    beat = Heartbeat(simulation_time=Timestamp(seconds=at_s), last_sequence=last, replaying=replaying)
    return pb.WatchWorldResponse(resume_token=token(place), heartbeat=beat)


def ended(place: int) -> pb.WatchWorldResponse:
    return pb.WatchWorldResponse(resume_token=token(place), ended=Ended(last_sequence=place))


@dataclass
class Source(SimServiceServicer):
    """Serves one script for each call of WatchWorld, then stays silent; keeps the requests."""

    run: Run = field(default_factory=lambda: RUN_A)
    script: asyncio.Queue[pb.WatchWorldResponse | MeshError | None] = field(default_factory=asyncio.Queue)
    watched_from: list[str] = field(default_factory=list)
    intervals_s: list[float] = field(default_factory=list)
    open_calls: int = 0
    confirmed: list[str] = field(default_factory=list)
    refuse_confirm: MeshError | None = None

    async def GetRun(self, request: pb.GetRunRequest, context: Any) -> pb.GetRunResponse:
        return pb.GetRunResponse(run=self.run)

    async def WatchWorld(self, request: pb.WatchWorldRequest, context: Any) -> AsyncIterator[pb.WatchWorldResponse]:
        self.watched_from.append(request.resume_token)
        self.intervals_s.append(request.confirm_interval_s)
        self.open_calls += 1
        try:
            while (item := await self.script.get()) is not None:
                if isinstance(item, MeshError):
                    raise item
                yield item
        finally:
            self.open_calls -= 1

    async def ConfirmWorld(self, request: pb.ConfirmWorldRequest, context: Any) -> pb.ConfirmWorldResponse:
        self.confirmed.append(request.resume_token)
        if self.refuse_confirm is not None:
            error, self.refuse_confirm = self.refuse_confirm, None
            raise error
        return pb.ConfirmWorldResponse()

    def say(self, *items: pb.WatchWorldResponse | MeshError | None) -> None:
        """Send these on the call that is open, or the next one; an error refuses it, None closes it."""
        for item in items:
            self.script.put_nowait(item)


@dataclass
class Fold:
    """Keeps the events taken; every position is safe at once."""

    run: Run
    from_scratch: bool
    output: Feed
    start_token: str = ""
    taken: list[int] = field(default_factory=list)
    safe: str = ""
    kept: bool = False
    continues_after_gaps: bool = False

    def begin(self) -> None:
        assert self.output.run == self.run, "the output has begun the run"

    async def keep(self) -> None:
        self.kept = True

    async def take(self, event: Event[Any]) -> None:
        self.taken.append(event.context.sequence)
        self.safe = event.resume_token
        self.output.change.notify()

    def safe_token(self) -> str:
        return self.safe


@dataclass
class Folding:
    source: Source
    output: Feed
    folds: list[Fold]
    health: Health
    audit: AuditReporter

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not holds():
                await self.output.change.wait(0.01)


@asynccontextmanager
async def folding(
    start_token: str = "", digest: str = "spec", reader: str = "radar", continues_after_gaps: bool = False
) -> AsyncIterator[Folding]:
    source = Source()  # type: ignore[abstract]  # its other RPCs are not asked for
    folds, health = list[Fold](), Health("svc_test", stall_s=60.0)
    settings = FeedSettings("frames", Retention(10**15, 10**9), ("bridge",), FlowControl.LIVE)
    output = Feed(settings, pb.WatchWorldResponse, "snapshot")

    async def open_fold(run: Run, from_scratch: bool) -> Fold:
        start = "" if from_scratch else start_token
        folds.append(Fold(run, from_scratch, output, start, continues_after_gaps=continues_after_gaps))
        return folds[-1]

    mount = GrpcService("qiki.sim.v1.SimService", add_SimServiceServicer_to_server, source)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(ServiceParts(mounts=[mount])))
        channel = await stack.enter_async_context(connect(f"127.0.0.1:{server.port}"))
        audit = AuditReporter("", "svc_test")
        runner = FoldRunner(
            world(SimServiceStub(channel), reader),
            output,
            digest,
            open_fold,
            health.loop("fold"),
            report=audit.report,
        )
        health.up()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(runner.run())
            try:
                yield Folding(source, output, folds, health, audit)
            finally:
                source.say(None)
                task.cancel()


def world(stub: Any, reader: str) -> FoldSource:
    return FoldSource(
        service="svc_sim",
        reader=reader,
        get_run=stub.GetRun,
        run_request=pb.GetRunRequest,
        watch=stub.WatchWorld,
        watch_request=pb.WatchWorldRequest,
        confirm=stub.ConfirmWorld,
        confirm_request=pb.ConfirmWorldRequest,
        confirm_interval_s=OWN_INTERVAL_S,
    )


def base(service: str) -> ServiceContext:
    return ServiceContext(Health(service, stall_s=60.0), Telemetry(service), AuditReporter("", service))


@asynccontextmanager
async def serving(parts: ServiceParts, port: int = 0) -> AsyncIterator[MeshServer]:
    """Serve the parts, and run their loops, until the block ends."""
    its = base("test")
    interceptor = MeshInterceptor(RpcMetrics(its.telemetry.registry), its.telemetry)
    server = MeshServer(f"127.0.0.1:{port}", parts.mounts, parts.feeds, its.health, interceptor)
    await server.start()
    async with asyncio.TaskGroup() as group:
        loops: list[Any] = [loop() for loop in parts.loops]
        tasks = [group.create_task(loop) for loop in loops]
        try:
            yield server
        finally:
            for task in tasks:
                task.cancel()
            await server.drain()


# -- folding events ----------------------------------------------------------------------------------------------------


async def test_events_are_folded_in_order_across_a_disconnect() -> None:
    async with folding() as it:
        it.source.say(heartbeat(0, 2), event(1), event(2), None, heartbeat(2, 3), event(3))
        await it.until(lambda: bool(it.folds) and it.folds[0].taken == [1, 2, 3])
        assert it.source.watched_from == ["", token(2)]
        assert len(it.folds) == 1
        assert it.folds[0].kept


async def test_the_audit_trail_has_the_begin_of_the_fold_and_each_change_of_its_connection() -> None:
    async with folding() as it:
        it.source.say(heartbeat(0, 1), event(1), None, heartbeat(1, 2), event(2))
        await it.until(lambda: bool(it.folds) and it.folds[0].taken == [1, 2])
        reported = waiting(it.audit)
        prove(FOLD_BEGUN, reported)
        prove(SOURCE_CONNECTED, reported)
        prove(SOURCE_LOST, reported)
        names = ["FOLD_BEGUN", "SOURCE_CONNECTED", "SOURCE_LOST", "SOURCE_CONNECTED"]
        assert [each.name for each in reported] == names


async def test_the_output_reaches_a_time_only_once_all_events_up_to_it_are_folded() -> None:
    async with folding() as it:
        it.source.say(heartbeat(0, 3, at_s=100), event(1), event(2))
        await it.until(lambda: bool(it.folds) and it.folds[0].taken == [1, 2])
        await it.until(lambda: it.output.reached_time().seconds == 2)
        it.source.say(event(3), heartbeat(3, 3, at_s=100))
        await it.until(lambda: it.output.reached_time().seconds == 100)


async def test_the_outputs_replay_ends_at_the_sequence_the_source_had_when_its_own_replay_ended() -> None:
    async with folding() as it:
        it.source.say(heartbeat(0, 1, replaying=True), event(1))
        await it.until(lambda: bool(it.folds) and it.folds[0].taken == [1])
        assert it.output.replaying
        it.source.say(event(2), heartbeat(2, 4))
        await it.until(lambda: it.folds[0].taken == [1, 2])
        it.source.say(event(3))
        await it.until(lambda: it.folds[0].taken == [1, 2, 3])
        assert it.output.replaying
        it.source.say(event(4))
        await it.until(lambda: not it.output.replaying)


async def test_a_fold_that_starts_at_the_sources_end_has_nothing_to_replay() -> None:
    async with folding(start_token=token(7)) as it:
        it.source.say(heartbeat(7, 7))
        await it.until(lambda: not it.output.replaying and bool(it.folds))
        assert it.source.watched_from == [token(7)]


async def test_the_end_of_the_input_is_the_end_of_the_output() -> None:
    async with folding() as it:
        it.source.say(heartbeat(0, 1), event(1), ended(1))
        await it.until(lambda: it.output.ended)
        await it.until(lambda: it.health.report().detail == "the run has ended")
        assert it.health.report().serving


# -- other runs and other histories ------------------------------------------------------------------------------------


async def test_another_run_starts_the_fold_from_scratch_and_the_service_continues() -> None:
    async with folding() as it:
        it.source.say(heartbeat(0, 1), event(1))
        await it.until(lambda: bool(it.folds) and it.folds[0].taken == [1])
        it.source.run = RUN_B
        it.source.say(RunChangedError("moved on", run_id=RUN_B.run_id), heartbeat(0, 1), event(1, RUN_B))
        await it.until(lambda: len(it.folds) == 2 and it.folds[1].taken == [1])
        assert it.output.run == RUN_B
        assert [fold.from_scratch for fold in it.folds] == [False, False]


async def test_an_event_of_another_run_than_requested_is_not_folded() -> None:
    async with folding() as it:
        it.source.run = RUN_A
        it.source.say(heartbeat(0, 1), event(1, RUN_B))
        await it.until(lambda: len(it.folds) == 2)
        assert it.folds[0].taken == []


@pytest.mark.parametrize("error", [HistoryDivergedError("x", sequence="2"), TokenExpiredError("x")])
async def test_another_history_starts_the_fold_from_scratch_without_its_saved_state(error: MeshError) -> None:
    async with folding(start_token=token(2)) as it:
        it.source.say(error, heartbeat(0, 1), event(1))
        await it.until(lambda: len(it.folds) == 2 and it.folds[1].taken == [1])
        assert [fold.from_scratch for fold in it.folds] == [False, True]
        assert it.source.watched_from == [token(2), ""]


async def test_a_fold_that_can_goes_on_with_its_state_behind_events_that_are_gone() -> None:
    async with folding(continues_after_gaps=True) as it:
        it.source.say(heartbeat(0, 2), event(1), event(2), TokenExpiredError("x"), heartbeat(5, 7), event(6), event(7))
        await it.until(lambda: [fold.taken for fold in it.folds] == [[1, 2, 6, 7]])
        assert len(it.folds) == 1
        assert it.source.watched_from == ["", ""], "from the oldest event that is left"


async def test_a_fold_that_can_goes_on_behind_a_gap_at_its_start_too() -> None:
    async with folding(start_token=token(2), continues_after_gaps=True) as it:
        it.source.say(TokenExpiredError("x"), heartbeat(5, 6), event(6))
        await it.until(lambda: [fold.taken for fold in it.folds] == [[6]])
        assert [fold.from_scratch for fold in it.folds] == [False]
        assert it.source.watched_from == [token(2), ""]


async def test_a_source_with_another_bot_spec_is_waited_for_and_the_reason_is_reported() -> None:
    async with folding(digest="other") as it:
        await it.until(lambda: "another BotSpec" in it.health.report().detail)
        assert it.health.report().serving
        assert it.folds == []


async def fold_what_is_refused(error: MeshError) -> None:
    async with folding() as it, asyncio.timeout(WAIT_S):
        it.source.say(error)
        await asyncio.Event().wait()


async def test_any_other_refusal_ends_the_fold_with_an_error() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        await fold_what_is_refused(InvalidFieldError("reader", "must not filter"))
    assert caught.group_contains(QikiError, match="must not filter")


# -- confirming --------------------------------------------------------------------------------------------------------


async def test_safe_positions_are_confirmed() -> None:
    async with folding() as it:
        it.source.say(heartbeat(0, 2), event(1), event(2))
        await it.until(lambda: token(2) in it.source.confirmed)


async def test_a_source_that_comes_back_gets_the_safe_position_again() -> None:
    async with folding() as it:
        it.source.say(heartbeat(0, 1), event(1))
        await it.until(lambda: it.source.confirmed == [token(1)])
        it.source.say(None, heartbeat(1, 0, replaying=True))
        await it.until(lambda: it.source.confirmed.count(token(1)) >= 2)


async def test_a_confirmation_refused_for_another_history_starts_the_fold_from_scratch() -> None:
    async with folding() as it:
        it.source.refuse_confirm = HistoryDivergedError("x", sequence="1")
        it.source.say(heartbeat(0, 1), event(1))
        await it.until(lambda: len(it.folds) == 2)
        assert it.folds[1].from_scratch


async def test_the_source_is_sent_the_interval_between_confirmations() -> None:
    async with folding() as it:
        it.source.say(heartbeat(0, 1), event(1))
        await it.until(lambda: bool(it.folds) and it.folds[0].taken == [1])
        assert it.source.intervals_s == [OWN_INTERVAL_S]


async def test_a_longer_confirm_interval_of_an_output_reader_is_sent_to_the_source_and_no_event_is_read_twice() -> None:
    async with folding() as it:
        it.source.say(heartbeat(0, 1), event(1))
        await it.until(lambda: bool(it.folds) and it.folds[0].taken == [1])
        it.output.readers.declare("bridge", 30.0)
        it.source.say(event(2))
        await it.until(lambda: len(it.source.watched_from) == 2 and it.source.open_calls == 1)
        it.source.say(heartbeat(2, 3), event(3))
        await it.until(lambda: it.folds[0].taken == [1, 2, 3])
        assert (it.source.intervals_s, it.source.watched_from) == (
            [OWN_INTERVAL_S, OWN_INTERVAL_S + 30.0],
            ["", token(2)],
        )
        it.output.readers.declare("bridge", 0.0)
        it.source.say(event(4))
        await it.until(lambda: it.folds[0].taken == [1, 2, 3, 4])
        assert len(it.source.intervals_s) == 2, "a shorter interval than the one sent needs no new call"
        assert len(it.folds) == 1


async def test_incompatible_settings_are_reported_as_not_serving_until_they_are_compatible(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mesh.folds.runner, "CONFIGURATION_PERIOD_S", 0.01)
    async with folding() as it:
        it.source.say(RetentionTooShortError("world", 20.0, 31.0))
        await it.until(lambda: not it.health.report().serving)
        assert it.health.report().detail == (
            "fold: configuration: svc_sim refuses radar: confirm_interval_s: world: retention 20 s: half of it must "
            "exceed the reader's confirm interval 31 s; set the producer's retention_s above 62, or let the reader "
            "confirm more often"
        )
        it.source.say(heartbeat(0, 1), event(1))
        await it.until(lambda: it.health.report().serving and it.folds[-1].taken == [1])


async def test_a_fold_that_is_no_required_reader_confirms_nothing() -> None:
    async with folding(reader="") as it:
        it.source.say(heartbeat(0, 1), event(1), ended(1))
        await it.until(lambda: it.output.ended)
        assert it.source.confirmed == []


# -- the real simulator and radar --------------------------------------------------------------------------------------


@pytest.fixture
def bot_spec(tmp_path: Path) -> Path:
    """Return the example bot with the radar as the only required reader."""
    text = example_bot_spec().read_text(encoding="utf-8")
    head, rest = text.split("required_readers:", 1)
    lines = rest.splitlines()
    names = [line.split(":")[0].strip() for line in lines if line.startswith("  ") and ":" in line]
    after = [line for line in lines if line and not line.startswith(" ")]
    readers = "\n".join(f"  {name}: [{'radar' if name == 'world' else ''}]" for name in names)
    path = tmp_path / "BotSpec.yaml"
    path.write_text("\n".join([f"{head}required_readers:", readers, *after, ""]), encoding="utf-8")
    return path


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """Return 20 s of an empty sky."""
    path = tmp_path / "empty.yaml"
    path.write_text(
        "schema_version: 1\nname: empty\nduration_s: 20.0\n"
        "own_ship: {position_m: [0, 0, 0], course_deg: 20, speed_mps: 15}\ncontacts: []\n",
        encoding="utf-8",
    )
    return path


async def test_a_lossless_run_reaches_its_end_when_the_simulator_is_restarted(
    tmp_path: Path, bot_spec: Path, scenario: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The replay passes half the retention: it can continue only because the radar repeats its safe position."""
    monkeypatch.setattr(mesh.folds.runner, "CONFIRM_PERIOD_S", 0.01)
    common: Any = {"bot_spec": bot_spec, "flow_control": "lossless", "retention_s": 4.0, "http_port": 0}

    def simulator(its: ServiceContext, **settings: Any) -> ServiceParts:
        return svc_sim.wiring.build(
            SimSettings(state_dir=tmp_path / "sim", scenario=scenario, **settings, **common), its
        )

    before, after = base("sim"), base("sim")
    async with AsyncExitStack() as stack, asyncio.timeout(WAIT_S):
        first = simulator(before, paused=True)
        async with serving(first) as server:
            target = f"127.0.0.1:{server.port}"
            radar = svc_radar.wiring.build(RadarSettings(sim_target=target, **common), base("svc_radar"))
            frames, world_feed, servicer = radar.feeds[0], first.feeds[0], cast(Any, first.mounts[0].servicer)
            await stack.enter_async_context(serving(radar))
            await servicer.StepSimulation(pb.StepSimulationRequest(ticks=200), None)
            while world_feed.readers.confirmed["radar"] < 94:  # a scan before the frame at tick 210: nothing newer is
                await world_feed.change.wait(1.0)
        before.resources.close()
        stack.enter_context(after.resources)
        again = simulator(after, speed="max")
        assert again.feeds[0].replaying
        async with serving(again, server.port):
            while not frames.ended:
                await frames.change.wait(1.0)
    assert frames.store.last_sequence == 400 // 20 + 400 // 10


async def test_the_smallest_retention_that_is_accepted_lets_a_lossless_run_end(
    tmp_path: Path, bot_spec: Path, scenario: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mesh.folds.runner, "CONFIRM_PERIOD_S", 0.01)
    common: Any = {"bot_spec": bot_spec, "flow_control": "lossless", "retention_s": 2.21, "http_port": 0}
    sim_settings = SimSettings(state_dir=tmp_path / "sim", scenario=scenario, speed="max", **common)
    parts = svc_sim.wiring.build(sim_settings, base("svc_sim"))
    async with serving(parts) as server, asyncio.timeout(WAIT_S):
        target = f"127.0.0.1:{server.port}"
        radar = svc_radar.wiring.build(RadarSettings(sim_target=target, **common), base("svc_radar"))
        async with serving(radar):
            while not radar.feeds[0].ended:
                await radar.feeds[0].change.wait(1.0)


@pytest.mark.parametrize(("radar_retention_s", "refused"), [(20.0, "tracker"), (600.0, "radar")])
async def test_a_checkpoint_period_beyond_the_producers_retention_is_reported_by_the_refused_reader(
    tmp_path: Path, scenario: Path, radar_retention_s: float, refused: str
) -> None:
    """Otherwise all would be blocked for ever, and SERVING: the tracker confirms every 31 s, the radar 1.1 s later."""
    common: Any = {"flow_control": "lossless", "http_port": 0}
    sim = SimSettings(state_dir=tmp_path / "sim", scenario=scenario, retention_s=60.0, **common)
    bases = {name: base(name) for name in ("svc_sim", "svc_radar", "svc_tracker")}
    async with AsyncExitStack() as stack, asyncio.timeout(WAIT_S):
        for its in bases.values():
            stack.enter_context(its.resources)
            its.health.up()
        source = await stack.enter_async_context(serving(svc_sim.wiring.build(sim, bases["svc_sim"])))
        radar = RadarSettings(sim_target=f"127.0.0.1:{source.port}", retention_s=radar_retention_s, **common)
        parts = svc_radar.wiring.build(radar, bases["svc_radar"])
        frames = await stack.enter_async_context(serving(parts))
        tracker = TrackerSettings(
            radar_target=f"127.0.0.1:{frames.port}", state_dir=tmp_path / "tracker", checkpoint_period_s=30.0, **common
        )
        tracks = svc_tracker.wiring.build(tracker, bases["svc_tracker"])
        await stack.enter_async_context(serving(tracks))
        health = bases[f"svc_{refused}"].health
        while health.report().serving:
            await parts.feeds[0].change.wait(0.05)
        expected = {
            "tracker": "frames: retention 20 s: .* interval 31 s",
            "radar": "world: retention 60 s: .* interval 32.1 s",
        }
        assert re.search(expected[refused], health.report().detail)
