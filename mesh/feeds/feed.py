"""A feed: one source, one contiguous sequence, kept in a store, read through cursors, blocked by required readers."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from mesh.clock import NS_PER_S, to_timestamp
from mesh.feeds import identity
from mesh.feeds.blockage import ALARM_S, Blockage
from mesh.feeds.event_spans import EventSpans, Made
from mesh.feeds.history import History
from mesh.feeds.notifier import Notifier
from mesh.feeds.readers import RequiredReaders
from mesh.feeds.response import MAX_EVENT_BYTES, ResponseLayout
from mesh.feeds.ring import Retention, Ring
from mesh.feeds.store import Entry, EventStore
from mesh.feeds.token import Token, short_digest
from mesh.serving.errors import (
    InvalidFieldError,
    LimitReachedError,
    MeshError,
    ReaderUnknownError,
    RetentionTooShortError,
    RunUnknownError,
    ServerDrainingError,
    TokenExpiredError,
)
from mesh.telemetry.spans import Note, WorkSpans
from qiki.common.v1.stream_pb2 import EventContext, Run

MAX_OPEN_READERS = 256


class FlowControl(Enum):
    """Whether a producer waits for its required readers."""

    LIVE = "live"
    LOSSLESS = "lossless"


@dataclass(slots=True)
class FeedCounts:
    """Counts since the process started: events sent, streams opened with a token, and readers refused for a gap."""

    sent: int = 0
    resumed: int = 0
    gaps: int = 0


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """Settings of a feed: name, retention, required readers, and whether the producer waits for them.

    Waiting for one reader longer than `blocked_alarm_s` of wall-clock time raises an alarm.
    """

    name: str
    retention: Retention
    required_readers: tuple[str, ...] = ()
    flow_control: FlowControl = FlowControl.LIVE
    blocked_alarm_s: float = ALARM_S


class Feed:
    """The one place where a service's events are named, kept and served. Lives on one event loop.

    The events of a derived feed come from a producer, which appends them to the feed's ring. Those of a recorded feed
    are in an event store of its own: its service appends them there, and calls `stored`.
    """

    def __init__(
        self,
        settings: FeedSettings,
        response_type: type[Message],
        payload_field: str,
        spans: WorkSpans | None = None,
        confirmations: Notifier | None = None,
        *,
        store: EventStore | None = None,
    ) -> None:
        """Make a derived feed, or with `store` a recorded one.

        `response_type` is the Watch response whose field `payload_field` carries the payload; `confirmations` is
        notified when a verified confirmation of a required reader advances.
        """
        self.settings = settings
        self.name = settings.name
        self._spans = spans or WorkSpans(1.0)
        self.response_type = response_type
        self._layout = ResponseLayout(response_type, payload_field)
        self._recorded_in = store
        self.change = Notifier()
        self.confirmations = confirmations or Notifier()
        self._new_state(None)
        self.readers = RequiredReaders(settings.required_readers)
        self.draining = False
        self.open_readers = 0
        self.counts = FeedCounts()
        self.blockage = Blockage(settings.name, settings.blocked_alarm_s)

    @property
    def traced(self) -> bool:
        """Whether the spans of events are recorded: only then are their notes worth making."""
        return self._spans.recording

    @property
    def occupancy(self) -> float | None:
        """Share of the retention in use, of its bytes or of its time, the larger; None where nothing is dropped."""
        return self._ring.occupancy if self._recorded_in is None else None

    @property
    def blocked_by(self) -> str:
        """The required reader that the producer waits for now; empty where it waits for none."""
        return self.blockage.reader

    def _new_state(self, run: Run | None) -> None:
        self.run = run
        self._ring = Ring(self.settings.retention)
        self.store: EventStore = self._ring if self._recorded_in is None else self._recorded_in
        self._history = History(self.name, run.run_id if run else "", self.store)
        self._event_spans = EventSpans(self._spans, self.name, self.settings.required_readers)
        self.ended = False
        self.replaying = True
        self.reached_ns = 0
        self.newest_recorded_ns = 0  # Unix time at which the newest event was made, 0 before the first

    # -- the producer's side ------------------------------------------------------------------------------------------

    def begin(self, run: Run) -> None:
        """Start serving a run from its first event: readers of an earlier run get RUN_CHANGED."""
        self._new_state(run)
        self.reached_ns = run.start_time.ToNanoseconds()
        self._ring.begin(self.reached_ns)
        self.readers.reset()
        self.change.notify()

    def resume(self, sequence: int, digest: bytes, time_ns: int) -> None:
        """Set, after `begin`, the last event that the run has produced: the feed may have no new one for long.

        Otherwise a feed without new events would report its position as the start of the run, and would refuse tokens
        of its end as those of another history.
        """
        self._ring.resume(sequence, digest, time_ns)
        self.advance(time_ns)

    def make(
        self,
        payload: Message,
        *,
        sequence: int,
        time_ns: int,
        tick: int,
        subject: str = "",
        cause: str = "",
        began_ns: int | None = None,
        columns: Message | None = None,
        input_sequence: int = 0,
        recomputed: bool | None = None,
        notes: Sequence[Note] = (),
    ) -> Made:
        """Return an event, named and serialized, without adding it: a step that makes several adds all or none.

        `columns` is the same event in the layout for readers that ask for columns, kept beside the payload. The digest
        is that of the payload alone: ids, tokens and order do not depend on the layout that a reader asks for.
        `recomputed` is whether an earlier process has made it already, which matters to its span alone; None: the
        producer does not know. `notes` become events of the span.

        Raises:
            ValueError: it exceeds `MAX_EVENT_BYTES`.
        """
        run = self._known_run()
        body = payload.SerializeToString(deterministic=True)
        digest = short_digest(body)
        recorded_ns = time.time_ns()
        flags = self._spans.flags(identity.trace_id(run.run_id, tick), cause)
        own = identity.traceparent(run.run_id, tick, self.name, sequence, flags)
        event_id = identity.event_id(run.run_id, self.name, sequence)
        head = self.response_type(
            resume_token=self.token_at(sequence, digest).encode(),
            context=EventContext(
                id=event_id,
                source=identity.source(run.bot_id, run.run_id, self.name),
                type=self._layout.payload_type,
                time=to_timestamp(time_ns),
                sequence=sequence,
                subject=subject,
                run_id=run.run_id,
                run_created=run.created,
                recorded_time=to_timestamp(recorded_ns),
                traceparent=own,
            ),
        )
        start = head.SerializeToString()
        response = self._layout.response(self.name, sequence, start, body)
        other = b""
        if columns is not None:
            other = self._layout.response(self.name, sequence, start, columns.SerializeToString())
        entry = Entry(sequence, time_ns, digest, subject, response, other, input_sequence)
        return Made(
            entry, event_id, run.run_id, own, cause, began_ns or recorded_ns, tick, recorded_ns, recomputed, notes
        )

    def add(self, made: Made) -> Entry:
        """Add an event that `make` returned, and wake the readers."""
        self._known_run()
        entry = made.entry
        self._event_spans.record(made)
        self._ring.append(entry)
        self.newest_recorded_ns = made.recorded_ns
        if self.readers.reached(entry.sequence, entry.digest):
            self.confirmations.notify()
        self.advance(entry.time_ns)
        self.change.notify()
        return entry

    def append(
        self,
        payload: Message,
        *,
        sequence: int,
        time_ns: int,
        tick: int,
        subject: str = "",
        cause: str = "",
        columns: Message | None = None,
        recomputed: bool | None = None,
    ) -> Entry:
        """Make an event and add it at once; as `make`."""
        made = self.make(
            payload,
            sequence=sequence,
            time_ns=time_ns,
            tick=tick,
            subject=subject,
            cause=cause,
            columns=columns,
            recomputed=recomputed,
        )
        return self.add(made)

    def stored(self) -> None:
        """Wake the readers of a recorded feed: its store has further events."""
        self.change.notify()

    def advance(self, time_ns: int) -> None:
        """Advance the simulation time that the producer has reached, also where it yielded no event."""
        self.reached_ns = max(self.reached_ns, time_ns)

    def replayed(self) -> None:
        """Mark the producer's replay as ended: a token ahead of the feed is invalid from now on."""
        if self.replaying:
            self.replaying = False
            self.readers.drop_provisional()
            self.change.notify()

    def end(self) -> None:
        """Mark the run as over and the feed as complete."""
        if not self.ended:
            self.ended = True
            self.replayed()
            self.change.notify()

    def drain(self) -> None:
        """Ask every reader to reconnect elsewhere, and accept no new ones."""
        self.draining = True
        self._event_spans.release()
        self.change.notify()

    def blocking_reader(self, next_time_ns: int) -> str | None:
        """Return the required reader that a lossless producer must wait for before an event of this time, or None.

        The producer waits before it is more than half the retention, in time or bytes, ahead of the slowest required
        reader, and where the largest event would not fit beside the unconfirmed ones.
        """
        slowest = self.readers.slowest()
        if self.settings.flow_control is FlowControl.LIVE or slowest is None:
            return None
        name, sequence = slowest
        return name if self._ring.leads_too_far(sequence, next_time_ns, MAX_EVENT_BYTES) else None

    # -- the readers' side --------------------------------------------------------------------------------------------

    def open(
        self, resume_token: str, *, from_oldest: bool, reader: str, filtered: bool, confirm_interval_s: float = 0.0
    ) -> Token:
        """Return the position after which a new reader starts; a required reader declares its confirm interval.

        Raises:
            MeshError: as in the Watch contract.
        """
        self._known_run()
        if self.draining:
            raise ServerDrainingError(f"{self.name}: the server is going away; reconnect")
        if self.open_readers >= MAX_OPEN_READERS:
            raise LimitReachedError(
                f"{self.name}: {MAX_OPEN_READERS} streams are open already", limit=f"{MAX_OPEN_READERS}"
            )
        if not (math.isfinite(confirm_interval_s) and confirm_interval_s >= 0.0):
            raise InvalidFieldError("confirm_interval_s", f"must be finite and not negative, got {confirm_interval_s}")
        if reader:
            self._check_reader(reader)
            if filtered:
                raise ReaderUnknownError("filter", f"the required reader {reader!r} must not filter")
            self._check_interval(confirm_interval_s)
            self.readers.declare(reader, confirm_interval_s)
        if resume_token:
            token = self.resolve(resume_token)
            self._event_spans.opened(reader, token.sequence)
            return token
        self._event_spans.opened(reader, 0)
        return self.place(self.store.oldest_sequence - 1 if from_oldest else self.store.last_sequence)

    async def load(self, resume_token: str) -> None:
        """Have at hand what `open`, `confirm` and `resolve` verify the token with; they refuse an invalid one."""
        try:
            token = self._history.decode(resume_token)
        except MeshError:
            return
        await self.store.load(token.sequence)

    def resolve(self, resume_token: str) -> Token:
        """Return the position that a token encodes.

        Raises:
            MeshError: as in the Watch contract.
        """
        return self.check(self._history.decode(resume_token))

    def check(self, token: Token) -> Token:
        """Return the token if reading can resume after it; otherwise raise as `History.check`."""
        try:
            return self._history.check(token, replaying=self.replaying)
        except TokenExpiredError:
            self.counts.gaps += 1
            raise

    def confirm(self, reader: str, resume_token: str) -> int:
        """Accept a required reader's confirmation that everything up to the token is safe; return its position.

        Raises:
            MeshError: as in the Confirm contract.
        """
        self._known_run()
        self._check_reader(reader)
        token = self._history.decode(resume_token)
        self._event_spans.presented(token.sequence)
        if token.sequence > self.store.last_sequence and self.replaying:
            self.readers.confirm_provisionally(reader, token)
            self.change.notify()
            return self.readers.confirmed[reader]
        if token.sequence >= self.store.oldest_sequence - 1:
            self.check(token)
        before = self.readers.confirmed[reader]
        after = self.readers.confirm(reader, token.sequence)
        if after != before:
            self.change.notify()
            self.confirmations.notify()
        return after

    def sent(self, entry: Entry) -> None:
        """Note that a reader was sent the event."""
        self.counts.sent += 1
        self._event_spans.sent(entry.sequence)

    @property
    def safe_sequence(self) -> int:
        """Sequence up to which the feed is safe: confirmed by all required readers, or the last if none is required."""
        confirmed = self.readers.confirmed_by_all()
        last = self.store.last_sequence
        return last if confirmed is None else min(confirmed, last)

    def place(self, sequence: int) -> Token:
        """Return the token of a position that the store has at hand."""
        return self._history.place(sequence)

    def token_at(self, sequence: int, digest: bytes) -> Token:
        """Return the token of an event of this feed."""
        return self._history.token_at(sequence, digest)

    def newest(self, accept: Callable[[Entry], bool] = lambda _entry: True) -> Entry | None:
        """Return the newest event at hand that `accept` takes, or None."""
        return self._history.newest(accept)

    def reached_time(self) -> Timestamp | None:
        """Return the simulation time that the producer has reached; None in a recorded feed, which has none."""
        return to_timestamp(self.reached_ns) if self._recorded_in is None else None

    # -- checks -------------------------------------------------------------------------------------------------------

    def _known_run(self) -> Run:
        if self.run is None:
            raise RunUnknownError(f"{self.name}: waits for its source to tell the run; try again")
        return self.run

    def _check_reader(self, reader: str) -> None:
        if reader not in self.readers.confirmed:
            known = ", ".join(self.readers.confirmed) or "none"
            raise ReaderUnknownError("reader", f"{reader!r} is not a required reader of {self.name}; known: {known}")

    def _check_interval(self, confirm_interval_s: float) -> None:
        retention_s = self.settings.retention.time_ns / NS_PER_S
        if self.settings.flow_control is FlowControl.LOSSLESS and confirm_interval_s >= retention_s / 2:
            raise RetentionTooShortError(self.name, retention_s, confirm_interval_s)
