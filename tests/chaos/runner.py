"""A run with faults: strikes from a schedule, then to the end, and its messages compared with an undisturbed run."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import grpc

from chaos.arena import Arena, arena, write_scenario
from chaos.historian import Historian
from chaos.pilot import Pilot
from chaos.receipts import Witness, audit_difference
from chaos.schedule import PROCESSES, Fault, Kind, Strike
from chaos.traces import Trace, clean_run, difference, read_traces
from chaos.watcher import NotRecovered, Watcher
from mesh.tasks import task_group
from qiki.sim.v1.sim_service_pb2 import SetSimulationSpeedRequest
from qiki.sim.v1.sim_service_pb2_grpc import SimServiceStub
from qiki_sdk.channel import connect

APPEAR_TIMEOUT_S = 60.0
APPEAR_POLL_S = 0.02
SPEED_TRIES = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a run: the strikes, the run's length in simulation time, and its speed during the strikes."""

    seed: int
    strikes: Sequence[Strike]
    duration_s: float
    speed: float


@dataclass(slots=True)
class Outcome:
    """The result of a run."""

    suffered: Counter[tuple[Kind, str]] = field(default_factory=Counter)
    recoveries_s: list[tuple[float, str]] = field(default_factory=list)
    peaks_kib: dict[str, int] = field(default_factory=dict)
    receipts: int = 0
    commands: int = 0
    refused: int = 0
    archived: int = 0
    events: int = 0
    under_fire_events: int = 0
    under_fire_s: float = 0.0
    strikes: int = 0
    landed: int = 0  # strikes before and after which events flowed
    failure: str = ""


async def run(directory: Path, plan: Plan, say: Callable[[str], None]) -> Outcome:
    """Run the plan and return its result; `failure` is empty if every check passed."""
    scenario = write_scenario(directory / "scenario.yaml", plan.duration_s)
    outcome = Outcome()
    try:
        async with arena(directory / "chaos", scenario, f"{plan.speed:g}") as running:
            traces = await _under_fire(running, plan, outcome, say)
            journal = running.journal
        say("the same run undisturbed ...")
        outcome.failure = outcome.failure or difference(traces, await clean_run(directory / "clean", scenario, journal))
        outcome.failure = outcome.failure or _not_landed(outcome)
        outcome.events = sum(map(len, traces.values()))
    except NotRecovered as error:
        outcome.failure = str(error)
    return outcome


async def _under_fire(
    running: Arena, plan: Plan, outcome: Outcome, say: Callable[[str], None]
) -> dict[str, list[Trace]]:
    witness, pilot, historian = Witness(running), Pilot(running, Random(plan.seed)), Historian(running)
    watcher = Watcher(running, historian.places)
    async with task_group(NotRecovered) as group:
        reporting, steering = group.create_task(witness.run()), group.create_task(pilot.run())
        reading = group.create_task(historian.run())
        try:
            await watcher.recovered()
            began, before = time.monotonic(), sum(watcher.reached.values())
            await _strike_all(running, plan, watcher, outcome, say)
            outcome.under_fire_s = time.monotonic() - began
            outcome.under_fire_events = sum(watcher.reached.values()) - before
            steering.cancel()
            await pilot.answered()
            say("no more faults; the rest of the run as fast as possible ...")
            await _hurry(running)
            await watcher.carried()
            say("everything carried; now all die at once, and must come to the same end ...")
            for process in PROCESSES:
                _signal(await _alive(running, process), signal.SIGKILL)
            await watcher.carried()
            traces = await read_traces(running.mesh)
            await historian.finished(traces)
        finally:
            for task in (reporting, steering, reading):
                task.cancel()
            watcher.weigh()
            outcome.peaks_kib = dict(watcher.peaks_kib)
            outcome.receipts, outcome.commands = len(witness.receipts), len(pilot.sent)
            outcome.archived = sum(historian.places().values())
    outcome.failure = (
        historian.difference(traces) or await pilot.difference() or await audit_difference(running, witness.receipts)
    )
    outcome.refused = pilot.refused
    return traces


async def _strike_all(
    running: Arena, plan: Plan, watcher: Watcher, outcome: Outcome, say: Callable[[str], None]
) -> None:
    unsettled = 0  # strikes before which events flowed, and after which they have not been seen to flow
    outcome.strikes = len(plan.strikes)
    for number, strike in enumerate(plan.strikes, start=1):
        await asyncio.sleep(strike.calm_s)
        unsettled += not await watcher.look()
        watcher.weigh()
        text = ", ".join(map(str, strike.faults))
        async with task_group(NotRecovered) as group:
            for fault in strike.faults:
                group.create_task(_suffer(running, fault))
        outcome.suffered.update((fault.kind, fault.target) for fault in strike.faults)
        hurt_at = time.monotonic()
        if number < len(plan.strikes) and plan.strikes[number].in_recovery:
            say(f"{number}/{len(plan.strikes)} {text}; the next one at once")
            continue
        if await watcher.recovered():
            outcome.landed += unsettled
        unsettled = 0
        took_s = time.monotonic() - hurt_at
        outcome.recoveries_s.append((took_s, text))
        say(f"{number}/{len(plan.strikes)} {text}; recovered in {took_s:.1f} s at {sum(watcher.reached.values())}")


async def _suffer(running: Arena, fault: Fault) -> None:
    """Cause one fault; wait for a process that is just being restarted."""
    if fault.trouble is not None:
        await running.links[fault.target].suffer(fault.trouble, fault.duration_s)
        return
    pid = await _alive(running, fault.target)
    if fault.kind is Kind.KILL:
        _signal(pid, signal.SIGKILL)
        return
    _signal(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(fault.duration_s)
    finally:
        if running.pid(fault.target) == pid:
            _signal(pid, signal.SIGCONT)


async def _alive(running: Arena, process: str) -> int:
    try:
        async with asyncio.timeout(APPEAR_TIMEOUT_S):
            while (pid := running.pid(process)) is None:  # noqa: ASYNC110 - the supervisor announces it nowhere
                await asyncio.sleep(APPEAR_POLL_S)
    except TimeoutError:
        raise NotRecovered(f"{process} is not started again within {APPEAR_TIMEOUT_S} s") from None
    return pid


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


async def _hurry(running: Arena) -> None:
    """Set the simulation to run as fast as possible; do nothing if the run has ended. Raises NotRecovered."""
    async with connect(f"127.0.0.1:{running.mesh.ports['sim']}") as channel:
        for _ in range(SPEED_TRIES):
            try:
                await SimServiceStub(channel).SetSimulationSpeed(
                    SetSimulationSpeedRequest(as_fast_as_possible=True), timeout=5
                )
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.FAILED_PRECONDITION:
                    return
                await asyncio.sleep(APPEAR_POLL_S)
            else:
                return
    raise NotRecovered("the simulator does not accept SetSimulationSpeed")


def _not_landed(outcome: Outcome) -> str:
    """Return the strikes that came when no events flowed, which tested nothing; empty if all landed."""
    if outcome.landed == outcome.strikes:
        return ""
    return (
        f"only {outcome.landed} of {outcome.strikes} strikes landed while events flowed: the run was over before; "
        "give it more simulation time a fault, or a slower speed"
    )


def report(outcome: Outcome) -> str:
    """Return the table of the results."""
    lines = [f"{'process':<20} {'killed':>7} {'stopped':>8} {'peak memory':>12}"]
    for process in PROCESSES:
        killed, stopped = outcome.suffered[Kind.KILL, process], outcome.suffered[Kind.STOP, process]
        lines.append(f"{process:<20} {killed:>7} {stopped:>8} {outcome.peaks_kib.get(process, 0) / 1024:>8.1f} MiB")
    lines.append(f"{'link':<20} {'cut':>7}")
    for (kind, link), count in sorted(outcome.suffered.items(), key=lambda item: item[0][1]):
        if kind is Kind.CUT:
            lines.append(f"{link:<20} {count:>7}")
    longest_s, cause = max(outcome.recoveries_s, default=(0.0, ""))
    rate = outcome.under_fire_events / outcome.under_fire_s if outcome.under_fire_s else 0.0
    lines += [
        f"faults {outcome.suffered.total()}, in {outcome.strikes} strikes: {outcome.landed} while events flowed",
        f"under fire for {outcome.under_fire_s:.0f} s at {rate:.0f} events/s, {outcome.events} events in the run",
        f"receipts held against the record: {outcome.receipts}",
        f"commands answered: {outcome.commands}, {outcome.refused} of them refused as the run was over",
        f"read from the archive meanwhile, by one who was never started again: {outcome.archived} events",
        f"longest recovery {longest_s:.1f} s after: {cause}",
        f"FAIL: {outcome.failure}" if outcome.failure else "PASS: the same events, each once, in order, as undisturbed",
    ]
    return "\n".join(lines)
