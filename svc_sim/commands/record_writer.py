"""The ends of commands, and checkpoints after them, written in the order of ticks while the simulation goes on."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence

from mesh.clock import SimulationClock, to_timestamp
from mesh.feeds.notifier import Notifier
from mesh.serving.health import Heartbeat
from mesh.serving.storage_health import StorageHealth
from mesh.threads import finish_in_thread
from qiki.common.v1.stream_pb2 import Run
from qiki_sdk.audit import AuditReporter
from qiki_sdk.backoff import Backoff
from qiki_sdk.codes import COMMAND_ABORTED, COMMAND_COMPLETED, STORAGE_FAILED, STORAGE_RESTORED
from svc_sim.commands.life import CommandLife
from svc_sim.domain.craft.orders import Ending
from svc_sim.durability.checkpoints import Checkpoint, CheckpointStore
from svc_sim.durability.commit_log import CommitLog
from svc_sim.wire.command_events import to_record

# Ends that wait for the disk. With more the simulation waits.
MAX_PENDING = 1_000
# Period of the loop's heartbeat while nothing waits.
IDLE_S = 1.0
_LOG = logging.getLogger(__name__)


class RecordWriter:
    """The queue of ends and checkpoints of one run, and the loop that writes them.

    A checkpoint is written after the ends of all earlier ticks: a restart from it computes none of them again.
    """

    def __init__(
        self, run: Run, commit_log: CommitLog, life: CommandLife, audit: AuditReporter, heartbeat: Heartbeat
    ) -> None:
        self._run = run
        self._clock = SimulationClock.of(run)
        self._commit_log = commit_log
        self._life = life
        self._audit = audit
        self._heartbeat = heartbeat
        self._storage = StorageHealth("ends of commands cannot be written down", heartbeat, audit.report)
        self._queue: deque[Ending | Checkpoint] = deque()
        self._change = Notifier()
        self._queued: set[str] = set()
        self._checkpoints: CheckpointStore | None = None
        self._retained_ticks = 0
        self._checkpoint_failed = False

    def keep_checkpoints(self, store: CheckpointStore, retained_ticks: int) -> None:
        """Keep checkpoints in a store, so many ticks back that a restart can fill the feeds' retention again."""
        self._checkpoints, self._retained_ticks = store, retained_ticks

    @property
    def is_full(self) -> bool:
        """Whether the simulation must wait before its next tick."""
        return len(self._queue) >= MAX_PENDING

    async def room(self, timeout_s: float) -> None:
        """Wait for a change of the queue, at most this long."""
        await self._change.wait(timeout_s)

    def end(self, endings: Sequence[Ending]) -> None:
        """Queue the ends of commands; one that is recorded already was computed before a restart."""
        for ending in endings:
            if not self._life.has_ended(ending.command_id) and ending.command_id not in self._queued:
                self._queued.add(ending.command_id)
                self._queue.append(ending)
        if endings:
            self._change.notify()

    def offer(self, checkpoint: Checkpoint) -> None:
        """Queue a checkpoint, unless one waits already."""
        if self._checkpoints is not None and not any(isinstance(item, Checkpoint) for item in self._queue):
            self._queue.append(checkpoint)
            self._change.notify()

    async def run(self) -> None:
        """Write what is queued, without end."""
        while True:
            if self._queue:
                await self._write(self._queue[0])
                self._queue.popleft()
                self._change.notify()
            else:
                await self._change.wait(IDLE_S)
            self._heartbeat.beat("writing ends of commands and checkpoints")

    async def _write(self, item: Ending | Checkpoint) -> None:
        if isinstance(item, Checkpoint):
            await self._keep(item)
        else:
            await self._record(item)

    async def _record(self, ending: Ending) -> None:
        """Record an end, however long the disk fails; publish it, and report it."""
        record = to_record(ending, to_timestamp(time.time_ns()))
        for delay in Backoff(cap_s=1.0).delays():
            try:
                await self._commit_log.conclude(record)
            except OSError as error:
                self._storage.failed(error)
                await asyncio.sleep(delay)
            else:
                self._storage.works()
                break
        self._queued.discard(ending.command_id)
        self._audit.report(
            COMMAND_COMPLETED if ending.aborted is None else COMMAND_ABORTED,
            ending.message,
            simulation_time=self._clock.timestamp(ending.tick),
            run_id=self._run.run_id,
            key=f"command/{ending.command_id}/end",
            traceparent=self._life.store.cause(ending.command_id),
            command_id=ending.command_id,
            tick=ending.tick,
        )

    async def _keep(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint and remove those that no restart needs; a failure is reported: a replay is longer."""
        assert self._checkpoints is not None, "offer takes none without a store"
        try:
            await finish_in_thread(_write_and_thin, self._checkpoints, checkpoint, self._retained_ticks)
        except OSError as error:
            _LOG.warning("a checkpoint cannot be kept", extra={"why": str(error)})
            if not self._checkpoint_failed:
                self._checkpoint_failed = True
                self._audit.report(STORAGE_FAILED, f"checkpoints cannot be kept: {error.strerror or error}")
        else:
            if self._checkpoint_failed:
                self._checkpoint_failed = False
                self._audit.report(STORAGE_RESTORED, "checkpoints can be kept again")


def _write_and_thin(store: CheckpointStore, checkpoint: Checkpoint, retained_ticks: int) -> None:
    """Write a checkpoint; of those a whole retention older, keep the two newest: the second replaces a damaged one."""
    store.write(checkpoint)
    older = [tick for tick in store.ticks() if tick <= checkpoint.tick - retained_ticks]
    store.remove(older[:-2])
