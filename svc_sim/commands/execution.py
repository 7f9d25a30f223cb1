"""Command execution: each command once, one after the other, with a result once the outcome is on the disk."""

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass, field

from mesh import failpoints
from mesh.feeds.notifier import Notifier
from mesh.serving.errors import LimitReachedError, MeshError, OverloadedError
from mesh.serving.health import Heartbeat
from mesh.serving.storage_health import StorageHealth
from qiki.common.v1.stream_pb2 import Run
from qiki.sim.v1.commands_pb2 import Command, CommandOutcome, CommandRecord, CommandResult
from qiki.sim.v1.sim_service_pb2 import ExecuteCommandResponse
from qiki_sdk.audit import AuditReporter
from qiki_sdk.codes import COMMAND_DONE, COMMAND_REFUSED, COMMAND_REPEATED, LOG_TAIL_CUT
from qiki_sdk.tracing import current_traceparent
from svc_sim.domain.craft.limits import CraftLimits
from svc_sim.durability.commit_log import CommitLog
from svc_sim.durability.journal import MAX_COMMANDS, Journal
from svc_sim.wire import commands as command_wire

MAX_WAITING = 1_000
# Period of the loop's heartbeat, and of the retries of a failed disk.
IDLE_S = 1.0
_LOG = logging.getLogger(__name__)


def _new_future() -> asyncio.Future[ExecuteCommandResponse | MeshError]:
    return asyncio.get_running_loop().create_future()


@dataclass(eq=False, slots=True)
class _Waiting:
    """A queued command."""

    command: Command
    traceparent: str
    done: asyncio.Future[ExecuteCommandResponse | MeshError] = field(default_factory=_new_future)


class Commands:
    """The queue of commands from all callers, and the loop that executes them."""

    def __init__(
        self,
        run: Run,
        commit_log: CommitLog,
        journal: Journal,
        audit: AuditReporter,
        heartbeat: Heartbeat,
        *,
        limits: CraftLimits | None = None,
    ) -> None:
        """Take commands of a run; `limits` are those of a bot with a rigid body, None: it moves on rails."""
        self._run = run
        self._limits = limits
        self._commit_log = commit_log
        self._audit = audit
        self._heartbeat = heartbeat
        self._storage = StorageHealth("commands cannot be written down", heartbeat, audit.report)
        decided = (record for record in journal.records if not record.HasField("ending"))
        self._records = {record.command.command_id: _bytes_of(record) for record in decided}
        self._cut_bytes = journal.cut_bytes
        self._waiting: deque[_Waiting] = deque()
        self._wanted = Notifier()

    def __len__(self) -> int:
        """Return the number of commands that the run has had."""
        return len(self._records)

    async def execute(self, command: Command) -> ExecuteCommandResponse:
        """Execute a command once, and return its outcome.

        Raises:
            InvalidFieldError: its id is not a UUID.
            OverloadedError: too many commands are waiting.
            LimitReachedError: the run has had too many.
            StorageFailedError: it cannot be made durable; it has had no effect.
        """
        if command_wire.check_id(command) not in self._records:
            if len(self._waiting) >= MAX_WAITING:
                raise OverloadedError(f"{MAX_WAITING} commands wait already", limit=str(MAX_WAITING))
            if len(self._records) >= MAX_COMMANDS:
                raise LimitReachedError(f"the run has had {MAX_COMMANDS} commands", limit=str(MAX_COMMANDS))
        waiting = _Waiting(command, current_traceparent())
        self._waiting.append(waiting)
        self._wanted.notify()
        answer = await waiting.done
        if isinstance(answer, MeshError):
            raise answer
        return answer

    async def advance(self) -> None:
        """Execute queued commands for ever; retry a failed disk until it works."""
        self._report_cut()
        while True:
            if self._waiting:
                await self._answer(self._waiting.popleft())
            elif not await self._wanted.wait(IDLE_S):
                await self._idle()
            if not self._storage.failure:
                self._heartbeat.beat("taking commands")

    async def _answer(self, waiting: _Waiting) -> None:
        if waiting.done.done():
            return  # the caller disconnected before the command was executed
        answer: ExecuteCommandResponse | MeshError
        try:
            answer = self._repeat(waiting) or await self._execute(waiting)
        except OSError as error:
            answer = self._storage.failed(error)
        failpoints.reach("command.done")
        if not waiting.done.done():
            waiting.done.set_result(answer)

    async def _execute(self, waiting: _Waiting) -> ExecuteCommandResponse:
        command = waiting.command
        record = await self._commit_log.enter(lambda tick: self._decide(waiting, tick))
        self._storage.works()
        self._records[command.command_id] = _bytes_of(record)
        self._report(record.result, waiting.traceparent)
        return ExecuteCommandResponse(result=record.result)

    def _decide(self, waiting: _Waiting, committed_tick: int) -> CommandRecord:
        """Return the record of a command's outcome, with its caller's trace context and the time of the decision."""
        record = command_wire.decide(waiting.command, committed_tick, self._run, self._limits)
        record.traceparent = waiting.traceparent
        record.recorded_time.FromNanoseconds(time.time_ns())
        return record

    def _repeat(self, waiting: _Waiting) -> ExecuteCommandResponse | None:
        """Return the first result of this command id, or None for a new id; the rest of the command does not matter."""
        command = waiting.command
        body = self._records.get(command.command_id)
        if body is None:
            return None
        first = CommandRecord.FromString(body)
        same = _bytes_of(command_wire.known_part(command)) == _bytes_of(first.command)
        content = "same" if same else "other"
        run_id, command_id = self._run.run_id, command.command_id
        self._audit.report(
            COMMAND_REPEATED,
            run_id=run_id,
            traceparent=waiting.traceparent,
            command_id=command_id,
            content=content,
        )
        return ExecuteCommandResponse(result=first.result, repeated=True)

    async def _idle(self) -> None:
        """Retry a failed disk; seal the records written since the last time."""
        try:
            if self._storage.failure:
                await self._commit_log.probe()
            await self._commit_log.seal()
        except OSError as error:
            self._storage.failed(error)
        else:
            self._storage.works()

    def _report(self, result: CommandResult, traceparent: str) -> None:
        """Report the outcome of a command to the audit trail; the key makes repeated reports the same event."""
        applied = result.outcome == CommandOutcome.COMMAND_OUTCOME_APPLIED
        self._audit.report(
            COMMAND_DONE if applied else COMMAND_REFUSED,
            result.message,
            simulation_time=result.time if applied else None,
            run_id=self._run.run_id,
            key=f"command/{result.command_id}",
            traceparent=traceparent,
            command_id=result.command_id,
            **({"tick": result.tick} if applied else {"field": result.field}),
        )

    def _report_cut(self) -> None:
        if self._cut_bytes:
            _LOG.warning("the journal's tail is cut off", extra={"cut_bytes": self._cut_bytes})
            self._audit.report(LOG_TAIL_CUT, cut_bytes=self._cut_bytes, log="commands.journal")


def _bytes_of(message: CommandRecord | Command) -> bytes:
    return message.SerializeToString(deterministic=True)
