"""The log as a feed: the same tokens, positions and refusals as any other, served from the file."""

from collections import OrderedDict
from collections.abc import Callable
from typing import cast

from mesh.clock import to_timestamp
from mesh.feeds import identity
from mesh.feeds.feed import Feed, FeedSettings
from mesh.feeds.ring import Entry, Retention, Ring
from mesh.feeds.token import NO_EVENT, Token, short_digest
from qiki.common.v1.stream_pb2 import EventContext, Run
from qiki.registrar.v1.registrar_service_pb2 import AuditEvent, WatchEventsResponse
from svc_registrar.domain.index import Index
from svc_registrar.errors import LogUnreadableError
from svc_registrar.log_file import LogFile, RecordUnreadableError
from svc_registrar.records import Record

FEED = "audit"
# Responses kept for the readers at the log's end: each is built once for all of them.
RECENT_EVENTS = 512
_NO_RING = Retention(0, 0)


class LogRing(Ring):
    """The log as a feed's readers see it: all of it, from the first event to the last that was published."""

    def __init__(self, log: LogFile, index: Index, token_at: Callable[[int, bytes], Token]) -> None:
        super().__init__(_NO_RING)
        self._log = log
        self._index = index
        self._recent: OrderedDict[int, Entry] = OrderedDict()
        self._token_at = token_at
        self.last_sequence = index.last_sequence

    @property
    def oldest_sequence(self) -> int:
        """Sequence of the first event: the log drops none."""
        return 1

    @property
    def size_bytes(self) -> int:
        """Length of the log."""
        return self._log.end

    def get(self, sequence: int) -> Entry | None:
        """Return an event of the log, or None if there is none of this sequence.

        Raises:
            LogUnreadableError: it can no longer be read as it was written.
        """
        if not 1 <= sequence <= self.last_sequence:
            return None
        entry = self._recent.get(sequence)
        if entry is None:
            entry = self._recent[sequence] = self._build(self.record(sequence))
            if len(self._recent) > RECENT_EVENTS:
                self._recent.popitem(last=False)
        return entry

    def digest_at(self, sequence: int) -> bytes | None:
        """Return the digest of the event of this sequence, or None if there is none."""
        if sequence == 0:
            return NO_EVENT
        entry = self.get(sequence)
        return entry.digest if entry else None

    def record(self, sequence: int) -> Record:
        """Return the record of an event of the log; raises LogUnreadableError as `get` does."""
        try:
            return self._log.read(self._index.offset(sequence), sequence)
        except (RecordUnreadableError, OSError) as error:
            raise LogUnreadableError(f"{FEED}: {error}", sequence=str(sequence)) from error

    def _build(self, record: Record) -> Entry:
        event, digest, head = AuditEvent.FromString(record.body), short_digest(record.body), self._log.head
        response = WatchEventsResponse(
            resume_token=self._token_at(record.sequence, digest).encode(),
            context=EventContext(
                id=event.event_id,
                source=identity.source(head.bot_id, head.log_id, FEED),
                type=AuditEvent.DESCRIPTOR.full_name,
                time=event.reported_time,
                sequence=record.sequence,
                subject=event.reporter,
                run_id=head.log_id,
                run_created=to_timestamp(head.created_ns),
                recorded_time=to_timestamp(record.recorded_ns),
                traceparent=identity.traceparent(head.log_id, record.sequence, FEED, record.sequence),
            ),
            audit_event=event,
        )
        time_ns = event.reported_time.ToNanoseconds()
        return Entry(record.sequence, time_ns, digest, event.reporter, response.SerializeToString(deterministic=True))


class LogFeed(Feed):
    """The log's feed. It has no simulation time, never replays, never ends, and waits for no reader."""

    def __init__(self, log: LogFile, index: Index, required_readers: tuple[str, ...]) -> None:
        super().__init__(FeedSettings(FEED, _NO_RING, required_readers), WatchEventsResponse, "audit_event")
        head = log.head
        self.begin(Run(run_id=head.log_id, created=to_timestamp(head.created_ns), bot_id=head.bot_id))
        self.ring = LogRing(log, index, self.token_at)
        self.replayed()

    @property
    def records(self) -> LogRing:
        """The log behind the feed."""
        return cast(LogRing, self.ring)

    @property
    def log_run(self) -> Run:
        """The log as a run: its id, its creation, its bot."""
        assert self.run is not None, "a log's feed begins with its log"
        return self.run

    def published(self, last_sequence: int) -> None:
        """Publish the log's events up to this one, which are on the disk and in the index."""
        self.ring.last_sequence = last_sequence
        self.change.notify()

    def reached_time(self) -> None:  # type: ignore[override]  # the field of a heartbeat is omitted
        """Return no time: the recorded events belong to many runs, or to none."""

    def resolve(self, resume_token: str) -> Token:
        """Return the position that a token encodes.

        Raises:
            MeshError: as in the Watch contract.
        """
        return self.check(self._decode(resume_token))
