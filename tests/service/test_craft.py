"""A craft in the real simulator: commands with effects, and one history whatever moment the process dies at."""

import asyncio
import signal
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from craft_bot import BOT_SPEC
from mesh.failpoints import COUNT_FILE, DIRECTORY_VARIABLE, POINT_VARIABLE, REACHED_FILE
from qiki.common.v1.geometry_pb2 import Vector3d
from qiki.sim.v1 import commands_pb2 as pb
from qiki.sim.v1 import sim_service_pb2
from sim_client import WAIT_S, Client, helm, served, spawned

pytestmark = pytest.mark.asyncio

SCENARIO = """\
schema_version: 1
name: flight
duration_s: 60.0
own_ship: {position_m: [0, 0, 0], course_deg: 0, speed_mps: 0}
contacts:
  - {name: near, object_type: drone, position_m: [20, 30, 0], course_deg: 90, speed_mps: 0.5, rcs_dbsm: -5}
"""
LAST_TICK = 1200
COUNTS = {"World": LAST_TICK // 2, "Energy": 60, "Shield": 60, "NavState": LAST_TICK // 2}
# Ten checkpoints in a run: each 64 ticks.
OFTEN: dict[str, Any] = {"checkpoint_period_s": 3.2, "retention_s": 90}
CHILD: dict[str, Any] = {"paused": "true", "bot_spec": BOT_SPEC, **OFTEN}
Stage = pb.CommandStage


def fire(number: int, tick: int, thruster: str, thrust_n: float, duration_s: float) -> pb.Command:
    action = pb.FireThruster(thruster=thruster, thrust_n=thrust_n, duration_s=duration_s)
    return pb.Command(command_id=_id(number), tick=tick, fire_thruster=action)


def _id(number: int) -> str:
    return str(uuid.UUID(int=number, version=4))


def velocity(number: int, tick: int, x: float, y: float, z: float = 0.0) -> pb.Command:
    action = pb.SetVelocity(velocity=Vector3d(x=x, y=y, z=z), tolerance_mps=0.2)
    return pb.Command(command_id=_id(number), tick=tick, set_velocity=action)


# Given before the first tick: the whole history is then known.
PLAN = (
    fire(1, 30, "thruster-x-plus-1", 60.0, 2.0),
    fire(2, 50, "thruster-x-plus-1", 10.0, 1.0),
    velocity(3, 150, 1.0, 2.0),
    pb.Command(command_id=_id(4), tick=300, switch_power=pb.SwitchPower(component="imu-main", on=False)),
    pb.Command(command_id=_id(5), tick=700, set_mode=pb.SetMode(mode=pb.CraftMode.CRAFT_MODE_SAFE)),
    velocity(6, 710, 1.0, 1.0),
)


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "flight.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    return path


def settings(scenario: Path, **others: Any) -> dict[str, Any]:
    return {"scenario": scenario, "bot_spec": BOT_SPEC, **OFTEN, **others}


async def history(client: Client) -> dict[str, list[bytes]]:
    """Every event of the whole run, as bytes, by feed; the ends of commands without their order in the journal."""
    found = {rpc: await client.events(rpc, count) for rpc, count in COUNTS.items()}
    found["Sensors"] = await client.events("Sensors", (await sensor_count(client)))
    life = [response.command_event for response in await client.events("Commands", 2 * len(PLAN))]
    found["Commands"] = sorted(life, key=lambda event: (event.command_id, event.stage))
    return {rpc: [event.SerializeToString(deterministic=True) for event in events] for rpc, events in found.items()}


async def sensor_count(client: Client) -> int:
    listed = await client.call("ListSensors", sim_service_pb2.ListSensorsRequest())
    assert listed.readings
    newest: list[Any] = []
    async with asyncio.timeout(WAIT_S):
        call = client.stub.WatchSensors(sim_service_pb2.WatchSensorsRequest())
        newest.append(await call.read())
        call.cancel()
    return int(newest[0].heartbeat.last_sequence)


async def fly(client: Client) -> dict[str, list[bytes]]:
    """Fly the plan to the run's end, or on to it; return the history."""
    for command in PLAN:
        assert (await client.result(command)).outcome == pb.CommandOutcome.COMMAND_OUTCOME_APPLIED
    await client.step(LAST_TICK)
    return await history(client)


async def calm(state_dir: Path, scenario: Path) -> dict[str, list[bytes]]:
    """The history of an undisturbed run in this process."""
    async with served(state_dir, **settings(scenario)) as client:
        return await fly(client)


@pytest.fixture(scope="module")
def calm_child(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bytes]]:
    """The history of an undisturbed run in a process of its own, whose platform is pinned."""
    directory = tmp_path_factory.mktemp("calm")
    path = directory / "flight.yaml"
    path.write_text(SCENARIO, encoding="utf-8")

    async def run() -> dict[str, list[bytes]]:
        async with spawned(directory / "state", path, **CHILD) as (_child, client):
            return await fly(client)

    return asyncio.run(run())


def endings(life: Sequence[Any]) -> dict[str, Any]:
    return {event.command_id: event for event in life if event.stage in (3, 4)}


# -- commands ----------------------------------------------------------------------------------------------------------


async def test_the_life_of_each_command_is_streamed_with_its_measured_effect(tmp_path: Path, scenario: Path) -> None:
    async with served(tmp_path / "state", **settings(scenario)) as client:
        for command in PLAN:
            await client.execute(command)
        await client.step(LAST_TICK)
        responses = await client.events("Commands", 2 * len(PLAN))
    life = [response.command_event for response in responses]
    assert [response.context.sequence for response in responses] == list(range(1, 2 * len(PLAN) + 1))
    assert [event.stage for event in life[: len(PLAN)]] == [Stage.COMMAND_STAGE_ACCEPTED] * len(PLAN)
    assert [event.command for event in life[: len(PLAN)]] == list(PLAN)
    found = endings(life)
    first, second, speed, switch, mode, late = (found[command.command_id] for command in PLAN)
    assert (first.stage, first.reason, first.tick) == (4, pb.AbortReason.ABORT_REASON_SUPERSEDED, 50)
    assert first.effect.impulse_ns == pytest.approx(60.0)
    assert (second.stage, second.tick, second.effect.ticks) == (3, 69, 20)
    assert second.effect.impulse_ns == pytest.approx(10.0)
    assert (speed.stage, speed.effect.velocity_error_mps <= 0.2) == (3, True)
    assert (switch.stage, switch.tick, mode.stage, mode.tick) == (3, 300, 3, 700)
    assert (late.stage, late.reason) == (4, pb.AbortReason.ABORT_REASON_MODE)


@pytest.mark.parametrize(
    ("command", "field", "message"),
    [
        (fire(9, 0, "thruster-9", 1.0, 1.0), "fire_thruster.thruster", "has no thruster 'thruster-9'"),
        (fire(9, 0, "thruster-x-plus-1", 101.0, 1.0), "fire_thruster.thrust_n", "(0, 100], got 101.0"),
        (fire(9, 0, "thruster-x-plus-1", float("nan"), 1.0), "fire_thruster.thrust_n", "got nan"),
        (fire(9, 0, "thruster-x-plus-1", 1.0, 0.0), "fire_thruster.duration_s", "(0, 3600], got 0.0"),
        (velocity(9, 0, 50.0, 50.0), "set_velocity.velocity", "[0, 60]"),
        (velocity(9, 0, float("inf"), 0.0), "set_velocity.velocity.x", "got inf"),
        (pb.Command(command_id=_id(9), set_attitude=pb.SetAttitude()), "set_attitude.attitude", "unit quaternion"),
        (pb.Command(command_id=_id(9), set_mode=pb.SetMode()), "set_mode.mode", "NOMINAL, DRIFT, SAFE"),
        (
            pb.Command(command_id=_id(9), switch_power=pb.SwitchPower(component="avionics")),
            "switch_power.component",
            "no switchable component 'avionics'",
        ),
        (
            pb.Command(command_id=_id(9), set_transponder=pb.SetTransponder(mode=1, spoof_identity="X")),
            "set_transponder.spoof_identity",
            "no use with mode ON",
        ),
        (helm(speed_mps=1.0), "action", "is not steered by helm"),
    ],
)
async def test_an_order_beyond_the_limits_of_the_bot_is_refused_by_its_field(
    tmp_path: Path, scenario: Path, command: pb.Command, field: str, message: str
) -> None:
    async with served(tmp_path / "state", **settings(scenario)) as client:
        result = await client.result(command)
        assert (result.outcome, result.field) == (pb.CommandOutcome.COMMAND_OUTCOME_REFUSED, field)
        assert message in result.message
        (event,) = await client.events("Commands", 1)
        assert (event.command_event.stage, event.command_event.field) == (Stage.COMMAND_STAGE_REFUSED, field)


async def test_without_a_rigid_body_an_order_is_refused_and_a_helm_is_completed_in_its_tick(tmp_path: Path) -> None:
    steer = helm(5, speed_mps=3.0)
    async with served(tmp_path / "state") as client:
        refused = await client.result(PLAN[0])
        assert (refused.outcome, refused.field) == (pb.CommandOutcome.COMMAND_OUTCOME_REFUSED, "action")
        await client.execute(steer)
        await client.step(10)
        life = [response.command_event for response in await client.events("Commands", 3)]
        assert [event.stage for event in life] == [2, 1, 3]
        assert (life[2].command_id, life[2].tick) == (steer.command_id, 5)
        filtered = await client.events("Commands", 2, filter={"command_ids": [steer.command_id]})
        assert [response.context.sequence for response in filtered] == [2, 3]


async def test_commands_are_listed_in_pages(tmp_path: Path, scenario: Path) -> None:
    async with served(tmp_path / "state", **settings(scenario)) as client:
        for command in PLAN:
            await client.execute(command)
        await client.step(100)
        await client.events("Commands", len(PLAN) + 2)
        token, pages = "", []
        for _ in range(3):
            request = sim_service_pb2.ListCommandsRequest(page_size=3, resume_token=token)
            page = await client.call("ListCommands", request)
            pages.append(([event.command_id for event in page.events], page.complete))
            token = page.resume_token
    ids = [command.command_id for command in PLAN]
    assert pages == [(ids[:3], False), (ids[3:], False), (ids[:2], True)]


# -- one history -------------------------------------------------------------------------------------------------------


async def test_a_restart_continues_from_a_checkpoint_with_the_same_history(tmp_path: Path, scenario: Path) -> None:
    wanted, state_dir = await calm(tmp_path / "calm", scenario), tmp_path / "state"
    for ticks in (170, 300, 290, LAST_TICK):
        async with served(state_dir, **settings(scenario)) as client:
            for command in PLAN:
                await client.execute(command)
            await client.step(ticks)
    assert len(list((state_dir / "checkpoints").iterdir())) > 5
    async with served(state_dir, **settings(scenario)) as client:
        await client.step(1)
        assert await history(client) == wanted


@pytest.mark.parametrize("damaged", ["newest", "all", "none"])
async def test_a_damaged_or_missing_checkpoint_costs_a_longer_replay_and_never_another_history(
    tmp_path: Path, scenario: Path, damaged: str
) -> None:
    wanted = await calm(tmp_path / "state", scenario)
    files = sorted((tmp_path / "state" / "checkpoints").iterdir())
    for path in files[-1:] if damaged == "newest" else files:
        if damaged == "none":
            path.unlink()
        else:
            data = path.read_bytes()
            at = len(data) // 2
            path.write_bytes(data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :])
    # With a short retention the craft is restored from a checkpoint, and only the end of the run is published again.
    async with served(tmp_path / "state", **settings(scenario, retention_s=10)) as client:
        await client.step(1)
        found = await client.events("World", 100)
        assert [event.SerializeToString(deterministic=True) for event in found] == wanted["World"][-100:]


POINTS = ("craft.write", "craft.written", "file.written", "tick.visible", "journal.write", "journal.appended")


@pytest.mark.parametrize("passing", [1, 3])
@pytest.mark.parametrize("point", [*POINTS, "reservation.write", "reservation.written"])
async def test_a_kill_at_any_durable_step_leaves_the_history_of_an_undisturbed_run(
    tmp_path: Path, scenario: Path, calm_child: dict[str, list[bytes]], point: str, passing: int
) -> None:
    state_dir, traps = tmp_path / "state", tmp_path / "trap"
    traps.mkdir()
    environment = {DIRECTORY_VARIABLE: str(traps), POINT_VARIABLE: f"{point}@{passing}=kill"}
    async with spawned(state_dir, scenario, environment, **CHILD) as (child, client):
        for command in PLAN:
            await client.execute(command)
        await client.step(100)
        (traps / COUNT_FILE).touch()
        resumed = sim_service_pb2.SetSimulationSpeedRequest(as_fast_as_possible=True)
        await client.call("SetSimulationSpeed", resumed)
        await client.call("ResumeSimulation", sim_service_pb2.ResumeSimulationRequest())
        assert await asyncio.to_thread(child.process.wait, WAIT_S) == -signal.SIGKILL
    assert (traps / REACHED_FILE).exists()
    async with spawned(state_dir, scenario, **CHILD) as (_child, client):
        assert await fly(client) == calm_child
