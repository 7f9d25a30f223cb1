"""Event spans: the span of each event of a feed, new ones distinguished from those recomputed after a restart.

A producer that keeps no state cannot know after a restart what it had already produced. Its readers do: they come back
with tokens of events that this process has not sent yet. So the first spans are held until the readers are back.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from mesh.feeds.store import Entry
from mesh.telemetry.spans import Note, WorkSpans, sampled

# Longer than a reader takes to connect again; and the most spans that wait for so long.
HOLD_S = 5.0
MAX_HELD = 5_000


@dataclass(frozen=True, slots=True)
class Made:
    """An event ready to be added to its feed, and the attributes of its span.

    `notes` are events of that span. `recomputed` is whether an earlier process has made the event already; None where
    the producer does not know.
    """

    entry: Entry
    event_id: str
    run_id: str
    traceparent: str
    cause: str
    began_ns: int
    tick: int
    recorded_ns: int
    recomputed: bool | None = None
    notes: Sequence[Note] = ()


def _call_later(delay_s: float, call: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_later(delay_s, call)


class EventSpans:
    """Record the span of each event of one run of a feed.

    Whether an earlier process has made an event is known once all required readers have opened their streams; `HOLD_S`
    after the first held span, or at `MAX_HELD` spans, no further reader is waited for.
    """

    def __init__(
        self,
        spans: WorkSpans,
        feed: str,
        required_readers: Iterable[str],
        later: Callable[[float, Callable[[], None]], object] = _call_later,
    ) -> None:
        self._spans = spans
        self._feed = feed
        self._awaited = set(required_readers)
        self._later = later
        self._held: list[tuple[Made, int]] = []
        self._holding = True
        self._sent = 0
        self._made_before = 0

    def record(self, made: Made) -> None:
        """Record the span of an event just produced, or hold it."""
        if not self._spans.recording or not sampled(made.traceparent):
            return
        if made.recomputed is not None:
            self._record(made, time.time_ns(), made.recomputed)
            return
        if self._holding and not self._held:
            self._later(HOLD_S, self.release)
        self._held.append((made, time.time_ns()))
        if not self._holding or len(self._held) >= MAX_HELD:
            self.release()

    def sent(self, sequence: int) -> None:
        """Note that this process has sent the event: a token of it proves nothing about an earlier process."""
        self._sent = max(self._sent, sequence)

    def presented(self, sequence: int) -> None:
        """Note that a reader has presented a token of this event."""
        if sequence > self._sent:
            self._made_before = max(self._made_before, sequence)

    def opened(self, reader: str, sequence: int) -> None:
        """Note that a reader has opened its stream after the event of this sequence; 0 for a stream from the start.

        Whatever this process has sent meanwhile to others, a required reader's first token is an earlier process's.
        """
        if reader in self._awaited:
            self._made_before = max(self._made_before, sequence)
            self._awaited.discard(reader)
        else:
            self.presented(sequence)
        if not self._awaited:
            self.release()

    def release(self) -> None:
        """Record all held spans, and from now on each at once."""
        self._holding = False
        held, self._held = self._held, []
        for made, ended_ns in held:
            self._record(made, ended_ns, made.entry.sequence <= self._made_before)

    def _record(self, made: Made, ended_ns: int, recomputed: bool) -> None:
        attributes: dict[str, str | int] = {
            "cloudevents.event_id": made.event_id,
            "qiki.feed": self._feed,
            "qiki.run_id": made.run_id,
            "qiki.tick": made.tick,
            "qiki.sequence": made.entry.sequence,
            "qiki.subject": made.entry.subject,
        }
        self._spans.record(
            f"produce {self._feed}",
            made.traceparent,
            made.cause,
            (made.began_ns, ended_ns),
            attributes,
            recomputed=recomputed,
            notes=made.notes,
        )
