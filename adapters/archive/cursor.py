"""Archive cursor: decide whether the next event is sent, skipped or ends the stream; refuse a gap. Pure."""

from dataclasses import dataclass, replace
from enum import Enum

from adapters.jetstream.codec.stored_event import StoredEvent
from mesh.feeds.token import NO_EVENT, Token
from mesh.serving.errors import HistoryDivergedError, TokenExpiredError


class Decision(Enum):
    """The decision about one event."""

    SEND = "send"
    LEAVE_OUT = "leave out"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Bounds:
    """The requested part of a run. An absent bound is 0, or None for a time."""

    from_sequence: int = 0
    from_time_ns: int | None = None
    until_sequence: int = 0
    until_time_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position in a run on a channel: after the event of token `place`; `time_ns` is its time, None if unknown."""

    channel: str
    run_id: str
    bounds: Bounds
    place: Token
    time_ns: int | None = None

    @property
    def complete(self) -> bool:
        """Whether the position has reached the last sequence within the bounds."""
        return 0 < self.bounds.until_sequence <= self.place.sequence

    def step(self, event: StoredEvent) -> tuple[Decision, "Cursor"]:
        """Return the decision about the subject's next event, and the next position: at the end, the same one.

        Raises:
            HistoryDivergedError: the event at the position is not the one that its token was taken from.
            TokenExpiredError: the event after the position is missing.
        """
        if event.context.run_id != self.run_id:
            self._check_not_ahead()
            return Decision.OVER, self
        if event.sequence == self.place.sequence:
            self.check_same(event)
            return Decision.LEAVE_OUT, replace(self, time_ns=event.time_ns)
        if event.sequence < self.place.sequence:  # the position is ahead of the archive, which catches up
            return Decision.LEAVE_OUT, self
        if event.sequence > self.place.sequence + 1:
            raise self.missing(event)
        if self.bounds.until_time_ns is not None and event.time_ns > self.bounds.until_time_ns:
            return Decision.OVER, self
        moved = replace(self, place=event.token, time_ns=event.time_ns)
        return (Decision.LEAVE_OUT if self._too_early(event) else Decision.SEND), moved

    def check_same(self, event: StoredEvent) -> None:
        """Check that the event at the position is the one that its token was taken from.

        Raises:
            HistoryDivergedError: it is another event.
        """
        if self.place.digest not in (NO_EVENT, event.token.digest):
            raise self._diverged("it is another event")

    def missing(self, event: StoredEvent) -> TokenExpiredError:
        """Return the error for a gap: `event` is the next archived event, and not the one after the position."""
        # The digest of the missing event is unknown; before event 1 there is none.
        oldest = replace(self.place, sequence=event.sequence - 1, digest=NO_EVENT)
        return TokenExpiredError(
            f"{self.channel}: event {self.place.sequence + 1} is not archived, the next one is {event.sequence}",
            oldest_resume_token=oldest.encode(),
            oldest_sequence=str(event.sequence),
        )

    def _check_not_ahead(self) -> None:
        """Check, at the run's end, that the run's last event is not before the position."""
        if self.time_ns is None and self.place.sequence:
            raise self._diverged("the run's events end before it")

    def _diverged(self, why: str) -> HistoryDivergedError:
        return HistoryDivergedError(
            f"{self.channel}: the token's event {self.place.sequence} is not in the archived history: {why}",
            sequence=str(self.place.sequence),
        )

    def _too_early(self, event: StoredEvent) -> bool:
        bounds = self.bounds
        too_early = bounds.from_time_ns is not None and event.time_ns < bounds.from_time_ns
        return too_early or event.sequence < bounds.from_sequence
