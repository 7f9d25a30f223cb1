"""The ring of a feed: the event store in memory, of the newest events, bounded in simulation time and bytes. Pure."""

from collections import deque
from dataclasses import dataclass

from mesh.feeds.store import Entry
from mesh.feeds.token import NO_EVENT


@dataclass(frozen=True, slots=True)
class Retention:
    """Limits of a ring: simulation time, and bytes."""

    time_ns: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A position in the feed by its simulation time and the bytes appended up to it."""

    time_ns: int
    end_bytes: int


class Ring:
    """Events of contiguous sequence; appending drops the oldest ones beyond the retention."""

    def __init__(self, retention: Retention) -> None:
        self._retention = retention
        self._entries: deque[Entry] = deque()
        self._ends: deque[int] = deque()  # bytes appended up to and including the entry at the same index
        self._before = Mark(0, 0)  # where the oldest entry starts
        self._before_digest: bytes | None = None
        self.first_sequence = 0  # of the first event ever appended, 0 before it
        self.last_sequence = 0

    @property
    def oldest_sequence(self) -> int:
        """Sequence of the oldest event kept; one past the last where none is kept."""
        return self.last_sequence - len(self._entries) + 1

    @property
    def size_bytes(self) -> int:
        """Bytes of all events kept."""
        return self._ends[-1] - self._before.end_bytes if self._ends else 0

    @property
    def occupancy(self) -> float:
        """Share of the retention in use, of its bytes or of its time, the larger."""
        limit = self._retention
        span_ns = self._entries[-1].time_ns - self._entries[0].time_ns if self._entries else 0
        return max(self.size_bytes / limit.size_bytes, span_ns / limit.time_ns)

    def begin(self, time_ns: int) -> None:
        """Set the time at which the feed starts, before the first event."""
        self._before = Mark(time_ns, 0)

    def resume(self, sequence: int, digest: bytes, time_ns: int) -> None:
        """Set the feed's position before the first event is appended: the next event follows it."""
        if sequence > 0:
            self.first_sequence, self.last_sequence = sequence + 1, sequence
            self._before, self._before_digest = Mark(time_ns, 0), digest

    def append(self, entry: Entry) -> None:
        """Add the next event. The first may have any sequence: a producer may replay from later than the start."""
        if not self._entries and self.last_sequence == 0:
            self.first_sequence, self.last_sequence = entry.sequence, entry.sequence - 1
            if entry.sequence > 1:
                self._before = Mark(entry.time_ns, 0)
            self._before_digest = NO_EVENT if entry.sequence == 1 else None
        if entry.sequence != self.last_sequence + 1:
            raise ValueError(f"sequence {entry.sequence} does not follow {self.last_sequence}")
        end = (self._ends[-1] if self._ends else self._before.end_bytes) + entry.size_bytes
        self._entries.append(entry)
        self._ends.append(end)
        self.last_sequence = entry.sequence
        self._trim()

    async def load(self, sequence: int) -> None:
        """Do nothing: every event kept is at hand."""

    def get(self, sequence: int) -> Entry | None:
        """Return the event of this sequence, or None if it is not kept."""
        index = sequence - self.oldest_sequence
        return self._entries[index] if 0 <= index < len(self._entries) else None

    def digest_at(self, sequence: int) -> bytes | None:
        """Return the digest of the event of this sequence, or None if it is no longer known."""
        if sequence == 0:
            return NO_EVENT
        if sequence == self.oldest_sequence - 1:
            return self._before_digest
        entry = self.get(sequence)
        return entry.digest if entry else None

    def mark(self, sequence: int) -> Mark:
        """Return the mark of the event of this sequence; that of the oldest entry's start for older ones."""
        index = sequence - self.oldest_sequence
        if index < 0:
            return self._before
        index = min(index, len(self._entries) - 1)
        return Mark(self._entries[index].time_ns, self._ends[index]) if index >= 0 else self._before

    def leads_too_far(self, sequence: int, next_time_ns: int, max_event_bytes: int) -> bool:
        """Return whether an event of this time must wait until more than the events up to `sequence` are confirmed.

        It must where it would be more than half the retention, in time or bytes, ahead of them, and where the largest
        event would not fit beside the unconfirmed ones. Where both layouts are kept, an event takes twice its limit.
        """
        if sequence >= self.last_sequence:
            return False
        mark, newest = self.mark(sequence), self._entries[-1] if self._entries else None
        largest_bytes = max_event_bytes * (2 if newest is not None and newest.columns else 1)
        pending_bytes = self.mark(self.last_sequence).end_bytes - mark.end_bytes
        room = min(self._retention.size_bytes // 2, self._retention.size_bytes - largest_bytes)
        return next_time_ns - mark.time_ns > self._retention.time_ns // 2 or pending_bytes > room

    def _trim(self) -> None:
        newest = self._entries[-1]
        while len(self._entries) > 1:
            oldest = self._entries[0]
            expired = newest.time_ns - oldest.time_ns > self._retention.time_ns
            if not expired and self.size_bytes <= self._retention.size_bytes:
                return
            self._entries.popleft()
            self._before = Mark(oldest.time_ns, self._ends.popleft())
            self._before_digest = oldest.digest
