import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

import svc_sim.wiring
from code_proofs import prove, waiting
from mesh.feeds.feed import Feed
from mesh.serving.errors import InvalidFieldError, RunEndedError, ServerDrainingError, StartError
from mesh.serving.health import Health
from mesh.serving.runtime import ServiceContext
from mesh.telemetry.telemetry import Telemetry
from qiki.sim.v1 import sim_service_pb2 as pb
from qiki_sdk.audit import AuditReporter
from qiki_sdk.codes import READINGS_SUMMARY, RUN_BEGUN, RUN_ENDED, RUN_RESUMED, SENSOR_IO_OK, TIME_CONTROLLED
from svc_sim.config import SimSettings
from svc_sim.service import SimServicer
from svc_sim.simulation import Simulation

pytestmark = pytest.mark.asyncio

WAIT_S = 20.0
RUN_ID = "0b6e1c1e-0000-4000-8000-0000000000aa"
NO_CONTEXT: Any = None  # the servicer does not use the call's context
Phase = pb.SimulationPhase
SHORT = """\
schema_version: 1
name: short
duration_s: 3.0
own_ship: {position_m: [0, 0, 0], course_deg: 20, speed_mps: 15}
contacts:
  - name: one
    object_type: drone
    position_m: [-4800, 6000, 300]
    course_deg: 90
    speed_mps: 80
    rcs_dbsm: -5
"""
LAST_TICK = 60  # 3 s of 0.05 s


@dataclass
class Running:
    """A simulator with a running loop, called as by its RPCs."""

    simulation: Simulation
    servicer: SimServicer
    feeds: dict[str, Feed]
    registry: CollectorRegistry

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not holds():
                await self.feeds["world"].change.wait(0.01)

    async def step(self, ticks: int) -> pb.SimulationState:
        async with asyncio.timeout(WAIT_S):
            response = await self.servicer.StepSimulation(pb.StepSimulationRequest(ticks=ticks), NO_CONTEXT)
        return response.state

    async def state(self) -> pb.SimulationState:
        return (await self.servicer.GetSimulation(pb.GetSimulationRequest(), NO_CONTEXT)).state

    def events(self) -> dict[tuple[str, int], tuple[str, str]]:
        """Return id and digest of each event, without its recording and run creation times, by feed and sequence."""
        found = {}
        for feed in self.feeds.values():
            for sequence in range(feed.store.oldest_sequence, feed.store.last_sequence + 1):
                entry = feed.store.get(sequence)
                assert entry is not None
                response: Any = feed.response_type.FromString(entry.response)
                response.context.ClearField("recorded_time")
                response.context.ClearField("run_created")
                body = response.SerializeToString(deterministic=True)
                found[feed.name, sequence] = response.context.id, hashlib.sha256(body).hexdigest()
        return found

    def confirm_all(self) -> None:
        for feed in self.feeds.values():
            for reader in feed.readers.confirmed:
                feed.confirm(reader, feed.place(feed.store.last_sequence).encode())


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "short.yaml"
    path.write_text(SHORT, encoding="utf-8")
    return path


@asynccontextmanager
async def running(state_dir: Path | None, **settings: Any) -> AsyncIterator[Running]:
    """Run a simulator until the block ends, then stop it wherever it is."""
    base = ServiceContext(Health("svc_sim", stall_s=60.0), Telemetry("svc_sim"), AuditReporter("", "svc_sim"))
    with base.resources:
        parts = svc_sim.wiring.build(SimSettings(state_dir=state_dir, **settings), base)
        servicer: Any = parts.mounts[0].servicer
        feeds = {feed.name: feed for feed in parts.feeds if feed.name != "commands"}  # the derived ones
        async with asyncio.TaskGroup() as group:
            loop: Any = parts.loops[0]()
            task = group.create_task(loop)
            try:
                yield Running(servicer.simulation, servicer, feeds, base.telemetry.registry)
            finally:
                task.cancel()


async def test_metrics_show_the_ticks_computed_and_the_phase(tmp_path: Path) -> None:
    async with running(tmp_path, paused=True) as sim:
        await sim.step(47)
        assert sim.registry.get_sample_value("qiki_sim_ticks_total") == 47
        assert sim.registry.get_sample_value("qiki_sim_tick_duration_seconds_count") == 47
        assert sim.registry.get_sample_value("qiki_sim_phase", {"phase": "paused"}) == 1
        assert (sim.registry.get_sample_value("qiki_sim_real_time_factor") or 0) > 0


# -- restarts ----------------------------------------------------------------------------------------------------------


async def test_a_restart_computes_the_same_events_again(tmp_path: Path) -> None:
    async with running(tmp_path, paused=True) as first:
        assert (await first.step(47)).tick == 47
        before = first.events()
    async with running(tmp_path, paused=True) as again:
        await again.until(lambda: not again.simulation.replaying)
        after = again.events()
        assert again.simulation.tick == 60, "reserved ticks may have been visible: they are computed again"
    assert after.items() >= before.items()
    assert len(before) == 47 // 2 + 47 // 2 + 47 // 20, "snapshots, IMU and GNSS readings"


async def test_a_restart_after_more_than_the_retention_starts_later_with_the_same_events(tmp_path: Path) -> None:
    async with running(tmp_path, paused=True, retention_s=4.0) as first:
        await first.step(331)
        before = first.events()
    async with running(tmp_path, paused=True, retention_s=4.0) as again:
        await again.until(lambda: not again.simulation.replaying)
        after = again.events()
        first_sequence = again.feeds["world"].store.first_sequence
    common = before.keys() & after.keys()
    assert first_sequence > 1
    assert len(common) > 50
    assert {place: before[place] for place in common} == {place: after[place] for place in common}


async def test_the_same_run_gives_the_same_events_at_any_speed(tmp_path: Path, scenario: Path) -> None:
    given: dict[str, Any] = {"scenario": scenario, "run_id": RUN_ID, "start_time": "2026-01-01T00:00:00Z"}
    async with running(tmp_path / "stepped", paused=True, **given) as stepped:
        run = stepped.simulation.run
        for ticks in (1, 2, 7, 50):
            await stepped.step(ticks)
        found = stepped.events()
    async with running(tmp_path / "fast", speed="max", **given) as fast:
        await fast.until(lambda: fast.feeds["world"].ended)
        fast_found = fast.events()
    assert found == fast_found
    assert run.last_tick == LAST_TICK
    assert len(found) == LAST_TICK // 2 + LAST_TICK // 2 + LAST_TICK // 20


async def test_a_simulation_that_is_paused_from_the_start_reserves_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, paused=True) as sim:
        await sim.until(lambda: not sim.feeds["world"].replaying)
        assert (await sim.state()).phase == Phase.SIMULATION_PHASE_PAUSED
    assert names(tmp_path) == ["lock", "reserved_tick", "run.json"]
    assert f"{sim.simulation.run.run_id} 0 0\n" in (tmp_path / "reserved_tick").read_text()


async def test_without_a_state_directory_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    async with running(None, paused=True) as sim:
        await sim.step(1)
        (state_dir,) = names(tmp_path)
        assert names(tmp_path / state_dir) == ["lock", "reserved_tick", "run.json"]
    assert names(tmp_path) == []


async def test_the_state_directory_of_another_run_is_refused(tmp_path: Path, scenario: Path) -> None:
    async with running(tmp_path, paused=True):
        pass
    for settings, name in (({"seed": 1}, "seed"), ({"scenario": scenario}, "last_tick, scenario_digest")):
        with pytest.raises(StartError, match=f"made with another {name}"):
            async with running(tmp_path, **settings):
                pass


# -- steps -------------------------------------------------------------------------------------------------------------


async def test_a_step_returns_the_tick_reached_and_time_stops_there(tmp_path: Path) -> None:
    async with running(tmp_path, paused=True) as sim:
        for ticks, reached in ((1, 1), (1, 2), (40, 42)):
            state = await sim.step(ticks)
            assert (state.tick, state.phase) == (reached, Phase.SIMULATION_PHASE_PAUSED)
        assert (await sim.state()).tick == 42


async def test_steps_of_several_callers_add_up_and_each_answer_has_the_tick_reached(tmp_path: Path) -> None:
    async with running(tmp_path, paused=True) as sim:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(sim.step(ticks)) for ticks in (30, 1, 25)]
        assert [task.result().tick for task in tasks] == [30, 31, 56]
        assert (await sim.state()).tick == 56


async def test_a_step_of_a_running_simulation_pauses_it_after_exactly_the_requested_ticks(tmp_path: Path) -> None:
    async with running(tmp_path, speed="max") as sim:
        await sim.until(lambda: sim.simulation.tick > 25)
        before = sim.simulation.tick
        state = await sim.step(10)
        assert (state.tick, state.phase) == (before + 10, Phase.SIMULATION_PHASE_PAUSED)
        assert not await sim.feeds["world"].change.wait(0.05), "no event follows"
        assert (await sim.state()).tick == before + 10


async def test_a_step_during_replay_counts_from_the_last_visible_tick(tmp_path: Path) -> None:
    async with running(tmp_path, paused=True) as sim:
        await sim.step(95)
    async with running(tmp_path, paused=True) as sim:
        assert sim.simulation.replaying
        assert (await sim.step(5)).tick == 105, "100 were reserved"


async def test_a_step_beyond_the_end_returns_the_last_tick(tmp_path: Path, scenario: Path) -> None:
    async with running(tmp_path, paused=True, scenario=scenario) as sim:
        state = await sim.step(1_000_000)
        assert (state.tick, state.phase) == (LAST_TICK, Phase.SIMULATION_PHASE_ENDED)


@pytest.mark.parametrize("ticks", [0, 1_000_001, 2**64 - 1])
async def test_a_number_of_steps_out_of_range_is_refused(tmp_path: Path, ticks: int) -> None:
    async with running(tmp_path, paused=True) as sim:
        with pytest.raises(InvalidFieldError):
            await sim.step(ticks)


async def test_a_step_cut_short_by_a_drain_is_refused_with_that_reason(tmp_path: Path) -> None:
    async with running(tmp_path, paused=True, flow_control="lossless", retention_s=4.0) as sim:
        step, drained = await asyncio.gather(sim.step(1_000), drain_when_held(sim), return_exceptions=True)
    assert drained is None
    assert isinstance(step, ServerDrainingError)
    assert "at tick 40, before 1000" in str(step)


async def drain_when_held(sim: Running) -> None:
    await sim.until(lambda: sim.simulation.blocked_by != "")
    for feed in sim.feeds.values():
        feed.drain()


async def test_a_pause_returns_the_tick_at_which_time_stopped(tmp_path: Path) -> None:
    async with running(tmp_path, speed="max") as sim:
        for _ in range(30):  # also while a reservation is being written
            await sim.servicer.ResumeSimulation(pb.ResumeSimulationRequest(), NO_CONTEXT)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            state = (await sim.servicer.PauseSimulation(pb.PauseSimulationRequest(), NO_CONTEXT)).state
            await sim.feeds["world"].change.wait(0.005)
            assert sim.simulation.tick == state.tick
            assert state.phase == Phase.SIMULATION_PHASE_PAUSED


# -- the end -----------------------------------------------------------------------------------------------------------


async def test_an_ended_run_has_ended_feeds_and_refuses_control(tmp_path: Path, scenario: Path) -> None:
    async with running(tmp_path, speed="max", scenario=scenario) as sim:
        await sim.until(lambda: all(feed.ended for feed in sim.feeds.values()))
        assert sim.simulation.describe() == "the run has ended"
        assert sim.feeds["world"].store.last_sequence == LAST_TICK // 2
        assert (await sim.state()).phase == Phase.SIMULATION_PHASE_ENDED
        for control in (
            sim.servicer.PauseSimulation(pb.PauseSimulationRequest(), NO_CONTEXT),
            sim.servicer.ResumeSimulation(pb.ResumeSimulationRequest(), NO_CONTEXT),
            sim.servicer.SetSimulationSpeed(pb.SetSimulationSpeedRequest(factor=1), NO_CONTEXT),
            sim.servicer.StepSimulation(pb.StepSimulationRequest(ticks=1), NO_CONTEXT),
        ):
            with pytest.raises(RunEndedError, match="the run ended at tick 60"):
                await control


async def test_an_ended_run_ends_again_after_a_restart_with_the_same_events(tmp_path: Path, scenario: Path) -> None:
    found = []
    for _ in range(2):
        async with running(tmp_path, speed="max", scenario=scenario) as sim:
            await sim.until(lambda: all(feed.ended for feed in sim.feeds.values()))
            found.append(sim.events())
    assert found[0] == found[1]


# -- state and settings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    [
        pb.SetSimulationSpeedRequest(factor=float("nan")),
        pb.SetSimulationSpeedRequest(factor=-1.0),
        pb.SetSimulationSpeedRequest(factor=0.0),
        pb.SetSimulationSpeedRequest(factor=float("inf")),
        pb.SetSimulationSpeedRequest(as_fast_as_possible=False),
        pb.SetSimulationSpeedRequest(),
    ],
)
async def test_an_invalid_speed_is_refused_and_the_old_one_stays(
    tmp_path: Path, request_: pb.SetSimulationSpeedRequest
) -> None:
    async with running(tmp_path, paused=True, speed=2.0) as sim:
        with pytest.raises(InvalidFieldError):
            await sim.servicer.SetSimulationSpeed(request_, NO_CONTEXT)
        assert (await sim.state()).speed == 2.0


async def test_a_lossless_simulation_is_blocked_by_a_required_reader_that_does_not_confirm(tmp_path: Path) -> None:
    async with running(tmp_path, speed="max", flow_control="lossless", retention_s=4.0) as sim:
        await sim.until(lambda: sim.simulation.blocked_by != "")
        state = await sim.state()
        assert (state.tick, state.phase) == (40, Phase.SIMULATION_PHASE_BLOCKED), "half of the retention"
        blocked_by = f"world: {next(iter(sim.feeds['world'].readers.confirmed))}"
        assert state.blocked_by == sim.simulation.facts()["blocked_by"] == blocked_by
        assert sim.simulation.describe() == f"blocked by {blocked_by}"
        sim.confirm_all()
        await sim.until(lambda: sim.simulation.tick >= 80)


async def test_before_the_first_snapshot_the_world_at_tick_0_is_returned_with_position_zero(tmp_path: Path) -> None:
    async with running(tmp_path, paused=True) as sim:
        response = await sim.servicer.GetWorld(pb.GetWorldRequest(), NO_CONTEXT)
        assert response.snapshot.tick == 0
        assert not response.HasField("context")
        assert response.resume_token == sim.feeds["world"].place(0).encode()
        await sim.step(2)
        response = await sim.servicer.GetWorld(pb.GetWorldRequest(), NO_CONTEXT)
        assert (response.snapshot.tick, response.context.sequence) == (2, 1)


async def test_the_newest_reading_of_each_sensor_is_listed_if_any(tmp_path: Path) -> None:
    async with running(tmp_path, paused=True) as sim:
        for ticks, expected in ((1, []), (3, [4]), (21, [20, 24])):
            await sim.step(ticks)
            listed = await sim.servicer.ListSensors(pb.ListSensorsRequest(), NO_CONTEXT)
            assert [reading.tick for reading in listed.readings] == expected


async def test_a_run_reports_its_begin_its_sensors_each_minute_its_end_and_its_resumption(tmp_path: Path) -> None:
    long = tmp_path / "long.yaml"
    long.write_text(SHORT.replace("duration_s: 3.0", "duration_s: 65.0"), encoding="utf-8")
    options: dict[str, Any] = {"scenario": long, "speed": "max", "run_id": RUN_ID}
    async with running(tmp_path / "state", **options) as it:
        await it.until(lambda: it.feeds["world"].ended)
        reported = waiting(it.simulation._audit)
    prove(RUN_BEGUN, reported)
    prove(SENSOR_IO_OK, reported)
    prove(READINGS_SUMMARY, reported)
    prove(RUN_ENDED, reported)
    async with running(tmp_path / "state", **options) as again:
        await again.until(lambda: again.feeds["world"].ended)
        prove(RUN_RESUMED, waiting(again.simulation._audit))


async def test_each_change_of_the_time_control_is_reported_and_no_repetition(tmp_path: Path, scenario: Path) -> None:
    async with running(tmp_path / "state", scenario=scenario, speed=1.0) as it:
        for _ in range(2):
            await it.servicer.PauseSimulation(pb.PauseSimulationRequest(), NO_CONTEXT)
        await it.step(2)
        await it.step(2)
        await it.servicer.SetSimulationSpeed(pb.SetSimulationSpeedRequest(factor=2.0), NO_CONTEXT)
        await it.servicer.ResumeSimulation(pb.ResumeSimulationRequest(), NO_CONTEXT)
        reported = waiting(it.simulation._audit)
    prove(TIME_CONTROLLED, reported)
    found = [each for each in reported if each.name == "TIME_CONTROLLED"]
    facts = [{item.name: item.value for item in each.attributes} for each in found]
    assert [(each["mode"], each["speed"]) for each in facts] == [
        ("paused", "1"),
        ("stepped", "1"),
        ("paused", "2"),
        ("running", "2"),
    ]
