"""A feed: one source, one contiguous sequence, kept in a ring, read through cursors, blocked by required readers."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Concatenate, ParamSpec

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from mesh.clock import NS_PER_S, to_timestamp
from mesh.feeds import identity
from mesh.feeds.blockage import ALARM_S, Blockage
from mesh.feeds.notifier import Notifier
from mesh.feeds.readers import RequiredReaders
from mesh.feeds.ring import Entry, Retention, Ring
from mesh.feeds.token import Token, decode, short_digest
from mesh.serving.errors import (
    HistoryDivergedError,
    InvalidFieldError,
    LimitReachedError,
    ReaderUnknownError,
    RetentionTooShortError,
    RunChangedError,
    RunUnknownError,
    ServerDrainingError,
    TokenExpiredError,
    TokenMalformedError,
)
from mesh.telemetry.spans import WorkSpans
from qiki.common.v1.stream_pb2 import EventContext, Run
from qiki_sdk.varint import varint

P = ParamSpec("P")
MAX_EVENT_BYTES = 900_000
MAX_OPEN_READERS = 256


class FlowControl(Enum):
    """Whether a producer waits for its required readers."""

    LIVE = "live"
    LOSSLESS = "lossless"


@dataclass(frozen=True, slots=True)
class Made:
    """An event ready to be added to its feed, and the attributes of its span."""

    entry: Entry
    traceparent: str
    cause: str
    began_ns: int
    tick: int
    recomputed: bool = False


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


def _added(make: "Callable[Concatenate[Feed, P], Made]") -> "Callable[Concatenate[Feed, P], Entry]":
    def append(feed: "Feed", /, *args: P.args, **facts: P.kwargs) -> Entry:
        return feed.add(make(feed, *args, **facts))

    return append


class Feed:
    """The one place where a service's events are named, kept and served. Lives on one event loop.

    `response_type` is the Watch response whose field `payload_field` carries the payload.
    """

    def __init__(
        self,
        settings: FeedSettings,
        response_type: type[Message],
        payload_field: str,
        spans: WorkSpans | None = None,
        confirmations: Notifier | None = None,
    ) -> None:
        """Make a feed; `confirmations` is notified when a verified confirmation of a required reader advances."""
        self.settings = settings
        self._spans = spans or WorkSpans(1.0)
        self.name = settings.name
        self.response_type = response_type
        field = response_type.DESCRIPTOR.fields_by_name[payload_field]
        payload_type = field.message_type
        if payload_type is None:
            raise TypeError(f"{payload_field} of {response_type.DESCRIPTOR.full_name} is not a message")
        self._payload_tag = varint(field.number << 3 | 2)
        self._payload_type = payload_type.full_name
        self._feed_digest = short_digest(settings.name.encode())
        self.change = Notifier()
        self.confirmations = confirmations or Notifier()
        self._new_state(None)
        self.readers = RequiredReaders(settings.required_readers)
        self.draining = False
        self.open_readers = 0
        self.blockage = Blockage(settings.name, settings.blocked_alarm_s)

    @property
    def blocked_by(self) -> str:
        """The required reader that the producer waits for now; empty where it waits for none."""
        return self.blockage.reader

    def _new_state(self, run: Run | None) -> None:
        self.run = run
        self.ring = Ring(self.settings.retention)
        self.ended = False
        self.replaying = True
        self.reached_ns = 0
        self._epoch = short_digest(run.run_id.encode()) if run else b""

    # -- the producer's side ------------------------------------------------------------------------------------------

    def begin(self, run: Run) -> None:
        """Start serving a run from its first event: readers of an earlier run get RUN_CHANGED."""
        self._new_state(run)
        self.reached_ns = run.start_time.ToNanoseconds()
        self.ring.begin(self.reached_ns)
        self.readers.reset()
        self.change.notify()

    def resume(self, sequence: int, digest: bytes, time_ns: int) -> None:
        """Set, after `begin`, the last event that the run has produced: the feed may have no new one for long.

        Otherwise a feed without new events would report its position as the start of the run, and would refuse tokens
        of its end as those of another history.
        """
        self.ring.resume(sequence, digest, time_ns)
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
        recomputed: bool = False,
    ) -> Made:
        """Return an event, named and serialized, without adding it: a step that makes several adds all or none.

        `columns` is the same event in the layout for readers that ask for columns, kept beside the payload. The digest
        is that of the payload alone: ids, tokens and order do not depend on the layout that a reader asks for.
        `recomputed` is whether an earlier process has made it already, which matters to its span alone.

        Raises:
            ValueError: it exceeds `MAX_EVENT_BYTES`.
        """
        run = self._known_run()
        body = payload.SerializeToString(deterministic=True)
        digest = short_digest(body)
        recorded_ns = time.time_ns()
        flags = self._spans.flags(identity.trace_id(run.run_id, tick), cause)
        own = identity.traceparent(run.run_id, tick, self.name, sequence, flags)
        head = self.response_type(
            resume_token=self.token_at(sequence, digest).encode(),
            context=EventContext(
                id=identity.event_id(run.run_id, self.name, sequence),
                source=identity.source(run.bot_id, run.run_id, self.name),
                type=self._payload_type,
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
        response = self._response(sequence, start, body)
        other = b"" if columns is None else self._response(sequence, start, columns.SerializeToString())
        entry = Entry(sequence, time_ns, digest, subject, response, other, input_sequence)
        return Made(entry, own, cause, began_ns or recorded_ns, tick, recomputed)

    def add(self, made: Made) -> Entry:
        """Add an event that `make` returned, and wake the readers."""
        run, entry = self._known_run(), made.entry
        self._spans.record(
            f"produce {self.name}",
            made.traceparent,
            made.cause,
            made.began_ns,
            {
                "qiki.run_id": run.run_id,
                "qiki.tick": made.tick,
                "qiki.sequence": entry.sequence,
                "qiki.subject": entry.subject,
            },
            recomputed=made.recomputed,
        )
        self.ring.append(entry)
        if self.readers.reached(entry.sequence, entry.digest):
            self.confirmations.notify()
        self.advance(entry.time_ns)
        self.change.notify()
        return entry

    append = _added(make)
    """Make an event and add it immediately."""

    def _response(self, sequence: int, head: bytes, body: bytes) -> bytes:
        """Return the full response made of its head and its payload.

        Appending a field to a serialized message adds it to the message: the payload is serialized once, for its digest
        and for every reader.
        """
        response = b"".join((head, self._payload_tag, varint(len(body)), body))
        if len(response) > MAX_EVENT_BYTES:
            raise ValueError(f"{self.name}: event {sequence} has {len(response)} bytes, over {MAX_EVENT_BYTES}")
        return response

    def advance(self, time_ns: int) -> None:
        """Advance the simulation time that the producer has reached, also where it yielded no event."""
        self.reached_ns = max(self.reached_ns, time_ns)

    def replayed(self) -> None:
        """Mark the producer's replay as ended: a token ahead of the feed is invalid from now on."""
        if self.replaying:
            self.replaying = False
            self.readers.drop_claims()
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
        if sequence >= self.ring.last_sequence:
            return None
        retention, mark = self.settings.retention, self.ring.mark(sequence)
        pending_bytes = self.ring.mark(self.ring.last_sequence).end_bytes - mark.end_bytes
        room = min(retention.size_bytes // 2, retention.size_bytes - self._largest_bytes())
        too_far = next_time_ns - mark.time_ns > retention.time_ns // 2 or pending_bytes > room
        return name if too_far else None

    def _largest_bytes(self) -> int:
        """Return the most bytes of the ring that one event may take: twice the limit where both layouts are kept."""
        newest = self.ring.get(self.ring.last_sequence)
        return MAX_EVENT_BYTES * (2 if newest is not None and newest.columns else 1)

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
            return self.check(self._decode(resume_token))
        return self.place(self.ring.oldest_sequence - 1 if from_oldest else self.ring.last_sequence)

    def check(self, token: Token) -> Token:
        """Return the token if reading can resume after it.

        Raises:
            HistoryDivergedError: the event at its position has another digest, or the run never reaches the position.
            TokenExpiredError: the event after it is no longer retained.
        """
        ring = self.ring
        if token.sequence > ring.last_sequence:
            if not self.replaying:
                raise self._diverged(token, f"the feed's last event is {ring.last_sequence}")
            return token
        if token.sequence < ring.oldest_sequence - 1:
            oldest = self.place(ring.oldest_sequence - 1)
            raise TokenExpiredError(
                f"{self.name}: event {token.sequence + 1} is no longer retained, the oldest is {oldest.sequence + 1}",
                oldest_resume_token=oldest.encode(),
                oldest_sequence=str(oldest.sequence + 1),
            )
        digest = ring.digest_at(token.sequence)
        if digest is not None and digest != token.digest:
            raise self._diverged(token, "another event stands there")
        return token

    def confirm(self, reader: str, resume_token: str) -> int:
        """Accept a required reader's confirmation that everything up to the token is safe; return its position.

        Raises:
            MeshError: as in the Confirm contract.
        """
        self._known_run()
        self._check_reader(reader)
        token = self._decode(resume_token)
        if token.sequence > self.ring.last_sequence and self.replaying:
            self.readers.claim(reader, token)
            self.change.notify()
            return self.readers.confirmed[reader]
        if token.sequence >= self.ring.oldest_sequence - 1:
            self.check(token)
        before = self.readers.confirmed[reader]
        after = self.readers.confirm(reader, token.sequence)
        if after != before:
            self.change.notify()
            self.confirmations.notify()
        return after

    @property
    def safe_sequence(self) -> int:
        """Sequence up to which the feed is safe: confirmed by all required readers, or the last if none is required."""
        confirmed = self.readers.confirmed_by_all()
        last = self.ring.last_sequence
        return last if confirmed is None else min(confirmed, last)

    def place(self, sequence: int) -> Token:
        """Return the token of a position that the ring knows."""
        return self.token_at(sequence, self.ring.digest_at(sequence) or bytes(8))

    def token_at(self, sequence: int, digest: bytes) -> Token:
        """Return the token of an event of this feed."""
        return Token(self._epoch, self._feed_digest, sequence, digest)

    def newest(self, accept: Callable[[Entry], bool] = lambda _entry: True) -> Entry | None:
        """Return the newest event that `accept` takes, or None."""
        for sequence in range(self.ring.last_sequence, self.ring.oldest_sequence - 1, -1):
            entry = self.ring.get(sequence)
            if entry is not None and accept(entry):
                return entry
        return None

    def reached_time(self) -> Timestamp:
        """Return the simulation time that the producer has reached."""
        return to_timestamp(self.reached_ns)

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

    def _decode(self, text: str) -> Token:
        token = decode(text)
        if token.feed != self._feed_digest:
            raise TokenMalformedError("resume_token", f"is of another feed than {self.name}")
        if token.epoch != self._epoch:
            run_id = self._known_run().run_id
            raise RunChangedError(f"{self.name}: the token is of another run; this is run {run_id}", run_id=run_id)
        return token

    def _diverged(self, token: Token, why: str) -> HistoryDivergedError:
        return HistoryDivergedError(
            f"{self.name}: the token's event {token.sequence} is not in this history: {why}",
            sequence=str(token.sequence),
        )
