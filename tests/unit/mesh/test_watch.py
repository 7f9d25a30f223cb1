import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any, cast

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from mesh.feeds.feed import Feed, FeedSettings
from mesh.feeds.ring import Retention
from mesh.feeds.token import decode
from mesh.feeds.watch import Accept, watch
from mesh.serving.errors import RunChangedError, TokenExpiredError
from qiki.common.v1.stream_pb2 import Run
from qiki.sim.v1.sim_service_pb2 import WatchWorldRequest, WatchWorldResponse
from qiki.sim.v1.world_pb2 import WorldSnapshot

pytestmark = pytest.mark.asyncio

WAIT_S = 10.0
S = 1_000_000_000
RUN = Run(run_id="0b6e1c1e-0000-4000-8000-0000000000aa", start_time=Timestamp(seconds=1), bot_id="qiki-01", tick_ns=S)


def make_feed(retention_s: int = 1_000) -> Feed:
    feed = Feed(FeedSettings("world", Retention(retention_s * S, 10**9)), WatchWorldResponse, "snapshot")
    feed.begin(RUN)
    return feed


def produce(feed: Feed, first: int, last: int) -> None:
    for sequence in range(first, last + 1):
        feed.append(WorldSnapshot(tick=sequence), sequence=sequence, time_ns=sequence * S, tick=sequence)


def open_stream(
    feed: Feed, *, heartbeat_s: float = 5.0, accept: Accept | None = None, **request: Any
) -> AsyncGenerator[WatchWorldResponse, None]:
    stream = watch(feed, WatchWorldRequest(**request), WatchWorldResponse, heartbeat_s, accept)
    return cast(AsyncGenerator[WatchWorldResponse, None], stream)


async def following(stream: AsyncGenerator[WatchWorldResponse, None]) -> WatchWorldResponse:
    async with asyncio.timeout(WAIT_S):
        return await anext(stream)


@pytest.mark.parametrize("from_oldest", [True, False])
async def test_a_stream_opened_before_a_restarted_producers_first_event_starts_with_that_event(
    from_oldest: bool,
) -> None:
    feed = make_feed()
    stream = open_stream(feed, from_oldest=from_oldest)
    assert (await following(stream)).heartbeat.last_sequence == 0
    produce(feed, 101, 103)
    assert [(await following(stream)).context.sequence for _ in range(3)] == [101, 102, 103]
    await stream.aclose()


async def test_such_a_stream_that_falls_behind_the_retention_is_refused_as_expired() -> None:
    feed = make_feed(retention_s=5)
    stream = open_stream(feed, from_oldest=True)
    await following(stream)
    produce(feed, 101, 120)
    with pytest.raises(TokenExpiredError) as caught:
        await following(stream)
    assert caught.value.metadata["oldest_sequence"] == "115"


async def test_a_token_before_the_first_event_of_a_restarted_producer_has_expired() -> None:
    before, feed = make_feed(), make_feed()
    token = before.place(0).encode()
    produce(feed, 101, 101)
    with pytest.raises(TokenExpiredError):
        await following(open_stream(feed, resume_token=token))


async def test_the_end_of_the_replay_is_reported_at_once() -> None:
    feed = make_feed()
    stream = open_stream(feed, heartbeat_s=3_600.0)
    assert (await following(stream)).heartbeat.replaying
    async with asyncio.TaskGroup() as group:
        said = group.create_task(following(stream))
        await asyncio.sleep(0)
        feed.replayed()
    assert not said.result().heartbeat.replaying
    await stream.aclose()


async def woken_by(feed: Feed, happens: Callable[[], object]) -> WatchWorldResponse:
    """Return the response that an action causes for a reader at the feed's end, long before a heartbeat is due."""
    stream = open_stream(feed, heartbeat_s=3_600.0)
    await following(stream)
    async with asyncio.TaskGroup() as group:
        said = group.create_task(following(stream))
        await asyncio.sleep(0)
        happens()
    await stream.aclose()
    return said.result()


async def test_an_event_reaches_a_waiting_reader_at_once() -> None:
    feed = make_feed()
    assert (await woken_by(feed, lambda: produce(feed, 1, 1))).context.sequence == 1


async def test_the_end_of_the_run_reaches_a_waiting_reader_at_once_and_ends_its_stream() -> None:
    feed = make_feed()
    produce(feed, 1, 2)
    feed.replayed()
    assert (await woken_by(feed, feed.end)).ended.last_sequence == 2
    stream = open_stream(feed)
    kinds = [(await following(stream)).WhichOneof("event") for _ in range(2)]
    assert kinds == ["heartbeat", "ended"]
    with pytest.raises(StopAsyncIteration):
        await following(stream)


async def test_a_waiting_reader_is_asked_to_reconnect_as_soon_as_the_server_drains() -> None:
    feed = make_feed()
    produce(feed, 1, 2)
    said = await woken_by(feed, feed.drain)
    assert said.HasField("draining")
    assert decode(said.resume_token).sequence == 2


async def test_a_filtered_stream_yields_the_accepted_events_and_its_token_moves_past_the_others() -> None:
    feed = make_feed()
    produce(feed, 1, 5)
    stream = open_stream(feed, heartbeat_s=0.05, accept=lambda entry: entry.sequence in (1, 3), from_oldest=True)
    await following(stream)
    said = [await following(stream) for _ in range(3)]
    assert [response.context.sequence for response in said[:2]] == [1, 3]
    assert said[2].HasField("heartbeat")
    assert decode(said[2].resume_token).sequence == 5
    await stream.aclose()


async def test_heartbeats_of_an_idle_stream_carry_the_simulation_time_reached() -> None:
    feed = make_feed()
    stream = open_stream(feed, heartbeat_s=0.05)
    await following(stream)
    feed.advance(77 * S)
    said = await following(stream)
    assert said.heartbeat.simulation_time.seconds == 77
    assert decode(said.resume_token).sequence == 0
    await stream.aclose()


async def test_a_run_change_is_also_sent_to_a_reader_without_any_event_so_far() -> None:
    feed = make_feed()
    stream = open_stream(feed)
    await following(stream)
    feed.begin(Run(run_id="0b6e1c1e-0000-4000-8000-0000000000bb", start_time=RUN.start_time))
    with pytest.raises(RunChangedError):
        await following(stream)


async def test_an_open_stream_is_counted_until_it_is_closed_or_refused() -> None:
    feed = make_feed(retention_s=5)
    closed, refused = open_stream(feed), open_stream(feed, from_oldest=True)
    for stream in (closed, refused):
        await following(stream)
    assert feed.open_readers == 2
    await closed.aclose()
    produce(feed, 1, 20)
    with pytest.raises(TokenExpiredError):
        await following(refused)
    assert feed.open_readers == 0


async def test_a_reader_of_columns_gets_columns_if_they_are_kept_and_the_payload_otherwise() -> None:
    feed = make_feed()
    feed.append(WorldSnapshot(tick=1), sequence=1, time_ns=S, tick=1, columns=WorldSnapshot(tick=101))
    produce(feed, 2, 2)
    request = WatchWorldRequest(from_oldest=True)
    plain, columnar = (
        cast(AsyncGenerator[WatchWorldResponse, None], watch(feed, request, WatchWorldResponse, 5.0, columns=columns))
        for columns in (False, True)
    )
    one, other = [[await following(stream) for _ in range(3)] for stream in (plain, columnar)]
    assert [response.snapshot.tick for response in one[1:]] == [1, 2]
    assert [response.snapshot.tick for response in other[1:]] == [101, 2]
    assert [response.resume_token for response in one] == [response.resume_token for response in other]
    for stream in (plain, columnar):
        await stream.aclose()
