"""Reporting to the registrar: events are queued without waiting, kept while the registrar is down, and sent later."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from qiki.registrar.v1.registrar_service_pb2 import AuditEvent, RecordEventsRequest, Rejection
from qiki.registrar.v1.registrar_service_pb2_grpc import RegistrarServiceStub
from qiki_sdk.audit_event import make_event
from qiki_sdk.backoff import Backoff
from qiki_sdk.channel import connect
from qiki_sdk.cleanup import CLEANUP_S, cleanup
from qiki_sdk.codes import Code
from qiki_sdk.errors import QikiError, from_rpc_error
from qiki_sdk.spool.spool import CAPACITY, Spool

if TYPE_CHECKING:  # the generated stub exists only for the type checker
    from qiki.registrar.v1.registrar_service_pb2_grpc import RegistrarServiceAsyncStub

CALL_TIMEOUT_S = 5.0
# The longest wait that a registrar's advice can ask for.
MAX_ADVISED_WAIT_S = 60.0
# Time limit to deliver the events left in the spool when its owner ends.
LAST_CALL_S = 1.0
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AuditCounts:
    """Outcomes of a reporter's events: reported = delivered + rejected + dropped + waiting.

    The registrar permanently refused the `rejected` ones; the `dropped` ones did not fit into the full spool.
    """

    reported: int
    delivered: int
    rejected: int
    dropped: int
    waiting: int


class AuditReporter:
    """The spool between a service and the registrar. Lives on one event loop.

    ```
    async with AuditReporter("127.0.0.1:50054", "my_agent") as audit:
        audit.report(codes.BOOT_OK, "ready")
    ```

    A service with a TaskGroup of its own runs `run()` in it instead. Events are delivered once each, in the order in
    which they were reported: an event gets its id when it is reported, by which the registrar recognises a repetition.
    Beyond `capacity` events the oldest are dropped, and one SPOOL_DROPPED in their place gives their number. A failure
    to deliver an event is counted and logged, never reported.

    With a `spool_dir` the events are written there as they are reported: a reporter that is started again with the same
    directory delivers what an earlier one, even a killed one, could not.
    """

    def __init__(
        self,
        target: str | grpc.aio.Channel,
        reporter: str,
        *,
        capacity: int = CAPACITY,
        backoff: Backoff | None = None,
        spool_dir: Path | None = None,
    ) -> None:
        """Make a reporter; it opens no connection before it runs.

        Args:
            target: the registrar's `host:port`, or a channel to it, which the caller then closes.
            reporter: the reporter's name, such as `svc_sim`.
            capacity: the largest number of events kept, including those being sent.
            backoff: the waits between tries while the registrar is down.
            spool_dir: a directory for the events, used by this reporter alone; none: they are in memory alone.

        Raises:
            SpoolInUseError: another process uses the directory.
            OSError: it cannot be used.
        """
        self._target = target
        self._reporter = reporter
        self._backoff = backoff or Backoff()
        self._spool = Spool(reporter, capacity)
        self._reported = self._delivered = self._rejected = 0
        self._started = asyncio.Event()
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._running: tuple[asyncio.TaskGroup, asyncio.Task[None]] | None = None
        self.state = "not connected yet"
        if spool_dir is not None:
            self.keep_in(spool_dir)

    def keep_in(self, spool_dir: Path) -> None:
        """Keep the events in a directory from now on, and deliver first what an earlier reporter left there.

        Raises:
            SpoolInUseError: another process uses the directory.
            OSError: it cannot be used.
        """
        left = self._spool.keep_in(spool_dir)
        self._reported += left
        if left:
            _LOG.info("audit events of an earlier process are delivered first", extra={"events": left})
            self._empty.clear()
            self._wake.set()

    def report(
        self,
        code: Code,
        message: str = "",
        *,
        simulation_time: Timestamp | None = None,
        run_id: str = "",
        key: str = "",
        traceparent: str = "",
        **attributes: object,
    ) -> str:
        """Put an event in the spool and return its id. Never waits; see `make_event` for the arguments."""
        event = make_event(
            self._reporter,
            code,
            message,
            simulation_time=simulation_time,
            run_id=run_id,
            key=key,
            attributes=attributes,
            traceparent=traceparent,
        )
        self.submit(event)
        return event.event_id

    def submit(self, event: AuditEvent) -> None:
        """Put a complete event in the spool, such as one that `make_event` returned. Never waits."""
        self._reported += 1
        self._spool.put(event)
        self._empty.clear()
        self._wake.set()

    def counts(self) -> AuditCounts:
        """Return the outcomes of the events so far."""
        reported, dropped = self._reported + self._spool.reports, self._spool.dropped
        waiting = reported - self._delivered - self._rejected - dropped
        return AuditCounts(reported, self._delivered, self._rejected, dropped, waiting)

    async def flush(self, timeout_s: float) -> bool:
        """Wait until no event is left to deliver; return whether that happened in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Deliver without end; when cancelled, try once more to deliver the remaining events, within a second."""
        channel = connect(self._target) if isinstance(self._target, str) else self._target
        stub: RegistrarServiceAsyncStub = RegistrarServiceStub(channel)
        self._started.set()
        try:
            await self._deliver(stub)
        finally:
            if not self._empty.is_set():
                await cleanup(self._last_call(stub), LAST_CALL_S + CLEANUP_S)
            if isinstance(self._target, str):
                await cleanup(channel.close())
            self._spool.close()

    async def __aenter__(self) -> Self:
        group = await asyncio.TaskGroup().__aenter__()
        self._running = group, group.create_task(self.run())
        await self._started.wait()  # cancelled before its first step, the task would skip its last delivery
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._running is not None, "entered before it is left"
        group, task = self._running
        task.cancel()
        # Without the body's exception as an argument the group does not wrap it: it propagates unchanged.
        await group.__aexit__(None, None, None)

    # -- delivery -----------------------------------------------------------------------------------------------------

    async def _deliver(self, stub: "RegistrarServiceAsyncStub") -> None:
        delays = self._backoff.delays()
        while True:
            await self._wake.wait()
            try:
                await self._send(stub, CALL_TIMEOUT_S)
            except QikiError as error:
                self._say(str(error))
                await asyncio.to_thread(self._spool.sync)  # what is not delivered at once may wait for long
                advised_s = min(error.retry_delay_s, MAX_ADVISED_WAIT_S)
                await asyncio.sleep(max(advised_s, next(delays)))  # without end: it may return after any time
            else:
                self._say("connected")
                delays = self._backoff.delays()

    async def _last_call(self, stub: "RegistrarServiceAsyncStub") -> None:
        try:
            async with asyncio.timeout(LAST_CALL_S):
                while not self._empty.is_set():
                    await self._send(stub, LAST_CALL_S)
        except (QikiError, TimeoutError) as error:
            left = self.counts().waiting
            _LOG.warning("audit events were left in the spool", extra={"events": left, "why": str(error)})

    async def _send(self, stub: "RegistrarServiceAsyncStub", timeout_s: float) -> None:
        """Send one batch, and the same one again until the registrar has answered.

        Raises:
            QikiError: the registrar has not answered for the batch.
        """
        batch = self._spool.batch()
        request = RecordEventsRequest(events=batch, answered_sequence=self._spool.answered)
        try:
            response = await stub.RecordEvents(request, timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            refusal = from_rpc_error(error)
            if refusal.code is not grpc.StatusCode.INVALID_ARGUMENT:
                raise refusal from error
            # A request that is refused as a whole would be refused again.
            self._settle([(event, Rejection(message=refusal.message)) for event in batch])
            return
        if len(response.results) != len(batch):
            found = f"{len(response.results)} results came for {len(batch)} events"
            raise QikiError(grpc.StatusCode.INTERNAL, found)
        rejections = [result.rejection if result.HasField("rejection") else None for result in response.results]
        self._settle(list(zip(batch, rejections, strict=True)))

    def _settle(self, answers: Sequence[tuple[AuditEvent, Rejection | None]]) -> None:
        self._spool.settle()
        for event, rejection in answers:
            if rejection is None:
                self._delivered += 1
                continue
            self._rejected += 1
            facts = {"code": event.name, "event_id": event.event_id, "why": rejection.message}
            _LOG.warning("an audit event was rejected", extra=facts)
        if not len(self._spool):
            self._wake.clear()
            self._empty.set()

    def _say(self, state: str) -> None:
        if state != self.state:
            _LOG.info("registrar", extra={"state": state})
        self.state = state
