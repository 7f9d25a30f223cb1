"""The log as a feed: the same tokens, positions and refusals as any other, served from the file."""

from collections import OrderedDict

from mesh.clock import to_timestamp
from mesh.feeds import identity
from mesh.feeds.feed import Feed, FeedSettings
from mesh.feeds.history import History
from mesh.feeds.ring import Retention
from mesh.feeds.store import Entry
from mesh.feeds.token import NO_EVENT, short_digest
from mesh.telemetry.spans import WorkSpans
from qiki.common.v1.stream_pb2 import EventContext, Run
from qiki.registrar.v1.registrar_service_pb2 import AuditEvent, WatchEventsResponse
from svc_registrar import event_json
from svc_registrar.domain.lines import Line
from svc_registrar.errors import LogUnreadableError
from svc_registrar.log.errors import RecordUnreadableError
from svc_registrar.log.log import Log

FEED = "audit"
# Responses kept for the readers at the log's end: each is built once for all of them.
RECENT_EVENTS = 512
_NO_RETENTION = Retention(0, 0)  # the log decides itself which events it drops


class LogStore:
    """The log as an event store: from the oldest event that retention keeps to the last that was published."""

    first_sequence = 1

    def __init__(self, log: Log, spans: WorkSpans) -> None:
        self._log = log
        self._spans = spans
        self._history = History(FEED, log.head.log_id, self)
        self._recent: OrderedDict[int, Entry] = OrderedDict()
        self.last_sequence = log.last_index

    @property
    def oldest_sequence(self) -> int:
        """Sequence of the oldest event that the log keeps."""
        return self._log.oldest_index

    @property
    def size_bytes(self) -> int:
        """Length of the log."""
        return self._log.size_bytes

    async def load(self, sequence: int) -> None:
        """Do nothing: the log's file is at hand."""

    def get(self, sequence: int) -> Entry | None:
        """Return an event of the log, or None if there is none of this sequence.

        Raises:
            LogUnreadableError: it can no longer be read as it was written.
        """
        if not self.oldest_sequence <= sequence <= self.last_sequence:
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

    def record(self, sequence: int) -> Line:
        """Return the record of an event of the log; raises LogUnreadableError as `get` does."""
        try:
            return self._log.read(sequence)
        except (RecordUnreadableError, LookupError, OSError) as error:
            raise LogUnreadableError(f"{FEED}: {error}", sequence=str(sequence)) from error

    def traceparent(self, event: AuditEvent, sequence: int) -> str:
        """Return the trace context of an event of the log: in the trace of its cause, or in one of its own."""
        log_id = self._log.head.log_id
        if event.traceparent:
            return identity.caused_traceparent(event.traceparent, f"{log_id}/{FEED}", sequence)
        flags = self._spans.flags(identity.trace_id(log_id, sequence), "")
        return identity.traceparent(log_id, sequence, FEED, sequence, flags)

    def _build(self, record: Line) -> Entry:
        (event, body), head = event_json.from_line(record), self._log.head
        digest = short_digest(body)
        response = WatchEventsResponse(
            resume_token=self._history.token_at(record.index, digest).encode(),
            context=EventContext(
                id=event.event_id,
                source=identity.source(head.bot_id, head.log_id, FEED),
                type=AuditEvent.DESCRIPTOR.full_name,
                time=event.reported_time,
                sequence=record.index,
                subject=event.reporter,
                run_id=head.log_id,
                run_created=to_timestamp(head.created_ns),
                recorded_time=to_timestamp(record.recorded_ns),
                traceparent=self.traceparent(event, record.index),
            ),
            audit_event=event,
        )
        time_ns = event.reported_time.ToNanoseconds()
        return Entry(record.index, time_ns, digest, event.reporter, response.SerializeToString(deterministic=True))


class LogFeed:
    """The log's feed and the store behind it. The feed never replays, never ends, and waits for no reader."""

    def __init__(self, log: Log, required_readers: tuple[str, ...], spans: WorkSpans) -> None:
        head = log.head
        self.run = Run(run_id=head.log_id, created=to_timestamp(head.created_ns), bot_id=head.bot_id)
        self.store = LogStore(log, spans)
        settings = FeedSettings(FEED, _NO_RETENTION, required_readers)
        self.feed = Feed(settings, WatchEventsResponse, "audit_event", store=self.store)
        self.feed.begin(self.run)
        self.feed.replayed()
        self._log = log
        self._note_newest()

    def published(self, last_sequence: int) -> None:
        """Publish the log's events up to this one, which are on the disk and in the index."""
        self.store.last_sequence = last_sequence
        self._note_newest()
        self.feed.stored()

    def _note_newest(self) -> None:
        last = self.store.last_sequence
        self.feed.newest_recorded_ns = self._log.index.row(last).recorded_ns if last else 0
