"""A run's history: a tick is reserved with all its commands before it may be seen."""

import asyncio
import errno
import threading
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from qiki.common.v1.stream_pb2 import Run
from qiki.sim.v1.commands_pb2 import Command, CommandOutcome, CommandRecord, CommandResult, SetHelm
from svc_sim.domain.scenario.loader import load_scenario
from svc_sim.domain.world import World
from svc_sim.durability.commit_log import CommitLog
from svc_sim.durability.journal import Journal
from svc_sim.durability.reservation import Reservation, prepare

pytestmark = pytest.mark.asyncio

RUN = Run(
    run_id="7b6f0a3e-2f5c-4f0e-9c41-3a8d2f1e5b00",
    start_time=Timestamp(seconds=1_767_225_600),
    bot_id="qiki-01",
    tick_ns=50_000_000,
)
SCENARIO = Path(__file__).parents[3] / "svc_sim" / "scenarios" / "crossing.yaml"
BLOCK_TICKS = 20
MEANWHILE_S = 0.5


def record(tick: int) -> CommandRecord:
    command_id = f"00000000-0000-4000-8000-{tick:012}"
    result = CommandResult(command_id=command_id, outcome=CommandOutcome.COMMAND_OUTCOME_APPLIED, tick=tick)
    return CommandRecord(command=Command(command_id=command_id, set_helm=SetHelm(speed_mps=5.0)), result=result)


def make_world() -> World:
    return World(load_scenario(SCENARIO), RUN.run_id, RUN.tick_ns)


def make(state_dir: Path, world: World | None = None) -> tuple[CommitLog, Journal]:
    reservation = Reservation.open(state_dir, RUN.run_id, BLOCK_TICKS)
    journal = Journal.open(state_dir, RUN, reservation.journal_bytes)
    return CommitLog(reservation, journal, world or make_world()), journal


async def test_a_reservation_keeps_the_journals_length_so_that_a_shorter_journal_is_detected(tmp_path: Path) -> None:
    prepare(tmp_path, RUN.run_id)
    history, journal = make(tmp_path)
    await history.settle(1)
    await history.enter(lambda settled: record(settled + 1))
    await history.settle(BLOCK_TICKS + 1)
    journal.close()
    assert journal.end > 0
    assert Reservation.open(tmp_path, RUN.run_id, BLOCK_TICKS).journal_bytes == journal.end


async def test_a_command_that_could_not_be_written_down_has_no_effect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(tmp_path, RUN.run_id)
    world = make_world()
    history, journal = make(tmp_path, world)
    later, append = 10 * BLOCK_TICKS, journal.append
    before = world.at(later)

    def fail(_item: CommandRecord) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(journal, "append", fail)
    with pytest.raises(OSError, match="no space"):
        await history.enter(lambda settled: record(settled + 1))
    assert world.at(later) == before
    monkeypatch.setattr(journal, "append", append)
    await history.enter(lambda settled: record(settled + 1))
    journal.close()
    assert world.at(later) != before


async def test_no_tick_is_reserved_while_a_command_that_acts_in_it_is_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(tmp_path, RUN.run_id)
    history, journal = make(tmp_path)
    await history.settle(1)
    writing, reserved, append = asyncio.Event(), threading.Event(), journal.append
    extend = Reservation.extend
    loop, overtaken = asyncio.get_running_loop(), []

    def append_slowly(item: CommandRecord) -> None:
        loop.call_soon_threadsafe(writing.set)
        overtaken.append(reserved.wait(MEANWHILE_S))
        append(item)

    def extend_and_signal(self: Reservation, tick: int, journal_bytes: int = 0) -> None:
        extend(self, tick, journal_bytes)
        reserved.set()

    monkeypatch.setattr(journal, "append", append_slowly)
    monkeypatch.setattr(Reservation, "extend", extend_and_signal)
    async with asyncio.TaskGroup() as group:
        entering = group.create_task(history.enter(lambda settled: record(settled + 1)))
        await writing.wait()
        group.create_task(history.settle(BLOCK_TICKS + 1))
    journal.close()
    assert overtaken == [False]
    assert entering.result().result.tick == BLOCK_TICKS + 1
    assert history.committed_tick == 2 * BLOCK_TICKS
