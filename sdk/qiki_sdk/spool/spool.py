"""The spool of a reporter: numbered events in order until they are answered, bounded, and on the disk where wanted."""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from qiki.registrar.v1.registrar_service_pb2 import AuditEvent
from qiki_sdk.audit_event import make_event
from qiki_sdk.codes import SPOOL_DROPPED
from qiki_sdk.spool.files import SpoolFiles, SpoolState
from qiki_sdk.spool.sequence_ranges import Range, joined

CAPACITY = 4_096
CAPACITY_BYTES = 16 * 1024 * 1024
MAX_BATCH_EVENTS = 200
MAX_BATCH_BYTES = 1024 * 1024
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SpooledEvent:
    """An event with its number in the epoch, 0 for a report of dropped events, and its size."""

    sequence: int
    event: AuditEvent
    size_bytes: int


class Spool:
    """Events that wait for an answer. Beyond its capacity the oldest are dropped, except those being sent.

    In the position of dropped events the spool delivers one SPOOL_DROPPED with their number, first and last.
    """

    def __init__(self, reporter: str, capacity: int = CAPACITY, capacity_bytes: int = CAPACITY_BYTES) -> None:
        if capacity < 1:
            raise ValueError(f"capacity is {capacity}, at least 1 is needed")
        self._reporter = reporter
        self._capacity = capacity
        self._capacity_bytes = capacity_bytes
        self._waiting: deque[SpooledEvent] = deque()
        self._size_bytes = 0
        self._sending: list[SpooledEvent] = []
        self._state = SpoolState()
        self._files: SpoolFiles | None = None
        self._failing = False
        self.dropped = self.reports = 0

    def __len__(self) -> int:
        """Return the number of events that wait, those being sent included."""
        return len(self._waiting) + len(self._sending)

    @property
    def answered(self) -> int:
        """The newest number that has had an answer; 0 where none has."""
        return self._state.answered

    def keep_in(self, directory: Path) -> int:
        """Keep the events in a directory from now on; return how many an earlier reporter left there.

        Those are delivered first; events that wait already get new numbers and follow them.

        Raises:
            SpoolInUseError: another process uses the directory.
            OSError: it cannot be used.
        """
        files, early = SpoolFiles(directory), [each.event for each in self._waiting]
        self._files, self._state = files, files.state
        self._waiting.clear()
        self._size_bytes = 0
        for sequence, body in files.events:
            self._append(SpooledEvent(sequence, AuditEvent.FromString(body), len(body)))
        files.events.clear()
        for event in early:
            self.put(event)
        return len(self) - len(early)

    def put(self, event: AuditEvent) -> None:
        """Number an event and add it as the newest. Never waits; a failing disk is logged, and the event kept."""
        self._state.last += 1
        sequence = self._state.last
        event.producer_epoch, event.producer_sequence = self._state.epoch, sequence
        body = event.SerializeToString(deterministic=True)
        self._write(lambda files: files.append(sequence, body))
        self._append(SpooledEvent(sequence, event, len(body)))
        while len(self._waiting) > 1 and (len(self) > self._capacity or self._size_bytes > self._capacity_bytes):
            self._drop_oldest()

    def batch(self) -> list[AuditEvent]:
        """Return the events to send now: the same ones until `settle`."""
        if not self._sending:
            self._sending = self._next_batch()
        return [each.event for each in self._sending]

    def settle(self) -> None:
        """Remove the batch: all of its events have had an answer."""
        answered = max((each.sequence for each in self._sending), default=0)
        self._sending = []
        if answered:
            self._state.answered = answered
            self._state.dropped = joined(self._state.dropped, answered)
            self._write(lambda files: files.answered(answered))

    def sync(self) -> None:
        """Make durable what is in the directory; may run in a thread."""
        self._write(SpoolFiles.sync)

    def close(self) -> None:
        """Release the directory."""
        if self._files is not None:
            self._files.close()
            self._files = None

    def _append(self, entry: SpooledEvent) -> None:
        self._waiting.append(entry)
        self._size_bytes += entry.size_bytes

    def _pop(self) -> SpooledEvent:
        entry = self._waiting.popleft()
        self._size_bytes -= entry.size_bytes
        return entry

    def _drop_oldest(self) -> None:
        sequence = self._pop().sequence
        self._state.dropped = joined([*self._state.dropped, (sequence, sequence)])
        self.dropped += 1
        self._write(lambda files: files.dropped(sequence))

    def _next_batch(self) -> list[SpooledEvent]:
        batch: list[SpooledEvent] = []
        size_bytes = 0
        while self._waiting and size_bytes < MAX_BATCH_BYTES:
            dropped = self._dropped_before(self._waiting[0].sequence)
            # A report of dropped events is done once the event after it is: they are in one batch.
            if len(batch) + len(dropped) >= MAX_BATCH_EVENTS:
                break
            batch += [self._report(first, last) for first, last in dropped]
            entry = self._pop()
            size_bytes += entry.size_bytes
            batch.append(entry)
        return batch

    def _dropped_before(self, sequence: int) -> list[Range]:
        """Return the events dropped immediately before this one, as one range, or none."""
        return [dropped for dropped in self._state.dropped if dropped[1] == sequence - 1]

    def _report(self, first: int, last: int) -> SpooledEvent:
        self.reports += 1
        epoch = self._state.epoch
        facts = {"dropped": last - first + 1, "first": first, "last": last}
        key = f"{SPOOL_DROPPED.name}/{epoch}/{first}-{last}"
        event = make_event(self._reporter, SPOOL_DROPPED, "", key=key, attributes=facts)
        event.producer_epoch = epoch
        return SpooledEvent(0, event, event.ByteSize())

    def _write(self, write: Callable[[SpoolFiles], None]) -> None:
        if self._files is None:
            return
        try:
            write(self._files)
        except OSError as error:
            if not self._failing:
                _LOG.warning("the spool's disk fails; events are kept in memory alone", extra={"why": str(error)})
            self._failing = True
        else:
            self._failing = False
