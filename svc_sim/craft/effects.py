"""Effects of a tick beside its events: the craft's step, the ends of commands, audit events and checkpoints."""

import asyncio
from collections.abc import Sequence

from mesh.serving.health import Heartbeat
from qiki.common.v1.stream_pb2 import Run
from qiki_sdk.audit import AuditReporter
from svc_sim.commands.record_writer import RecordWriter
from svc_sim.craft.reports import report_transitions
from svc_sim.craft.run import CraftRun
from svc_sim.domain.craft.guidance import DONE_AT_ONCE
from svc_sim.domain.craft.orders import Ending
from svc_sim.domain.craft.step import Stepped
from svc_sim.durability.commit_log import CommitLog
from svc_sim.durability.timeline import ActingCommand
from svc_sim.pacer import SLICE_S

# Ticks of the craft that are computed at a time on the way from a checkpoint to the first tick to publish.
CATCH_UP_TICKS = 200


class TickEffects:
    """The steps of one run's craft, or of none, and what they hand over to be recorded."""

    def __init__(
        self,
        run: Run,
        commit_log: CommitLog,
        records: RecordWriter,
        audit: AuditReporter,
        *,
        craft: CraftRun | None,
        checkpoint_period_ticks: int,
    ) -> None:
        """Step `craft`, None for a bot on rails, with a checkpoint after each period."""
        self._run = run
        self._commit_log = commit_log
        self._records = records
        self._audit = audit
        self._craft = craft
        self._checkpoint_period_ticks = checkpoint_period_ticks

    def acting(self, tick: int) -> Sequence[ActingCommand]:
        """Return the commands that act from this committed tick on."""
        return self._commit_log.timeline.at(tick)

    def step(self, tick: int, cause: str, *, replaying: bool) -> Stepped | None:
        """Take the next step, whose trace is `cause`; return the craft's, if there is one."""
        if self._craft is None:
            self._records.end([Ending(each.command.command_id, tick, DONE_AT_ONCE) for each in self.acting(tick)])
            return None
        stepped = self._craft.advance(tick)
        self._records.end(stepped.endings)
        report_transitions(self._audit, self._run, tick, stepped.transitions, cause)
        if tick % self._checkpoint_period_ticks == 0 and not replaying:
            self._records.offer(self._craft.checkpoint(self._commit_log.journal_bytes))
        return stepped

    async def catch_up(self, tick: int, heartbeat: Heartbeat) -> None:
        """Bring the craft, and the ends of commands, to the tick after which events are published again."""
        if self._craft is None:
            for earlier, acting in self._commit_log.timeline.through(tick):
                self._records.end([Ending(acting.command.command_id, earlier, DONE_AT_ONCE)])
            return
        while self._craft.tick < tick:
            heartbeat.beat(f"computing the craft again: tick {self._craft.tick} of {tick}")
            await self.wait_for_records(heartbeat)
            for following in range(self._craft.tick + 1, min(self._craft.tick + CATCH_UP_TICKS, tick) + 1):
                self._records.end(self._craft.advance(following).endings)
            await asyncio.sleep(0)

    async def wait_for_records(self, heartbeat: Heartbeat) -> None:
        """Wait while too many ends of commands wait for the disk."""
        while self._records.is_full:
            heartbeat.beat("waiting for the ends of commands to be written")
            await self._records.room(SLICE_S)
