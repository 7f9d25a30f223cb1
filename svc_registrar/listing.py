"""Pages of recorded events: selected in the index, read from the log in slices, limited in number and bytes."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from mesh.feeds.token import Token, short_digest
from mesh.threads import finish_in_thread
from qiki.registrar.v1 import registrar_service_pb2 as pb
from svc_registrar import event_json, wire
from svc_registrar.domain.index import Query
from svc_registrar.domain.merkle import leaf_hash
from svc_registrar.feed import LogFeed
from svc_registrar.log.index import Index, Selection

DEFAULT_PAGE = 100
MAX_PAGE = 1_000
# Half of the mesh's largest message.
MAX_PAGE_BYTES = 2 * 1024 * 1024
# Events that are read for one page to find a text in them: some ten milliseconds.
TEXT_EVENTS_A_PAGE = 1_000
# Events read at a time: a few milliseconds, after which other work gets its turn.
SLICE_EVENTS = 64
# The log is written by threads of the same pool: a write never waits behind more slices than these.
PAGES_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class ListRequest:
    """Request of a page: `place` is the end of the page before, None at the start."""

    query: Query
    size: int
    place: Token | None
    newest_first: bool


class Pages:
    """Pages of one log. The event loop keeps running and the log grows: a page ends where the log ended at its turn."""

    def __init__(self, log_feed: LogFeed, index: Index) -> None:
        self._log_feed = log_feed
        self._index = index
        self._turns = asyncio.Semaphore(PAGES_AT_ONCE)

    async def page(self, request: ListRequest) -> pb.ListEventsResponse:
        """Return a page of the log as it is when the page's turn comes.

        Raises:
            LogUnreadableError: an event can no longer be read as it was written.
        """
        async with self._turns:
            last = self._log_feed.store.last_sequence
            found = await finish_in_thread(_select, self._index, self._log_feed, request, last)
            events = await self._read(found.indexes[: request.size])
        complete = found.complete and len(events) == len(found.indexes)
        if len(events) < len(found.indexes):
            token = events[-1].resume_token
        else:  # every matching event of what was searched has been returned
            token = self._log_feed.feed.place(self._end(request, found, last)).encode()
        return pb.ListEventsResponse(events=events, complete=complete, resume_token=token)

    def _end(self, request: ListRequest, found: Selection, last: int) -> int:
        """Return the position at which the next page goes on: the log's end or start, or where the search ended."""
        if found.complete:
            return max(0, self._log_feed.store.oldest_sequence - 1) if request.newest_first else last
        return found.covered

    async def _read(self, sequences: Sequence[int]) -> list[pb.RecordedEvent]:
        """Return the events of these sequences, in slices, as many as fit into a page: at least one."""
        events: list[pb.RecordedEvent] = []
        size = 0
        for first in range(0, len(sequences), SLICE_EVENTS):
            part = sequences[first : first + SLICE_EVENTS]
            for event in await finish_in_thread(_recorded, self._log_feed, part):
                size += event.ByteSize()
                if events and size > MAX_PAGE_BYTES:
                    return events
                events.append(event)
        return events


def _select(index: Index, log_feed: LogFeed, request: ListRequest, last: int) -> Selection:
    """Return the sequences of the page, and one more if there are further events; runs in a thread."""
    after, before = log_feed.store.oldest_sequence - 1, last + 1
    if request.place is not None and request.newest_first:
        before = min(before, request.place.sequence)
    elif request.place is not None:
        after = max(after, request.place.sequence)
    most = TEXT_EVENTS_A_PAGE if request.query.text else request.size + 1
    found = index.select(request.query, after=after, before=before, most=most, newest_first=request.newest_first)
    return _with_text(log_feed, request, found) if request.query.text else found


def _with_text(log_feed: LogFeed, request: ListRequest, found: Selection) -> Selection:
    """Return those of the selected events that have the text: at most one more than the page holds."""
    matching: list[int] = []
    for sequence in found.indexes:
        event, _body = event_json.from_line(log_feed.store.record(sequence))
        if wire.has_text(event, request.query.text):
            matching.append(sequence)
            if len(matching) > request.size:
                return Selection(matching, sequence, complete=False)
    if len(found.indexes) < TEXT_EVENTS_A_PAGE:
        return Selection(matching, found.covered, found.complete)
    return Selection(matching, found.indexes[-1], complete=False)


def _recorded(log_feed: LogFeed, sequences: Sequence[int]) -> list[pb.RecordedEvent]:
    """Return a slice's events, at most one more than a page may hold; runs in a thread."""
    events: list[pb.RecordedEvent] = []
    size = 0
    for sequence in sequences:
        record = log_feed.store.record(sequence)
        event, body = event_json.from_line(record)
        events.append(
            pb.RecordedEvent(
                resume_token=log_feed.feed.token_at(sequence, short_digest(body)).encode(),
                receipt=wire.to_receipt(event.event_id, sequence, record.recorded_ns, body, leaf_hash(record.data)),
                audit_event=event,
            )
        )
        size += len(body)
        if size > MAX_PAGE_BYTES:
            break
    return events
