"""What becomes of the next archived event: sent, left out, or the end of the stream; a gap is refused. Pure."""

from dataclasses import dataclass, replace
from enum import Enum

from adapters.jetstream.codec.stored_event import StoredEvent
from mesh.feeds.token import NO_EVENT, Token
from mesh.serving.errors import HistoryDivergedError, TokenExpiredError


class Step(Enum):
    """What becomes of an event."""

    SEND = "send"
    LEAVE_OUT = "leave out"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What of a run is wanted; 0, and for the times None, where there is no such bound."""

    from_sequence: int = 0
    from_time_ns: int | None = None
    until_sequence: int = 0
    until_time_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a run on a channel: after the event of `place`, whose time was `time_ns`, where it is known."""

    channel: str
    run_id: str
    bounds: Bounds
    place: Token
    time_ns: int | None = None

    @property
    def complete(self) -> bool:
        """Whether the bounds let nothing pass any more."""
        return 0 < self.bounds.until_sequence <= self.place.sequence

    def step(self, event: StoredEvent) -> tuple[Step, "Cursor"]:
        """Return what becomes of the subject's next event, and the place after it; unmoved where it is over.

        Raises:
            HistoryDivergedError: at the place stands another event than the one its token was taken from.
            TokenExpiredError: the event after the place is not there.
        """
        if event.context.run_id != self.run_id:
            self._check_not_ahead()
            return Step.OVER, self
        if event.sequence == self.place.sequence:
            self.check_same(event)
            return Step.LEAVE_OUT, replace(self, time_ns=event.time_ns)
        if event.sequence < self.place.sequence:  # a place ahead of the archive: what is before it is on its way
            return Step.LEAVE_OUT, self
        if event.sequence > self.place.sequence + 1:
            raise self.missing(event)
        if self.bounds.until_time_ns is not None and event.time_ns > self.bounds.until_time_ns:
            return Step.OVER, self
        moved = replace(self, place=event.token, time_ns=event.time_ns)
        return (Step.LEAVE_OUT if self._too_early(event) else Step.SEND), moved

    def check_same(self, event: StoredEvent) -> None:
        """Check that the event at the place is the one its token was taken from.

        Raises:
            HistoryDivergedError: it is not.
        """
        if self.place.digest not in (NO_EVENT, event.token.digest):
            raise self._diverged("another event stands there")

    def missing(self, event: StoredEvent) -> TokenExpiredError:
        """Return the refusal where `event` is the next one that is there, and not the one after the place."""
        # The digest of what is not there is not known; before event 1 there is none.
        oldest = replace(self.place, sequence=event.sequence - 1, digest=NO_EVENT)
        return TokenExpiredError(
            f"{self.channel}: event {self.place.sequence + 1} is not archived, the next one is {event.sequence}",
            oldest_resume_token=oldest.encode(),
            oldest_sequence=str(event.sequence),
        )

    def _check_not_ahead(self) -> None:
        """Check, at the run's end, that its last event was not before the place."""
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
