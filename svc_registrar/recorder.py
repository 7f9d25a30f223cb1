"""Group commit: concurrent requests share one write and one fsync, and get their receipts after it."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mesh import failpoints
from mesh.feeds.notifier import Notifier
from mesh.serving.errors import MeshError, OverloadedError
from mesh.serving.health import Heartbeat
from mesh.serving.storage_health import StorageHealth
from mesh.telemetry.spans import WorkSpans
from qiki.registrar.v1.registrar_service_pb2 import Receipt
from qiki_sdk import codes
from qiki_sdk.audit_event import make_event
from svc_registrar import event_json, wire
from svc_registrar.domain.merkle import leaf_hash
from svc_registrar.feed import LogFeed
from svc_registrar.log.log import Append, Log
from svc_registrar.metrics import RegistrarMetrics
from svc_registrar.upkeep import Report, Upkeep
from svc_registrar.wire import Submission

MAX_GROUP_BYTES = 4 * 1024 * 1024
MAX_PENDING_BYTES = 16 * 1024 * 1024
# How often the loop beats, and retries the disk after a failure.
IDLE_S = 1.0
# Events that are looked up, or indexed, before other work gets its turn: some milliseconds.
EVENTS_A_TURN = 200
REPORTER = "svc_registrar"
_LOG = logging.getLogger(__name__)


class ContradictionError(Exception):
    """An event's id is recorded, or about to be, with other content."""


@dataclass(eq=False, slots=True)
class _Group:
    """Events that are written together. `done` holds the error of the write, or None once they are on the disk."""

    done: asyncio.Future[MeshError | None]
    submissions: dict[bytes, Submission] = field(default_factory=dict)
    receipts: dict[bytes, Receipt] = field(default_factory=dict)
    size_bytes: int = 0
    closed: bool = False


class Recorder:
    """Records events in the log. Lives on one event loop; only the write itself runs in a thread."""

    def __init__(
        self,
        log: Log,
        log_feed: LogFeed,
        heartbeat: Heartbeat,
        upkeep: Upkeep,
        *,
        spans: WorkSpans,
        metrics: RegistrarMetrics,
    ) -> None:
        self._spans = spans
        self._log = log
        self._log_feed = log_feed
        self._heartbeat = heartbeat
        self._upkeep = upkeep
        self._metrics = metrics
        self._groups: deque[_Group] = deque()
        self._pending_bytes = 0
        self._wanted = Notifier()
        self._storage = StorageHealth("the log cannot be written", heartbeat, self._report_storage)

    async def record(self, submissions: Sequence[Submission]) -> list[Receipt | ContradictionError]:
        """Record events and return, in their order, a receipt for each, or the contradiction with a recorded event.

        Raises:
            OverloadedError: too many bytes wait to be written, or the disk is full.
            MeshError: the log cannot be written, or a record in it cannot be read.
        """
        found: list[_Group | Receipt | ContradictionError] = []
        for number, submission in enumerate(submissions, start=1):
            found.append(self._accept(submission))
            if number % EVENTS_A_TURN == 0:
                await asyncio.sleep(0)
        for group in {id(item): item for item in found if isinstance(item, _Group)}.values():
            # Shielded: a caller that is cancelled must not cancel the others' answer.
            refusal = await asyncio.shield(group.done)
            if refusal is not None:
                raise refusal
        return [
            item.receipts[submission.event_id] if isinstance(item, _Group) else item
            for submission, item in zip(submissions, found, strict=True)
        ]

    async def advance(self) -> None:
        """Write waiting events without end, and close the log at the end; retry a failed disk until it works."""
        try:
            await self._write_for_ever()
        except asyncio.CancelledError:
            self._write_last()
            raise
        finally:
            self._log.close()

    async def _write_for_ever(self) -> None:
        self._report_start()
        while True:
            if self._groups:
                await self._commit(self._groups[0])
                self._pending_bytes -= self._groups.popleft().size_bytes
            elif not await self._wanted.wait(IDLE_S):
                await self._keep_up(idle=True)
            if not self._storage.failure:
                await self._keep_up(idle=False)
            if not self._storage.failure:
                self._heartbeat.beat("recording")

    def facts(self) -> Mapping[str, object]:
        """Return the facts of a status line."""
        last = self._log_feed.store.last_sequence
        return {"events": last, "last_sequence": last, "log_id": self._log.head.log_id}

    # -- coming in ----------------------------------------------------------------------------------------------------

    def _accept(self, submission: Submission) -> "_Group | Receipt | ContradictionError":
        """Return the receipt of a recorded event, or the group in which the event will be written."""
        recorded = self._find(submission)
        if recorded is not None:
            return recorded
        for group in self._groups:
            waiting = group.submissions.get(submission.event_id)
            if waiting is not None:
                same = wire.is_same(submission.event, waiting.event)
                return group if same else ContradictionError("waits to be recorded with other content")
        group = self._open_group(len(submission.body))
        group.submissions[submission.event_id] = submission
        group.size_bytes += len(submission.body)
        self._pending_bytes += len(submission.body)
        self._wanted.notify()
        return group

    def _find(self, submission: Submission) -> Receipt | ContradictionError | None:
        store = self._log_feed.store
        for sequence in self._log.index.candidates(submission.event_id):
            if not store.oldest_sequence <= sequence <= store.last_sequence:
                continue  # retention has removed it, or it waits in a group that is not answered yet
            record = store.record(sequence)
            event, body = event_json.from_line(record)
            if event.event_id != submission.event.event_id:
                continue
            if not wire.is_same(submission.event, event):
                return ContradictionError(f"is recorded with other content, as event {sequence}")
            return wire.to_receipt(event.event_id, sequence, record.recorded_ns, body, leaf_hash(record.data))
        return None

    def _open_group(self, size_bytes: int) -> _Group:
        if self._pending_bytes + size_bytes > MAX_PENDING_BYTES:
            raise OverloadedError(f"{MAX_PENDING_BYTES} bytes of events wait to be written already", limit="pending")
        last = self._groups[-1] if self._groups else None
        if last is None or last.closed or last.size_bytes + size_bytes > MAX_GROUP_BYTES:
            last = _Group(asyncio.get_running_loop().create_future())
            self._groups.append(last)
        return last

    # -- to the disk --------------------------------------------------------------------------------------------------

    async def _commit(self, group: _Group) -> None:
        """Write a group; then index it, publish it to the readers, and return its receipts."""
        group.closed, began_ns = True, time.time_ns()
        submissions = list(group.submissions.values())
        try:
            added = await asyncio.to_thread(self._append, submissions)
        except OSError as error:
            self._metrics.write_failures.inc()
            group.done.set_result(self._storage.failed(error))
            return
        for number, (submission, leaf) in enumerate(zip(submissions, added.leaves, strict=True)):
            event, sequence = submission.event, added.first_index + number
            if number and number % EVENTS_A_TURN == 0:
                await asyncio.sleep(0)
            receipt = wire.to_receipt(event.event_id, sequence, added.recorded_ns, submission.body, leaf)
            group.receipts[submission.event_id] = receipt
            self._metrics.events.inc(event.name)
        self._metrics.group_events.observe(len(submissions))
        self._log_feed.published(added.first_index + len(submissions) - 1)
        self._record_spans(submissions, added.first_index, began_ns)
        group.done.set_result(None)
        failpoints.reach("receipt.given")
        self._storage.works()

    def _append(self, submissions: Sequence[Submission]) -> Append:
        return self._log.append([item.content for item in submissions], [item.entry for item in submissions])

    def _record_spans(self, submissions: Sequence[Submission], first_sequence: int, began_ns: int) -> None:
        if not self._spans.recording:
            return
        times_ns = (began_ns, time.time_ns())
        for sequence, submission in enumerate(submissions, start=first_sequence):
            event = submission.event
            attributes: dict[str, str | int] = {
                "cloudevents.event_id": event.event_id,
                "qiki.audit.name": event.name,
                "qiki.audit.reporter": event.reporter,
                "qiki.sequence": sequence,
            }
            own = self._log_feed.store.traceparent(event, sequence)
            self._spans.record("record audit event", own, event.traceparent, times_ns, attributes)

    async def _keep_up(self, *, idle: bool) -> None:
        """Retry a failed disk; sign, publish and expire what is due."""
        failing = bool(self._storage.failure)
        if not failing and not self._upkeep.due(idle=idle):
            return
        try:
            reports = await asyncio.to_thread(self._probe if failing else self._upkeep.run)
        except OSError as error:
            self._metrics.write_failures.inc()
            self._storage.failed(error)
        else:
            self._storage.works()
            for code, attributes in reports:
                self._report(code, attributes)

    def _probe(self) -> list[Report]:
        self._log.probe()
        return []

    # -- the registrar's own events -----------------------------------------------------------------------------------

    def _report_start(self) -> None:
        if self._log.cut_bytes:
            facts = {"cut_bytes": self._log.cut_bytes, "last_sequence": self._log.last_index}
            self._report(codes.LOG_TAIL_CUT, facts)
        self._report(codes.BOOT_OK, {"log_id": self._log.head.log_id, "last_sequence": self._log.last_index})

    def _write_last(self) -> None:
        """Append SHUTDOWN and the mark to the log directly: no request is served any more."""
        if self._storage.failure:
            return
        try:
            self._append([wire.to_submission(make_event(REPORTER, codes.SHUTDOWN, ""))])
            self._log.checkpoint()
        except OSError as error:
            _LOG.warning("the log's end could not be marked", extra={"why": str(error)})

    def _report_storage(self, code: codes.Code, _message: str = "", /, **attributes: object) -> None:
        """Queue the report that the disk works again; that it fails is in the service's log and health only."""
        if code is codes.STORAGE_RESTORED:
            self._report(code, attributes)

    def _report(self, code: codes.Code, attributes: Mapping[str, object]) -> None:
        """Queue an event of the registrar itself; if the disk fails it is lost, and only the service's log has it."""
        event = make_event(REPORTER, code, "", attributes=attributes)
        try:
            self._accept(wire.to_submission(event))
        except MeshError as error:
            _LOG.warning("an event of our own is not recorded", extra={"code": code.name, "why": error.message})
