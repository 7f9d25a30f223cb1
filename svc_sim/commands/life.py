"""The life of each command as a recorded feed, served from the run's command journal."""

from collections import OrderedDict
from collections.abc import Iterable

from mesh.clock import SimulationClock
from mesh.feeds import identity
from mesh.feeds.feed import Feed, FeedSettings
from mesh.feeds.history import History
from mesh.feeds.ring import Retention
from mesh.feeds.store import Entry
from mesh.feeds.token import NO_EVENT, short_digest
from mesh.telemetry.spans import WorkSpans
from qiki.common.v1.stream_pb2 import EventContext, Run
from qiki.sim.v1.commands_pb2 import CommandEvent, CommandRecord
from qiki.sim.v1.sim_service_pb2 import WatchCommandsResponse
from svc_sim.wire import command_events as wire

FEED = "commands"
# Responses kept for the readers at the feed's end: each is built once for all of them.
RECENT_EVENTS = 512
_NO_RETENTION = Retention(0, 0)  # the journal drops no record


class JournalStore:
    """The journal's records as an event store: all of them, from the first on. The log's id is the run's."""

    first_sequence = oldest_sequence = 1

    def __init__(self, run: Run, spans: WorkSpans) -> None:
        self._run = run
        self._spans = spans
        self._clock = SimulationClock.of(run)
        self._history = History(FEED, run.run_id, self)
        self._records: list[bytes] = []
        self._traceparents: dict[str, str] = {}
        self._recent: OrderedDict[int, Entry] = OrderedDict()
        self.size_bytes = 0

    @property
    def last_sequence(self) -> int:
        """Number of records so far."""
        return len(self._records)

    async def load(self, sequence: int) -> None:
        """Do nothing: every record is at hand."""

    def add(self, record: CommandRecord) -> None:
        """Add the journal's next record, which is on the disk."""
        body = record.SerializeToString(deterministic=True)
        self._records.append(body)
        self.size_bytes += len(body)
        if record.traceparent:
            self._traceparents[record.result.command_id] = record.traceparent

    def get(self, sequence: int) -> Entry | None:
        """Return an event, or None if there is none of this sequence."""
        if not 1 <= sequence <= self.last_sequence:
            return None
        entry = self._recent.get(sequence)
        if entry is None:
            record = CommandRecord.FromString(self._records[sequence - 1])
            entry = self._recent[sequence] = self._build(sequence, record)
            if len(self._recent) > RECENT_EVENTS:
                self._recent.popitem(last=False)
        return entry

    def digest_at(self, sequence: int) -> bytes | None:
        """Return the digest of the event of this sequence, or None if there is none."""
        if sequence == 0:
            return NO_EVENT
        entry = self.get(sequence)
        return entry.digest if entry else None

    def cause(self, command_id: str) -> str:
        """Return the trace context of a command's caller, empty for none."""
        return self._traceparents.get(command_id, "")

    def traceparent(self, command_id: str, sequence: int) -> str:
        """Return the trace context of an event: in the trace of the command's caller, or in one of its own."""
        run_id = self._run.run_id
        if cause := self.cause(command_id):
            return identity.caused_traceparent(cause, f"{run_id}/{FEED}", sequence)
        own = f"{run_id}/{FEED}"
        flags = self._spans.flags(identity.trace_id(own, sequence), "")
        return identity.traceparent(own, sequence, FEED, sequence, flags)

    def _build(self, sequence: int, record: CommandRecord) -> Entry:
        run, event = self._run, wire.to_event(record, self._clock)
        body = event.SerializeToString(deterministic=True)
        digest = short_digest(body)
        response = WatchCommandsResponse(
            resume_token=self._history.token_at(sequence, digest).encode(),
            context=EventContext(
                id=identity.event_id(run.run_id, FEED, sequence),
                source=identity.source(run.bot_id, run.run_id, FEED),
                type=CommandEvent.DESCRIPTOR.full_name,
                time=record.recorded_time,
                sequence=sequence,
                subject=event.command_id,
                run_id=run.run_id,
                run_created=run.created,
                recorded_time=record.recorded_time,
                traceparent=self.traceparent(event.command_id, sequence),
            ),
            command_event=event,
        )
        time_ns = record.recorded_time.ToNanoseconds()
        return Entry(sequence, time_ns, digest, event.command_id, response.SerializeToString(deterministic=True))


class CommandLife:
    """The feed of the run's command events, and the journal behind it. It drops no event, and waits for no reader."""

    def __init__(
        self, run: Run, records: Iterable[CommandRecord], required_readers: tuple[str, ...], spans: WorkSpans
    ) -> None:
        """Serve the journal's records; `add` adds further ones."""
        self.store = JournalStore(run, spans)
        self._ended: set[str] = set()
        self._newest_ns = 0
        settings = FeedSettings(FEED, _NO_RETENTION, required_readers)
        self.feed = Feed(settings, WatchCommandsResponse, "command_event", store=self.store)
        for record in records:
            self.add(record)

    def begin(self, run: Run) -> None:
        """Start the feed, which never replays: its events are on the disk."""
        self.feed.begin(run)
        self.feed.replayed()
        self._note_newest()

    def has_ended(self, command_id: str) -> bool:
        """Return whether the end of this command is recorded."""
        return command_id in self._ended

    def add(self, record: CommandRecord) -> None:
        """Publish the journal's next record, which is on the disk."""
        if record.HasField("ending"):
            self._ended.add(record.ending.command_id)
        self.store.add(record)
        self._newest_ns = record.recorded_time.ToNanoseconds()
        self._note_newest()
        self.feed.stored()

    def _note_newest(self) -> None:
        self.feed.newest_recorded_ns = self._newest_ns
