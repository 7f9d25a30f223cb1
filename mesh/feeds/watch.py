"""The Watch and Confirm contracts on the server's side: a feed and a request become a stream, or a position."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Protocol, TypeVar

from google.protobuf.message import Message

from mesh.feeds.feed import Feed
from mesh.feeds.store import Entry
from mesh.serving.errors import RunChangedError
from qiki.common.v1.stream_pb2 import Draining, Ended, Heartbeat

R = TypeVar("R", bound=Message)
Accept = Callable[[Entry], bool]


class WatchRequest(Protocol):
    """Fields of every Watch request besides its filter."""

    resume_token: str
    from_oldest: bool
    reader: str
    confirm_interval_s: float


class ConfirmRequest(Protocol):
    """Fields of every Confirm request."""

    reader: str
    resume_token: str


async def confirm(feed: Feed, request: ConfirmRequest) -> int:
    """Accept a required reader's confirmation and return its position.

    Raises:
        MeshError: as in the Confirm contract.
    """
    await feed.load(request.resume_token)
    return feed.confirm(request.reader, request.resume_token)


async def watch(
    feed: Feed,
    request: WatchRequest,
    response_type: type[R],
    heartbeat_s: float,
    accept: Accept | None = None,
    *,
    columns: bool = False,
) -> AsyncIterator[R]:
    """Yield the responses of one reader's stream until the run is over or the server drains.

    With `columns`, the same events with the same tokens come in columns where the feed keeps them so.

    1. Find the position to start after; send it in a first heartbeat.
    2. Send the retained events after it, without those that the filter does not accept.
    3. At the feed's end: send that the run is over, or wait for a change, and after `heartbeat_s` of silence send the
       position reached. The end of the producer's replay is sent immediately.

    Readers share no state: a slow one waits in its own `yield`, and where the store no longer has its next event, its
    next step is refused with RESUME_TOKEN_EXPIRED.
    """
    await feed.load(request.resume_token)
    place = feed.open(
        request.resume_token,
        from_oldest=request.from_oldest,
        reader=request.reader,
        filtered=accept is not None,
        confirm_interval_s=request.confirm_interval_s,
    )
    # Before a producer's first event its first position is unknown: after a restart it is not event 1.
    positioned = bool(request.resume_token) or feed.store.last_sequence > 0
    served, loop = feed.run.run_id if feed.run else "", asyncio.get_running_loop()
    feed.open_readers += 1
    feed.counts.resumed += bool(request.resume_token)
    try:
        yield _heartbeat(feed, response_type, place.encode())
        sent_at, sent_replaying = loop.time(), feed.replaying
        while True:
            await feed.store.load(place.sequence)
            run_id = feed.run.run_id if feed.run else ""
            if run_id != served:
                raise RunChangedError(f"{feed.name}: another run began: {run_id}", run_id=run_id)
            if feed.draining:
                yield response_type(resume_token=place.encode(), draining=Draining())
                return
            if not positioned and feed.store.first_sequence:
                place, positioned = feed.place(feed.store.first_sequence - 1), True
            place = feed.check(place)
            entry = feed.store.get(place.sequence + 1)
            if entry is not None:
                place = feed.token_at(entry.sequence, entry.digest)
                if accept is None or accept(entry):
                    feed.sent(entry)
                    yield response_type.FromString((columns and entry.columns) or entry.response)
                    sent_at = loop.time()
                else:
                    await asyncio.sleep(0)  # a long filtered-out stretch must not keep others waiting
            elif feed.ended:
                yield response_type(resume_token=place.encode(), ended=_ended(feed))
                return
            else:
                await feed.change.wait(max(0.0, sent_at + heartbeat_s - loop.time()))
            if loop.time() - sent_at >= heartbeat_s or feed.replaying != sent_replaying:
                yield _heartbeat(feed, response_type, place.encode())
                sent_at, sent_replaying = loop.time(), feed.replaying
    finally:
        feed.open_readers -= 1


def _heartbeat(feed: Feed, response_type: type[R], resume_token: str) -> R:
    beat = Heartbeat(
        simulation_time=feed.reached_time(), last_sequence=feed.store.last_sequence, replaying=feed.replaying
    )
    return response_type(resume_token=resume_token, heartbeat=beat)


def _ended(feed: Feed) -> Ended:
    return Ended(last_sequence=feed.store.last_sequence, simulation_time=feed.reached_time())
