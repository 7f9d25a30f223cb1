"""The ring of a feed: the newest events, bounded in simulation time and in bytes. Pure."""

from collections import deque
from dataclasses import dataclass

from mesh.feeds.token import NO_EVENT


@dataclass(frozen=True, slots=True)
class Retention:
    """Limits of a ring: simulation time, and bytes."""

    time_ns: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One event as kept: `response` is the serialized Watch response that every reader gets.

    `columns` is the response for readers that ask for columns, where both layouts are kept; else it is empty.
    `input_sequence` is that of the input event that it was derived from, 0 where no filter needs it: filters read it
    instead of parsing the event.
    """

    sequence: int
    time_ns: int
    digest: bytes
    subject: str
    response: bytes
    columns: bytes = b""
    input_sequence: int = 0

    @property
    def size_bytes(self) -> int:
        """Bytes kept."""
        return len(self.response) + len(self.columns)


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
