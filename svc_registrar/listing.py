"""Pages of events on record: chosen in the index, read from the log, bounded in number and bytes."""

from dataclasses import dataclass

from mesh.token import Token, short_digest
from qiki.registrar.v1 import registrar_service_pb2 as pb
from svc_registrar import wire
from svc_registrar.domain.index import Index, Query
from svc_registrar.feed import LogFeed

DEFAULT_PAGE = 100
MAX_PAGE = 1_000
# Half of what a message of the mesh may have.
MAX_PAGE_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which page is wanted: `place` is where the page before ended, None at the beginning."""

    query: Query
    size: int
    place: Token | None
    newest_first: bool


def page(feed: LogFeed, index: Index, wanted: Wanted) -> pb.ListEventsResponse:
    """Return a page.

    Raises:
        LogUnreadableError: an event cannot be read any more as it was written.
    """
    last = feed.ring.last_sequence
    after, before = 0, last + 1
    if wanted.place is not None and wanted.newest_first:
        before = wanted.place.sequence
    elif wanted.place is not None:
        after = wanted.place.sequence
    # One more than is wanted tells whether there is more.
    found = index.select(
        wanted.query, after=after, before=before, most=wanted.size + 1, newest_first=wanted.newest_first
    )
    events: list[pb.RecordedEvent] = []
    size = 0
    for sequence in found[: wanted.size]:
        event = _recorded(feed, sequence)
        size += event.ByteSize()
        if events and size > MAX_PAGE_BYTES:
            break
        events.append(event)
    complete = len(events) == len(found)
    return pb.ListEventsResponse(events=events, complete=complete, resume_token=_end(feed, events, wanted, complete))


def _end(feed: LogFeed, events: list[pb.RecordedEvent], wanted: Wanted, complete: bool) -> str:
    """Return where the page ends; all that was asked for having been seen, that is the log's end or beginning."""
    if complete:
        return feed.place(0 if wanted.newest_first else feed.ring.last_sequence).encode()
    return events[-1].resume_token


def _recorded(feed: LogFeed, sequence: int) -> pb.RecordedEvent:
    record = feed.records.record(sequence)
    event = pb.AuditEvent.FromString(record.body)
    return pb.RecordedEvent(
        resume_token=feed.token_at(sequence, short_digest(record.body)).encode(),
        receipt=wire.to_receipt(event.event_id, sequence, record.recorded_ns, record.body),
        audit_event=event,
    )
