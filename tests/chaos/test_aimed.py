"""A short aimed campaign: one case of each class of durable step, on two meshes; and no failpoint is dead."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random

import pytest

from chain import until
from chaos.aimed import cases, strike
from chaos.aimed.campaign import Campaign, Setting
from chaos.aimed.cases import ALL, ALONE, POINTS, Bridge, Case, Occurrence, Retention, Speed, possible
from chaos.aimed.stage import Stage, stage
from chaos.arena import write_scenario
from chaos.pilot import Pilot
from chaos.receipts import Witness
from mesh.failpoints import DIRECTORY_VARIABLE, PASSED_PREFIX
from mesh.tasks import task_group

DURATION_S, LIMIT_S = 240.0, 600.0
FIRST, SECOND, LATE = Occurrence
MIDDLE, SLOW = Speed.MIDDLE, Speed.SLOW
NORMAL, SMALL = Retention.NORMAL, Retention.SMALL
CASES = [
    Case("tracker", "checkpoint.kept", FIRST, ALL, MIDDLE, Bridge.STOPPED, NORMAL),
    Case("bridge", "batch.stored", FIRST, ALONE, SLOW, Bridge.NORMAL, NORMAL),
    Case("bridge", "write.acknowledged", SECOND, "tracker", SLOW, Bridge.NORMAL, NORMAL),
    Case("registrar", "log.write", FIRST, ALONE, SLOW, Bridge.NORMAL, NORMAL),
    Case("registrar", "log.synced", FIRST, "bridge", SLOW, Bridge.NORMAL, NORMAL),
    Case("tracker", "checkpoint.safe", SECOND, ALL, MIDDLE, Bridge.SLOW, NORMAL),
    Case("sim", "reservation.written", SECOND, "bridge", SLOW, Bridge.STOPPED, NORMAL),
    Case("tracker", "checkpoint.kept", FIRST, ALONE, SLOW, Bridge.STOPPED, SMALL),
    Case("tracker", "confirmation.answered", SECOND, "bridge", MIDDLE, Bridge.SLOW, SMALL),
    Case("bridge", "token.advanced", LATE, "sim", MIDDLE, Bridge.NORMAL, SMALL),
    Case("radar", "confirmation.send", FIRST, "tracker", MIDDLE, Bridge.AHEAD, SMALL),
    Case("sim", "file.written", LATE, ALL, SLOW, Bridge.AHEAD, SMALL),
]


def test_a_strike_at_any_durable_step_leaves_the_events_of_an_undisturbed_run(tmp_path: Path) -> None:
    assert set(CASES) <= set(possible())
    result = asyncio.run(Campaign(Setting(tmp_path, DURATION_S, LIMIT_S), print).run(CASES))
    assert [f"{case}: {why}" for case, why in result.failed] == []
    assert set(result.passed) == set(CASES)
    assert result.left == []


def test_a_fault_that_does_not_land_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cases.LATE_PASSING, "journal.write", 1_000_000)
    monkeypatch.setattr(strike, "STRIKE_TIMEOUT_S", 2.0)
    never = Case("sim", "journal.write", LATE, ALONE, SLOW, Bridge.NORMAL, NORMAL)
    result = asyncio.run(Campaign(Setting(tmp_path, DURATION_S, LIMIT_S), print).run([never]))
    assert result.passed == []
    assert [(case, "was not reached" in why) for case, why in result.failed] == [(never, True)]


def test_every_failpoint_is_passed_in_an_undisturbed_run_by_the_processes_that_are_struck_there(tmp_path: Path) -> None:
    found = asyncio.run(passed(tmp_path))
    assert found == {(process, point) for process in POINTS for point in POINTS[process]}


async def passed(directory: Path) -> set[tuple[str, str]]:
    """Run with commands and reports until every expected point is passed, and to the end; return what was passed."""
    wanted = {(process, point) for process in POINTS for point in POINTS[process]}

    def found() -> set[tuple[str, str]]:
        marks = (directory / "passed").glob(f"*/{PASSED_PREFIX}*")
        return {(mark.parent.name, mark.name.removeprefix(PASSED_PREFIX)) for mark in marks}

    def record(running: Stage) -> None:
        for service in running.environments:
            own = directory / "passed" / service
            own.mkdir(parents=True)
            running.environments[service][DIRECTORY_VARIABLE] = str(own)

    scenario = write_scenario(directory / "scenario.yaml", DURATION_S)
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(stage(directory, scenario, Retention.NORMAL, record))
        group = await stack.enter_async_context(task_group())
        tasks = [
            group.create_task(Witness(running.arena).run()),
            group.create_task(Pilot(running.arena, Random(1)).run()),
        ]
        await running.go("max")
        await until(lambda: found() >= wanted, "every point passed")
        for task in tasks:
            task.cancel()
    return found()
