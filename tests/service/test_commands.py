"""ExecuteCommand on the real simulator: once, durably, at a tick not yet visible, whatever process dies."""

import asyncio
import math
import os
import resource
import uuid
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

import svc_sim.commands.execution
import svc_sim.wiring
from mesh.serving.errors import StartError
from qiki.sim.v1 import sim_service_pb2 as pb
from qiki.sim.v1.commands_pb2 import Command, CommandOutcome, CommandResult, SetHelm
from qiki.sim.v1.world_pb2 import WorldSnapshot
from qiki_sdk.errors import InvalidFieldError, QikiError
from sim_client import GIVEN, WAIT_S, Client, helm, served, spawned

pytestmark = pytest.mark.asyncio

BLOCK = 20  # ticks of 50 ms that are reserved at a time
APPLIED, REFUSED = CommandOutcome.COMMAND_OUTCOME_APPLIED, CommandOutcome.COMMAND_OUTCOME_REFUSED
SCENARIO = """\
schema_version: 1
name: steered
duration_s: 20.0
own_ship: {position_m: [0, 0, 0], course_deg: 0, speed_mps: 10}
"""
LAST_TICK = 400


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "steered.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    return path


# -- effects -----------------------------------------------------------------------------------------------------------


async def test_a_command_acts_from_the_first_uncommitted_tick_and_the_answer_names_it(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        state = await client.step(7)
        command = helm(speed_mps=33.0)
        result = await client.result(command)
        assert state.committed_tick == BLOCK
        assert (result.command_id, result.outcome, result.tick) == (command.command_id, APPLIED, BLOCK + 1)
        assert result.time.ToJsonString() == "2026-01-01T00:00:01.050Z"
        assert (result.run_id, result.field, result.message) == (GIVEN["run_id"], "", "")
        await client.step(BLOCK - 7)
        assert await client.speed_mps() != 33.0
        assert (await client.step(2)).tick == BLOCK + 2
        assert await client.speed_mps() == pytest.approx(33.0)


async def test_before_the_first_tick_a_command_acts_at_once(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        assert (await client.result(helm(speed_mps=5.0))).tick == 1
        await client.step(2)
        assert await client.speed_mps() == pytest.approx(5.0)


async def test_a_command_for_a_named_tick_acts_there_and_not_before(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        later = await client.result(helm(60, speed_mps=60.0))
        sooner = await client.result(helm(30, speed_mps=30.0))
        assert [later.tick, sooner.tick] == [60, 30]
        for tick, speed_mps in ((28, 0.0), (30, 30.0), (58, 30.0), (60, 60.0)):
            await client.step(tick - (await client.state()).tick)
            assert (await client.speed_mps() == pytest.approx(speed_mps)) == (speed_mps > 0.0)


async def test_a_repeated_command_gets_the_first_answer_byte_for_byte(tmp_path: Path) -> None:
    command, refused = helm(speed_mps=5.0), helm(speed_mps=-1.0)
    async with served(tmp_path) as client:
        first, wrong = await client.execute(command), await client.execute(refused)
        assert not first.repeated
        await client.step(50)
        again = [await client.execute(command) for _ in range(3)]
        other = await client.execute(helm(command_id=command.command_id, climb_mps=9.0))
        assert [item.result.SerializeToString() for item in [*again, other]] == [first.result.SerializeToString()] * 4
        assert all(item.repeated for item in [*again, other])
    async with served(tmp_path) as client:
        for item, result in ((command, first.result), (refused, wrong.result)):
            response = await client.execute(item)
            assert (response.result.SerializeToString(), response.repeated) == (result.SerializeToString(), True)


async def test_a_command_sent_many_times_at_once_is_executed_once(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        command = helm(speed_mps=5.0)
        responses = await asyncio.gather(*(client.execute(command) for _ in range(20)))
        assert len({response.result.SerializeToString() for response in responses}) == 1
        assert sorted(response.repeated for response in responses) == [False] + [True] * 19


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "field", "message"),
    [
        (helm(course_deg=math.nan), "set_helm.course_deg", "finite and in [0, 360), got nan"),
        (helm(course_deg=360.0), "set_helm.course_deg", "got 360.0"),
        (helm(course_deg=-1e-9), "set_helm.course_deg", "got -1e-09"),
        (helm(speed_mps=math.inf), "set_helm.speed_mps", "got inf"),
        (helm(speed_mps=-1.0), "set_helm.speed_mps", "got -1.0"),
        (helm(speed_mps=1e300), "set_helm.speed_mps", "got 1e+300"),
        (helm(turn_rate_dps=-math.inf), "set_helm.turn_rate_dps", "got -inf"),
        (helm(turn_rate_dps=360.1), "set_helm.turn_rate_dps", "[-360, 360], got 360.1"),
        (helm(climb_mps=math.nan), "set_helm.climb_mps", "got nan"),
        (helm(), "set_helm", "give at least one of course_deg"),
        (Command(command_id=str(uuid.uuid4())), "action", "known: set_helm"),
        (Command.FromString(b"\x0a\x24" + b"a" * 8 + b"-0000-4000-8000-" + b"b" * 12 + b"\xfa\x01\x01x"), "action", ""),
        (helm(LAST_TICK + 1, speed_mps=1.0), "tick", f"401 is not in this run, whose last tick is {LAST_TICK}"),
        (helm(2**64 - 1, speed_mps=1.0), "tick", "is not in this run"),
        (helm(BLOCK, speed_mps=1.0), "tick", f"20 is settled; reached are ticks through {BLOCK}"),
        (helm(1, speed_mps=1.0), "tick", f"1 is settled; reached are ticks through {BLOCK}"),
    ],
)
async def test_an_impossible_command_is_refused_by_its_field_and_changes_nothing(
    tmp_path: Path, scenario: Path, command: Command, field: str, message: str
) -> None:
    async with served(tmp_path / "state", scenario=scenario) as client:
        await client.step(2)
        result = await client.result(command)
        assert (result.command_id, result.outcome, result.tick) == (command.command_id, REFUSED, 0)
        assert (result.field, result.HasField("time")) == (field, False)
        assert message in result.message
        await client.step(100)
        assert await client.speed_mps() == pytest.approx(10.0)


@pytest.mark.parametrize(
    "command_id",
    [
        "",
        "x",
        "1" * 36,
        "7B6F0A3E-2F5C-4F0E-9C41-3A8D2F1E5B00",
        "{7b6f0a3e-2f5c-4f0e-9c41-3a8d2f1e5b00}",
        "a" * 100_000,
    ],
)
async def test_an_id_that_is_no_uuid_is_refused_by_its_field(tmp_path: Path, command_id: str) -> None:
    async with served(tmp_path) as client:
        for request in (
            pb.ExecuteCommandRequest(command=Command(command_id=command_id, set_helm=SetHelm(speed_mps=1.0))),
            pb.ExecuteCommandRequest(),
        ):
            with pytest.raises(InvalidFieldError, match="should be a UUID") as caught:
                await client.call("ExecuteCommand", request)
            assert caught.value.metadata["field"] == "command.command_id"
    assert not (tmp_path / "commands.journal").exists()


async def test_after_the_end_of_the_run_commands_are_refused(tmp_path: Path, scenario: Path) -> None:
    async with served(tmp_path / "state", scenario=scenario) as client:
        assert (await client.step(1_000)).tick == LAST_TICK
        result = await client.result(helm(speed_mps=1.0))
        assert (result.outcome, result.field) == (REFUSED, "tick")
        assert "nothing can act any more" in result.message


async def test_a_run_at_its_command_limit_refuses_new_commands_and_still_answers_repeated_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(svc_sim.commands.execution, "MAX_COMMANDS", 2)
    async with served(tmp_path) as client:
        first = helm(speed_mps=1.0)
        answered = await client.result(first)
        await client.result(helm(speed_mps=2.0))
        with pytest.raises(QikiError, match="has had 2 commands") as caught:
            await client.result(helm(speed_mps=3.0))
        assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "LIMIT_REACHED")
        assert await client.result(first) == answered


# -- restarts and replays ----------------------------------------------------------------------------------------------


async def test_a_restart_replays_the_same_history_with_its_commands(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await client.step(5)
        for command in (helm(course_deg=45.0, turn_rate_dps=3.0), helm(speed_mps=77.0), helm(climb_mps=2.5)):
            await client.result(command)
            await client.step(25)
        await client.result(helm(200, speed_mps=1.0))
        before = await client.history(40)
    async with served(tmp_path) as client:
        after = await client.history(40)
        assert after == before
        result = await client.result(helm(speed_mps=3.0))
        assert result.tick == 81, "ticks through 80 had been reserved"
        await client.step(118)
        assert await client.speed_mps() == pytest.approx(3.0)
        await client.step(2)
        assert await client.speed_mps() == pytest.approx(1.0), "the command for tick 200 was kept"


async def test_a_fresh_run_with_another_runs_journal_has_that_runs_history(tmp_path: Path, scenario: Path) -> None:
    async with served(tmp_path / "disturbed", scenario=scenario) as client:
        for number in range(5):
            await client.result(helm(course_deg=70.0 * number, speed_mps=10.0 * number, climb_mps=1.0))
            await client.result(helm(speed_mps=-1.0))
            await client.step(31)
        await client.step(1_000)
        disturbed = await client.history(LAST_TICK // 2)
    journal = tmp_path / "disturbed" / "commands.journal"
    async with served(tmp_path / "clean", scenario=scenario, journal=journal, paused=False, speed="max") as client:
        clean = await client.history(LAST_TICK // 2)
    async with served(tmp_path / "other", scenario=scenario, paused=False, speed="max") as client:
        other = await client.history(LAST_TICK // 2)
    assert clean == disturbed
    assert clean != other


async def test_commands_answered_before_a_kill_take_effect_once_after_it(tmp_path: Path, scenario: Path) -> None:
    state_dir = tmp_path / "state"
    answered: dict[str, tuple[Command, CommandResult]] = {}
    seen: dict[int, bytes] = {}
    for _kill in range(3):
        async with spawned(state_dir, scenario, speed=4.0) as (child, client):
            watching = asyncio.create_task(_watch(client, seen))
            try:
                for number in range(15):
                    command = helm(speed_mps=float(len(answered) + 1), course_deg=float(number))
                    answered[command.command_id] = command, await client.result(command)
                child.kill()
            finally:
                await watching
    async with spawned(state_dir, scenario, speed="max") as (_child, client):
        for command, result in answered.values():
            assert await client.execute(command) == pb.ExecuteCommandResponse(result=result, repeated=True)
        final = await client.history(LAST_TICK // 2)
    assert seen.items() <= final.items(), "snapshots read before a kill are the same after it"
    journal = state_dir / "commands.journal"
    async with served(tmp_path / "clean", scenario=scenario, journal=journal, paused=False, speed="max") as client:
        assert await client.history(LAST_TICK // 2) == final
    applied = [(result.tick, command) for command, result in answered.values() if result.outcome == APPLIED]
    assert len(applied) >= 15
    for tick in {tick for tick, _command in applied if tick < LAST_TICK}:
        last = [command for at, command in applied if at <= tick + 1][-1]
        shown = WorldSnapshot.FromString(final[tick + tick % 2]).own_ship.velocity
        assert math.hypot(shown.x, shown.y) == pytest.approx(last.set_helm.speed_mps)


async def _watch(client: Client, seen: dict[int, bytes]) -> None:
    """Keep every snapshot until the server is gone."""
    call = client.stub.WatchWorld(pb.WatchWorldRequest(from_oldest=True))
    try:
        while True:
            response: Any = await call.read()
            if response is grpc.aio.EOF:
                return
            if response.HasField("snapshot"):
                body = response.snapshot.SerializeToString(deterministic=True)
                assert seen.setdefault(response.snapshot.tick, body) == body
    except grpc.aio.AioRpcError:
        return
    finally:
        call.cancel()


async def test_a_torn_tail_is_cut_off_and_damage_before_it_fails_the_start_with_its_position(
    tmp_path: Path, scenario: Path
) -> None:
    state_dir = tmp_path / "state"
    commands = [helm(speed_mps=float(number)) for number in range(4)]
    async with served(state_dir, scenario=scenario) as client:
        results = [await client.result(command) for command in commands]
    path = state_dir / "commands.journal"
    whole = path.read_bytes()
    path.write_bytes(whole + b"\xf5\xffQJ torn")
    async with served(state_dir, scenario=scenario) as client:
        assert [await client.result(command) for command in commands] == results
        await client.step(1)
    kept = path.read_bytes()
    assert kept.startswith(whole), "cut off before the next tick is reserved"
    assert b"torn" not in kept
    at = kept.index(commands[1].command_id.encode())
    path.write_bytes(kept[:at] + b"X" + kept[at + 1 :])
    with pytest.raises(StartError, match=r"commands\.journal is damaged at byte"):
        async with served(state_dir, scenario=scenario):
            pass


# -- disks -------------------------------------------------------------------------------------------------------------


async def test_damage_to_the_last_command_of_a_sealed_journal_is_no_torn_tail(tmp_path: Path) -> None:
    """The command was answered as executed: a start that truncated its record would silently revoke it."""
    path = tmp_path / "commands.journal"
    async with served(tmp_path) as client:
        await client.execute(helm(course_deg=90.0))
        async with asyncio.timeout(WAIT_S):  # while the simulator still runs: it may be killed at any time
            while f" {path.stat().st_size}\n" not in (tmp_path / "reserved_tick").read_text():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await client.execute(helm(course_deg=180.0))
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes((data[-1] ^ 1,)))
    with pytest.raises(StartError, match=r"commands\.journal is damaged"):
        async with served(tmp_path):
            pass


async def test_on_a_full_disk_commands_are_refused_and_the_run_waits_until_space_returns(
    tmp_path: Path, scenario: Path
) -> None:
    async with spawned(tmp_path / "state", scenario, paused="true") as (child, client):
        first, second = helm(speed_mps=1.0), helm(speed_mps=2.0)
        answered = await client.result(first)
        await client.step(2)
        child.let_files_grow_to(1)
        with pytest.raises(QikiError, match="cannot be written down: File too large") as caught:
            await client.result(second)
        assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "STORAGE_FAILED")
        assert caught.value.metadata["cause"] == "EFBIG"
        assert await client.result(first) == answered
        await client.until_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        stepping = asyncio.create_task(client.step(BLOCK))
        async with asyncio.timeout(WAIT_S):
            while not (state := await client.state()).blocked_by:  # noqa: ASYNC110 (another process sets no event of ours)
                await asyncio.sleep(0.05)
        assert (state.tick, state.phase) == (BLOCK, pb.SimulationPhase.SIMULATION_PHASE_BLOCKED)
        assert state.blocked_by == "storage: ticks cannot be reserved: File too large"
        assert child.healthz()["status"] == "NOT_SERVING"
        child.let_files_grow_to(resource.RLIM_INFINITY)
        assert (await stepping).tick == BLOCK + 2
        await client.until_health(health_pb2.HealthCheckResponse.SERVING)
        result = await client.result(second)
        assert (result.outcome, result.tick) == (APPLIED, 2 * BLOCK + 1)
    async with spawned(tmp_path / "state", scenario, paused="true") as (_child, client):
        assert await client.result(first) == answered
        assert await client.result(second) == result


async def test_a_write_with_a_failed_flush_has_no_effect_after_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record is in the file but perhaps not on the disk: the tick passes without the command."""
    command, fsync = helm(speed_mps=99.0), os.fsync
    async with served(tmp_path) as client:
        await client.result(helm(speed_mps=1.0))
        await client.step(2)

        def broken(fd: int) -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(os, "fsync", broken)
        with pytest.raises(QikiError, match="Input/output error") as caught:
            await client.result(command)
        assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.UNAVAILABLE, "STORAGE_FAILED")
        monkeypatch.setattr(os, "fsync", fsync)
        await client.step(40)
        before = await client.history(21)
    async with served(tmp_path) as client:
        after = await client.history(21)
        assert after == before
        assert await client.speed_mps() == pytest.approx(1.0)
        assert not (await client.execute(command)).repeated
