"""Chains of cases: one mesh after another, on each as many strikes as its run is long, then to the run's end."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from random import Random

import grpc
import nats.errors
import nats.js.errors

from chaos.aimed.bus import Bus
from chaos.aimed.cases import Case, Retention
from chaos.aimed.stage import Stage, Trap, stage
from chaos.aimed.strike import CaseFailed, Striker
from chaos.arena import write_scenario
from chaos.pilot import Pilot
from chaos.receipts import Witness, audit_difference
from chaos.traces import Trace
from chaos.watcher import NotRecovered, Watcher
from cli.errors import CliError
from mesh.tasks import task_group
from qiki_sdk.errors import QikiError

# Of simulation time. No case begins where less of the run is left: it would end before events flow again.
NEEDED_S = {"2": 40.0, "10": 120.0, "max": 250.0}
WORLD, WORLD_EVENTS_A_S = "qiki.sim.v1.world", 10
MAX_CHAIN = 14
CARRIED_STALL_S = 60.0
POLL_S = 0.1

# The failures of a case: missing or wrong answers of the parts of a mesh with faults.
FAILURES = (
    AssertionError,
    OSError,
    TimeoutError,
    grpc.aio.AioRpcError,
    nats.errors.Error,
    nats.js.errors.Error,
    CliError,
    QikiError,
)

Traces = Mapping[str, Sequence[Trace]]


@dataclass(frozen=True, slots=True)
class Setting:
    """The length of a run, in simulation time, and the time after which no case starts, in seconds from the start."""

    directory: Path
    duration_s: float
    limit_s: float


@dataclass(slots=True)
class Result:
    """The results of the cases: passed ones, failed ones with the reason, and ones there was no time for."""

    passed: list[Case] = field(default_factory=list)
    failed: list[tuple[Case, str]] = field(default_factory=list)
    left: list[Case] = field(default_factory=list)
    receipts: int = 0
    commands: int = 0


class Campaign:
    """Carries out cases; `say` is given a line for each."""

    def __init__(self, setting: Setting, say: Callable[[str], None]) -> None:
        self._setting = setting
        self._say = say
        self._scenario = write_scenario(setting.directory / "scenario.yaml", setting.duration_s)
        self._meshes = 0
        self._calm: Traces | None = None
        self._result = Result()
        self._done = self._total = 0
        self._began = time.monotonic()

    async def run(self, cases: Sequence[Case]) -> Result:
        """Carry out the cases."""
        self._began, self._total = time.monotonic(), len(cases)
        waiting = chains(cases)
        while waiting:
            chain = waiting.pop(0)
            if time.monotonic() - self._began > self._setting.limit_s:
                self._result.left += chain
            elif left := await self._chain(chain):
                waiting.insert(0, left)
        return self._result

    async def _chain(self, chain: Sequence[Case]) -> list[Case]:
        """Carry out cases on one mesh; return the cases that need another mesh."""
        steered = chain[0].is_steered
        if not steered and self._calm is None:
            self._say("the same run undisturbed ...")
            self._calm = await self._undisturbed("calm")
        self._meshes += 1
        play = _Play(chain, None if steered else self._calm, self._setting.duration_s)
        try:
            async with stage(
                self._setting.directory / f"mesh-{self._meshes:03}", self._scenario, chain[0].retention, play.set_first
            ) as running:
                await play.run(running, self._landed)
                journal = running.arena.journal
                if steered:
                    play.compare_steered(await self._undisturbed(f"calm-{self._meshes:03}", journal))
        except FAILURES as error:
            case, why = play.at, str(error) or type(error).__name__
            if play.finishing:
                why = f"at the run's end, after {len(play.passed)} cases that looked well: {why}"
            self._result.failed.append((case, why))
            self._say(f"FAIL {case}: {why}")
        self._result.passed += [case for case in play.passed if case not in dict(self._result.failed)]
        self._result.receipts += play.receipts
        self._result.commands += play.commands
        return play.left

    async def _undisturbed(self, name: str, journal: Path | None = None) -> Traces:
        """Return the messages of an undisturbed run with the commands of a journal."""
        return await undisturbed(self._setting.directory / name, self._scenario, journal)

    def _landed(self, case: Case, took: str) -> None:
        self._done += 1
        number = self._done + len(self._result.failed)
        elapsed_s = time.monotonic() - self._began
        to_go_s = elapsed_s / number * (self._total - number)
        self._say(f"{number}/{self._total} {case}: {took}; {elapsed_s:.0f} s, about {to_go_s:.0f} s to go")


class _Play:
    """One mesh's part of the campaign."""

    def __init__(self, chain: Sequence[Case], calm: Traces | None, duration_s: float) -> None:
        self.at = chain[0]
        self.passed: list[Case] = []
        self.left: list[Case] = []
        self.finishing = False
        self.receipts = self.commands = 0
        self._chain = chain
        self._calm = calm
        self._duration_s = duration_s
        self._traps: dict[int, Trap] = {}
        self._striker: Striker | None = None

    def set_first(self, running: Stage) -> None:
        """Arm each process, before it is started, for its first case."""
        for process in {case.process for case in self._chain}:
            self._set_next(running, process, 0)

    async def run(self, running: Stage, landed: Callable[[Case, str], None]) -> None:
        """Carry out each strike, then run to the end. Raises the failure of a case."""
        witness, pilot = Witness(running.arena), Pilot(running.arena, Random(1))
        self._striker = striker = Striker(running, witness, self._calm)
        async with task_group(*FAILURES) as group:
            reporting = group.create_task(witness.run())
            steering = group.create_task(pilot.run()) if self._chain[0].is_steered else None
            await running.prelude()
            try:
                await self._strike_all(running, striker, landed)
                self.finishing = True
                if steering is not None:
                    steering.cancel()
                    await pilot.answered()
                await running.go("max")
                await carried(running)
            finally:
                reporting.cancel()
                if steering is not None:
                    steering.cancel()
        self.receipts, self.commands = len(witness.receipts), len(pilot.sent)
        await striker.bus.read()
        striker.compare(whole=True)
        failure = await audit_difference(running.arena, witness.receipts) or await pilot.difference()
        if failure:
            raise CaseFailed(failure)

    def compare_steered(self, calm: Traces) -> None:
        """Compare a run that had commands with the same run undisturbed."""
        assert self._striker is not None
        self._striker.wanted = calm
        self._striker.compare(whole=True)

    async def _strike_all(self, running: Stage, striker: Striker, landed: Callable[[Case, str], None]) -> None:
        for number, case in enumerate(self._chain):
            used_s = (await striker.bus.counts())[WORLD] / WORLD_EVENTS_A_S
            if number and self._duration_s - used_s < NEEDED_S[case.speed]:
                self.left = list(self._chain[number:])
                return
            self.at, self.left = case, list(self._chain[number + 1 :])
            trap = self._traps[number]

            def next_trap(process: str = case.process, after: int = number + 1) -> None:
                self._set_next(running, process, after)

            struck = await striker.strike(case, trap, next_trap)
            self.passed.append(case)
            landed(case, f"reached after {struck.reaching_s:.1f} s, recovered in {struck.recovery_s:.1f} s")

    def _set_next(self, running: Stage, process: str, after: int) -> None:
        for number, case in enumerate(self._chain):
            if number >= after and case.process == process:
                self._traps[number] = running.set_trap(case)
                return


async def undisturbed(directory: Path, scenario: Path, journal: Path | None = None) -> Traces:
    """Return the messages on the derived subjects after an undisturbed run."""

    def take_journal(running: Stage) -> None:
        if journal is not None:
            running.environments["sim"]["QIKI_SIM_JOURNAL"] = str(journal)

    async with stage(directory, scenario, Retention.NORMAL, take_journal) as calm:
        await calm.go("max")
        await carried(calm)
        bus = Bus(calm.arena.mesh.ports["nats"])
        await bus.read()
        return bus.traces


async def carried(running: Stage) -> None:
    """Return once the bridge has published every derived channel to the run's end. Raises NotRecovered."""
    watcher, before, moved_at = Watcher(running.arena), -1, time.monotonic()
    while not await watcher.look():
        reached = sum(watcher.reached.values())
        if reached != before:
            before, moved_at = reached, time.monotonic()
        elif time.monotonic() - moved_at > CARRIED_STALL_S:
            raise NotRecovered(f"nothing moved for {CARRIED_STALL_S} s: {dict(watcher.reached)}")
        await asyncio.sleep(POLL_S)


def chains(cases: Sequence[Case], longest: int = MAX_CHAIN) -> list[list[Case]]:
    """Group the cases into chains, one mesh each: of one retention, and with commands in all cases or in none.

    A case that needs a new run is the first of its chain. The order of the chains is that of their first cases.
    """
    kinds: dict[tuple[Retention, bool], list[Case]] = defaultdict(list)
    for case in cases:
        kinds[case.retention, case.is_steered].append(case)
    found: list[list[Case]] = []
    for kind in kinds.values():
        first = [case for case in kind if case.needs_new_run]
        others = [case for case in kind if not case.needs_new_run]
        count = max(len(first), ceil(len(kind) / longest))
        made: list[list[Case]] = [first[number : number + 1] for number in range(count)]
        for number, case in enumerate(others):
            made[number % count].append(case)
        found += made
    return sorted(found, key=lambda chain: cases.index(chain[0]))
