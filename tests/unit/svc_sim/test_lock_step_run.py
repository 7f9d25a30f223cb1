"""A run in lock step: the world waits for its agents, and what they do acts at a tick that no wall clock decides."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import grpc
import pytest

from botspec.yaml_source import SpecError
from code_proofs import prove, waiting
from mesh.serving.errors import InvalidFieldError, RunEndedError
from mesh.serving.health import Health
from mesh.serving.runtime import ServiceContext
from mesh.telemetry.telemetry import Telemetry
from qiki.sim.v1 import sim_service_pb2 as pb
from qiki.sim.v1.commands_pb2 import Command, SetHelm
from qiki_sdk.audit import AuditReporter
from qiki_sdk.codes import RUN_FAILED
from svc_sim.config import SimSettings
from svc_sim.wiring import build

RUN_ID = "11111111-2222-4333-8444-555555555555"
START = "2026-01-01T00:00:00Z"
NO_CONTEXT: Any = grpc.aio.ServicerContext
WAIT_S = 30.0
STEP_TICKS = 20
SCENARIO = """\
schema_version: 1
name: turns
duration_s: 4.5
own_ship: {{position_m: [0, 0, 0], course_deg: 20, speed_mps: 15}}
lock_step: {{agents: [{agents}], step_s: {step_s}, limit_s: {limit_s}}}
"""


def scenario(directory: Path, agents: str = "a", step_s: float = 1.0, limit_s: float = 60.0) -> Path:
    path = directory / "turns.yaml"
    path.write_text(SCENARIO.format(agents=agents, step_s=step_s, limit_s=limit_s))
    return path


class Served:
    """A simulator with its loops, called as by its RPCs."""

    def __init__(self, parts: Any) -> None:
        self.servicer = parts.mounts[0].servicer
        self.simulation = self.servicer.simulation
        self.feeds = self.simulation.outputs.feeds.derived
        self.replayed_to = self.simulation.newest_tick

    async def turn(self, agent: str, completed: int | None = None) -> pb.TakeTurnResponse:
        request = pb.TakeTurnRequest(agent=agent, completed_tick=completed)
        async with asyncio.timeout(WAIT_S):
            response: pb.TakeTurnResponse = await self.servicer.TakeTurn(request, NO_CONTEXT)
        return response

    async def steer(self, agent: str, tick: int) -> int:
        """Execute a command that is a function of agent and turn; return the tick at which it acts."""
        command_id = str(uuid5(UUID(RUN_ID), f"{agent}/{tick}"))
        helm = SetHelm(course_deg=float((tick + len(agent)) % 360), speed_mps=10.0 + tick)
        request = pb.ExecuteCommandRequest(command=Command(command_id=command_id, set_helm=helm))
        response = await self.servicer.ExecuteCommand(request, NO_CONTEXT)
        assert response.result.outcome == 1, response.result.message
        return int(response.result.tick)

    async def fly(self, agent: str, delay_s: float = 0.0, until_tick: int = 10**9) -> list[int]:
        """Take every turn up to a tick; return the ticks at which the commands act."""
        acting, completed = [], None
        while not (turn := await self.turn(agent, completed)).ended and turn.tick <= until_tick:
            await asyncio.sleep(delay_s)
            assert turn.tick < self.replayed_to or self.simulation.tick == turn.tick, "the world waits for the agent"
            acting.append(await self.steer(agent, turn.tick))
            completed = turn.tick
        return acting

    async def until_failed(self) -> None:
        async with asyncio.timeout(WAIT_S):
            while not any(event.name == RUN_FAILED.name for event in waiting(self.simulation._audit)):
                await self.simulation.turns.change.wait(0.1)

    def events(self) -> str:
        """Return the digest of every event's payload and id."""
        digest = hashlib.sha256()
        for feed in self.feeds:
            for sequence in range(1, feed.store.last_sequence + 1):
                response = feed.response_type.FromString(feed.store.get(sequence).response)
                response.context.ClearField("recorded_time")
                response.context.ClearField("run_created")
                digest.update(response.SerializeToString(deterministic=True))
        return digest.hexdigest()


@asynccontextmanager
async def served(state_dir: Path, path: Path, **settings: Any) -> AsyncIterator[Served]:
    base = ServiceContext(Health("svc_sim", stall_s=60.0), Telemetry("svc_sim"), AuditReporter("", "svc_sim"))
    with base.resources:
        parts = build(
            SimSettings(
                state_dir=state_dir, scenario=path, run_id=UUID(RUN_ID), start_time=START, speed="max", **settings
            ),
            base,
        )
        async with asyncio.TaskGroup() as group:
            loops: list[Any] = [loop() for loop in parts.loops]
            tasks = [group.create_task(loop) for loop in loops]
            try:
                yield Served(parts)
            finally:
                for task in tasks:
                    task.cancel()


@pytest.mark.asyncio
async def test_a_command_acts_in_the_first_tick_after_its_turn_whatever_the_agent_s_speed(tmp_path: Path) -> None:
    path, digests = scenario(tmp_path), []
    for number, delay_s in enumerate((0.0, 0.05)):
        async with served(tmp_path / str(number), path) as sim:
            assert await sim.fly("a", delay_s) == [tick + 1 for tick in range(0, 90, STEP_TICKS)]
            digests.append(sim.events())
    assert digests[0] == digests[1]


@pytest.mark.asyncio
async def test_several_agents_take_turns_in_the_scenario_s_order(tmp_path: Path) -> None:
    path, digests = scenario(tmp_path, "first, second"), []
    for number, delays_s in enumerate(((0.05, 0.0), (0.0, 0.05))):
        async with served(tmp_path / str(number), path) as sim:
            await asyncio.gather(sim.fly("second", delays_s[1]), sim.fly("first", delays_s[0]))
            digests.append(sim.events())
    assert digests[0] == digests[1], "two commands of one tick act in the agents' order"


@pytest.mark.asyncio
async def test_a_killed_simulator_and_an_agent_that_begins_again_make_the_same_run(tmp_path: Path) -> None:
    path = scenario(tmp_path)
    async with served(tmp_path / "whole", path) as sim:
        await sim.fly("a")
        whole = sim.events()
    async with served(tmp_path / "killed", path) as sim:
        await sim.fly("a", until_tick=2 * STEP_TICKS)
    async with served(tmp_path / "killed", path) as sim:
        assert await sim.fly("a") == [tick + 1 for tick in range(0, 90, STEP_TICKS)]
        assert sim.events() == whole


@pytest.mark.asyncio
async def test_a_turn_names_the_newest_events_up_to_its_tick(tmp_path: Path) -> None:
    async with served(tmp_path / "state", scenario(tmp_path)) as sim:
        first = await sim.turn("a")
        assert (first.tick, first.world_sequence, first.sensors_sequence, first.ended) == (0, 0, 0, False)
        second = await sim.turn("a", 0)
        assert second.tick == STEP_TICKS
        assert second.world_sequence == sim.feeds[0].store.last_sequence == 10
        assert second.sensors_sequence == sim.feeds[1].store.last_sequence == 11


@pytest.mark.asyncio
async def test_past_the_limit_the_run_has_failed_and_no_feed_ends(tmp_path: Path) -> None:
    async with served(tmp_path / "state", scenario(tmp_path, limit_s=0.001)) as sim:
        assert (await sim.turn("a")).tick == 0
        await sim.until_failed()
        with pytest.raises(RunEndedError, match=r"agent a has not completed the step at tick 0 within 0\.001 s"):
            await sim.turn("a", 0)
        prove(RUN_FAILED, waiting(sim.simulation._audit))
        assert sim.simulation.phase() == pb.SimulationPhase.SIMULATION_PHASE_FAILED
        assert not any(feed.ended for feed in sim.feeds)
        async with asyncio.timeout(WAIT_S):
            while "RUN_FAILED" not in [each.name for each in waiting(sim.simulation._audit)]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        prove(RUN_FAILED, waiting(sim.simulation._audit))


@pytest.mark.asyncio
async def test_a_turn_of_an_unknown_agent_is_refused(tmp_path: Path) -> None:
    async with served(tmp_path / "state", scenario(tmp_path)) as sim:
        with pytest.raises(InvalidFieldError, match="it waits for: a"):
            await sim.turn("b")


def test_a_step_that_is_no_whole_number_of_ticks_is_refused_with_its_line(tmp_path: Path) -> None:
    path = scenario(tmp_path, step_s=0.12)
    base = ServiceContext(Health("svc_sim", stall_s=60.0), Telemetry("svc_sim"), AuditReporter("", "svc_sim"))
    with base.resources, pytest.raises(SpecError, match=r"turns\.yaml:5: lock_step\.step_s: 0\.12 s is not a whole"):
        build(SimSettings(scenario=path), base)
