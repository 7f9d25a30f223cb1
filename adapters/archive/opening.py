"""Opening of an archive stream: its run, its start position, and the first stream message to read."""

from dataclasses import dataclass, replace

from adapters.archive.cursor import Bounds, Cursor
from adapters.archive.index import RunSpan, cut_at_sequence, cut_at_time, newest_span, spans
from adapters.jetstream.client.history import Split, SubjectHistory
from adapters.jetstream.codec.stored_event import StoredEvent
from botspec.channels import Channel
from mesh.feeds.token import NO_EVENT, Token, decode, short_digest
from mesh.serving.errors import (
    HistoryDivergedError,
    NotFoundError,
    RunChangedError,
    RunUnknownError,
    TokenMalformedError,
)

MAX_SEQUENCE = 2**64 - 1


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A read request: start after `place`, or, where it is None, within the bounds; in run `run_id` or the newest."""

    place: Token | None
    run_id: str
    from_oldest: bool
    bounds: Bounds
    until_newest: bool

    @property
    def from_now(self) -> bool:
        """Whether the request names no start, so that the stream starts after the newest event."""
        bounds = self.bounds
        return not (self.place or self.from_oldest or bounds.from_sequence or bounds.from_time_ns is not None)


@dataclass(frozen=True, slots=True)
class Opening:
    """The cursor to continue from, the first stream message to read, and the run's newest event at this moment."""

    cursor: Cursor
    first_message: int
    newest: StoredEvent
    is_last_run: bool


def read_place(text: str, channel: str) -> Token | None:
    """Return the position encoded in a token's text, None for an empty text.

    Raises:
        TokenMalformedError: it cannot be decoded, or belongs to another channel.
    """
    if not text:
        return None
    token = decode(text)
    if token.feed != short_digest(channel.encode()):
        raise TokenMalformedError("resume_token", f"is of another channel than {channel}")
    return token


async def open_at(history: SubjectHistory, channel: Channel, request: OpenRequest) -> Opening:
    """Find the start of a stream.

    Raises:
        MeshError: as the contract of WatchArchive specifies; and the errors of `history`.
    """
    span = await _span_of(history, channel.name, request)
    bounds = request.bounds
    if request.until_newest:
        bounds = replace(bounds, until_sequence=min(bounds.until_sequence or MAX_SEQUENCE, span.newest.sequence))
    cut = await _cut(history, channel, span, request)
    cursor = _cursor(channel.name, span, bounds, request, cut)
    first = cut.before.stream_sequence + 1 if cut.before else span.oldest.stream_sequence
    return Opening(cursor, first, span.newest, span.is_last)


async def _span_of(history: SubjectHistory, channel: str, request: OpenRequest) -> RunSpan:
    newest = await newest_span(history)
    if newest is None:
        raise RunUnknownError(f"{channel}: nothing is archived yet; try again")
    epoch = request.place.epoch if request.place else None
    if epoch is not None and request.run_id and epoch != _epoch(request.run_id):
        raise RunChangedError(f"{channel}: the token is not of run {request.run_id}", run_id=request.run_id)
    if epoch is None and request.run_id:
        epoch = _epoch(request.run_id)
    if epoch is None or epoch == _epoch(newest.run_id):
        return newest
    async for span in spans(history):
        if _epoch(span.run_id) == epoch:
            return span
    if request.place is None:
        raise NotFoundError(f"{channel}: run {request.run_id} is not archived")
    raise RunChangedError(
        f"{channel}: the token's run is not archived; the newest is run {newest.run_id}", run_id=newest.run_id
    )


async def _cut(history: SubjectHistory, channel: Channel, span: RunSpan, request: OpenRequest) -> Split:
    """Split the subject at the start of the stream."""
    if request.place is not None:
        return await cut_at_sequence(history, span, request.place.sequence + 1)
    if request.from_now:
        return await cut_at_sequence(history, span, span.newest.sequence + 1)
    if request.bounds.from_sequence:
        return await cut_at_sequence(history, span, request.bounds.from_sequence)
    # Recorded events are stored in the order of recording, not of their times: all of them are read.
    if request.bounds.from_time_ns is not None and channel.policy == "derived":
        return await cut_at_time(history, span, request.bounds.from_time_ns)
    return await cut_at_sequence(history, span, span.oldest.sequence)


def _cursor(channel: str, span: RunSpan, bounds: Bounds, request: OpenRequest, cut: Split) -> Cursor:
    """Return the cursor at the split; refuse a position where the history differs from its token or has a gap."""
    before = cut.before if cut.before and cut.before.context.run_id == span.run_id else None
    after = cut.after if cut.after and cut.after.context.run_id == span.run_id else None
    place = request.place or _place(span, before, request)
    cursor = Cursor(channel, span.run_id, bounds, place)
    if place.sequence == 0 and place.digest != NO_EVENT:
        raise HistoryDivergedError(f"{channel}: the token's event 0 is none", sequence="0")
    if before is not None and before.sequence == place.sequence:
        cursor.check_same(before)
        cursor = Cursor(channel, span.run_id, bounds, place, before.time_ns)
    if after is not None and after.sequence != place.sequence + 1:
        raise cursor.missing(after)
    return cursor


def _place(span: RunSpan, before: StoredEvent | None, request: OpenRequest) -> Token:
    """Return the start position without a token: after `before`, else before the first requested event."""
    if before is not None:
        return before.token
    oldest = span.oldest
    first = oldest.sequence if request.from_oldest else request.bounds.from_sequence or 1
    return Token(oldest.token.epoch, oldest.token.feed, first - 1)


def _epoch(run_id: str) -> bytes:
    return short_digest(run_id.encode())
