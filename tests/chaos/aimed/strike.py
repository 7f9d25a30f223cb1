"""One case: events flow, the condition holds, the process reaches its point, the victims die, events flow again.

1. Every dense subject has gained messages since the case began: events flowed before.
2. The bridge is slowed or stopped; counting begins; a bridge that is to write a batch is given a backlog.
3. The process records on the disk that it has reached the point.
4. The victims are killed, the condition ends.
5. Other processes are ready in place of the victims; then every dense subject gains messages, and there is a receipt
   for a new event: events flow after.
6. Every stored message is compared with the undisturbed run.
"""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from chaos.aimed.bus import DENSE, Bus, moved
from chaos.aimed.cases import PROCESSES, Bridge, Case
from chaos.aimed.stage import LINK, Stage, Trap
from chaos.proxy import Trouble
from chaos.receipts import Witness
from chaos.traces import Trace, difference
from mesh.tasks import task_group

FLOW_TIMEOUT_S = 40.0
STRIKE_TIMEOUT_S = 60.0
RECOVERY_TIMEOUT_S = 60.0
POLL_S = 0.05
TRAP_POLL_S = 0.005
# A subject without new messages for this long holds every event sent, as the producers are stopped.
BETWEEN = "1"
QUIET_S, QUIET_TIMEOUT_S = 0.4, 10.0
# The time for which a bridge is stopped, to build up a backlog that it writes as a batch, and the time to write it.
BACKLOG_S, WRITING_S = 1.5, 0.5
PRODUCED = {
    "sim": DENSE[:2],
    "radar": DENSE[2:3],
    "tracker": DENSE[3:],
    "registrar": (),
    "bridge": (),
}


class CaseFailed(AssertionError):  # noqa: N818 - named for what happened
    """The case did not pass; the text says why."""


class NotLanded(CaseFailed):
    """The fault never struck while events flowed: the case tested nothing."""


@dataclass(slots=True)
class Struck:
    """The time that a case took."""

    reaching_s: float = 0.0
    recovery_s: float = 0.0


@dataclass(slots=True)
class Striker:
    """Strikes on one stage; `wanted` holds the undisturbed run's messages, None if its history differs."""

    stage: Stage
    witness: Witness
    wanted: Mapping[str, Sequence[Trace]] | None
    bus: Bus = field(init=False)

    def __post_init__(self) -> None:
        self.bus = Bus(self.stage.arena.mesh.ports["nats"])

    async def strike(self, case: Case, trap: Trap, next_trap: Callable[[], None]) -> Struck:
        """Carry out a case; `next_trap` is called before the process can be started again.

        Raises:
            CaseFailed: with the reason.
        """
        began = time.monotonic()
        await self._flowed_before(case)
        next_trap()
        alive = dict(self.stage.pids())
        if set(alive) != set(PROCESSES):
            raise NotLanded(f"not all processes were ready: {sorted(alive)}")
        async with self._condition(case):
            trap.begin()
            if case.needs_new_run:
                await self.stage.go(case.speed)
            await self._reached(case, trap)
            struck = Struck(reaching_s=time.monotonic() - began)
            if case.bridge is Bridge.AHEAD:
                await self._quiet(PRODUCED[case.process])
            for victim in case.killed:
                self.stage.signal(victim, signal.SIGKILL)
        struck_at = time.monotonic()
        await self._flows_after({victim: alive[victim] for victim in case.killed})
        struck.recovery_s = time.monotonic() - struck_at
        await self.stage.go(BETWEEN)  # leaves as much of the run as possible for the next case
        await self.bus.read()
        self.compare(whole=False)
        return struck

    def compare(self, *, whole: bool) -> None:
        """Compare the messages read with the undisturbed run: as far as they go, or to the end. Raises CaseFailed."""
        found = self.bus.traces
        wanted = found if self.wanted is None else self.wanted  # compared with itself: only a missing sequence shows
        if problem := difference(found, wanted, "the undisturbed run", whole=whole):
            raise CaseFailed(problem)

    async def _flowed_before(self, case: Case) -> None:
        """Wait for events to flow; in a new run, which is paused, for those of the prelude."""
        before = dict.fromkeys(DENSE, 0)
        if not case.needs_new_run:
            await self.stage.go(case.speed)
            before = dict(await self.bus.counts())
        await _until(
            lambda: self._moved(before),
            FLOW_TIMEOUT_S,
            NotLanded(f"no events flowed before it within {FLOW_TIMEOUT_S} s"),
        )

    @asynccontextmanager
    async def _condition(self, case: Case):  # type: ignore[no-untyped-def]
        if case.bridge is Bridge.STOPPED:
            self.stage.signal("bridge", signal.SIGSTOP)
            try:
                yield
            finally:
                self.stage.signal("bridge", signal.SIGCONT)
        elif case.bridge is Bridge.SLOW:
            link = self.stage.arena.links[LINK]
            async with task_group(CaseFailed) as group:
                slowing = group.create_task(link.suffer(Trouble.DELAY, STRIKE_TIMEOUT_S + FLOW_TIMEOUT_S))
                await asyncio.sleep(0)
                try:
                    yield
                finally:
                    slowing.cancel()
        else:
            yield

    async def _reached(self, case: Case, trap: Trap) -> None:
        refusal = NotLanded(f"the point was not reached within {STRIKE_TIMEOUT_S} s")
        async with task_group(NotLanded) as group:
            backlogs = group.create_task(self._give_backlogs(case, trap))
            await _until(lambda: _done(trap.has_struck), STRIKE_TIMEOUT_S, refusal, TRAP_POLL_S)
            backlogs.cancel()

    async def _give_backlogs(self, case: Case, trap: Trap) -> None:
        """Stop a bridge repeatedly, so that enough events wait for it to write them as batches."""
        if not case.point.startswith("batch."):
            return
        for _ in range(int(STRIKE_TIMEOUT_S / (BACKLOG_S + WRITING_S))):
            self.stage.signal("bridge", signal.SIGSTOP)
            await asyncio.sleep(BACKLOG_S)
            if trap.has_struck:
                return  # it has stopped by itself now
            self.stage.signal("bridge", signal.SIGCONT)
            await asyncio.sleep(WRITING_S)

    async def _quiet(self, subjects: Sequence[str]) -> None:
        """Wait until no more messages arrive on these subjects."""
        clock, before = time.monotonic, dict[str, int]()
        quiet_since = clock()
        async with asyncio.timeout(QUIET_TIMEOUT_S):
            while clock() - quiet_since < QUIET_S:
                counts = {subject: n for subject, n in (await self.bus.counts()).items() if subject in subjects}
                if counts != before:
                    before, quiet_since = counts, clock()
                await asyncio.sleep(POLL_S)

    async def _flows_after(self, killed: Mapping[str, int]) -> None:
        """Wait until the killed processes are replaced by ready ones, and then for new events."""
        clock, began, receipts = time.monotonic, time.monotonic(), len(self.witness.receipts)

        async def ready() -> bool:
            found = self.stage.pids()
            return set(found) == set(PROCESSES) and all(found[victim] != pid for victim, pid in killed.items())

        try:
            await _until(ready, RECOVERY_TIMEOUT_S, CaseFailed(""))
        except CaseFailed:
            raise CaseFailed(
                f"not everything is ready {RECOVERY_TIMEOUT_S} s after it: killed {killed}, ready {self.stage.pids()}"
            ) from None
        before = dict(await self.bus.counts())

        async def flows() -> bool:
            return len(self.witness.receipts) > receipts and await self._moved(before)

        try:
            await _until(flows, RECOVERY_TIMEOUT_S, CaseFailed(""))
        except CaseFailed:
            counts, gained = await self.bus.counts(), len(self.witness.receipts) - receipts
            raise CaseFailed(
                f"events do not flow {clock() - began:.0f} s after it: {before}, now {counts}, {gained} new receipts"
            ) from None

    async def _moved(self, before: Mapping[str, int]) -> bool:
        return moved(before, await self.bus.counts())


async def _done(value: bool) -> bool:
    return value


async def _until(
    holds: Callable[[], Awaitable[bool]], timeout_s: float, refusal: CaseFailed, poll_s: float = POLL_S
) -> None:
    """Poll until the condition holds: other processes set no event here. Raises the refusal."""
    try:
        async with asyncio.timeout(timeout_s):
            while not await holds():  # noqa: ASYNC110
                await asyncio.sleep(poll_s)
    except TimeoutError:
        raise refusal from None
