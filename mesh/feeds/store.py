"""Event stores: where a feed's events are kept, by contiguous sequence."""

from dataclasses import dataclass
from typing import Protocol


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


class EventStore(Protocol):
    """The events of one feed. Their number may grow at the end and shrink at the start; no event ever changes.

    Positions, `get` and `digest_at` answer at once, so that a feed decides without waiting. Who may wait awaits `load`
    first: a store whose events are elsewhere, such as in a database, fetches them there.
    """

    @property
    def first_sequence(self) -> int:
        """Sequence of the first event ever kept, 0 before it."""

    @property
    def oldest_sequence(self) -> int:
        """Sequence of the oldest event kept; one past the last where none is kept."""

    @property
    def last_sequence(self) -> int:
        """Sequence of the last event; 0 before the first."""

    @property
    def size_bytes(self) -> int:
        """Bytes of all events kept."""

    async def load(self, sequence: int) -> None:
        """Have this event and the next one at hand until the caller waits again; either may not be kept.

        The last event and the position before the oldest one are at hand at any time.

        Raises:
            MeshError: they cannot be read.
        """

    def get(self, sequence: int) -> Entry | None:
        """Return the event of this sequence, or None if it is not kept.

        Raises:
            LookupError: it is kept, but not at hand: the caller has not awaited `load`.
            MeshError: it cannot be read.
        """

    def digest_at(self, sequence: int) -> bytes | None:
        """Return the digest of the event of this sequence, `NO_EVENT` for 0, or None if it is not known any more.

        Raises:
            LookupError, MeshError: as `get`.
        """
