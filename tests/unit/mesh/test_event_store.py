"""Feeds over event stores: a store whose events must be fetched serves the same streams as the ring in memory."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any, cast

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from mesh.feeds.feed import Feed, FeedSettings
from mesh.feeds.ring import Retention, Ring
from mesh.feeds.store import Entry
from mesh.feeds.token import NO_EVENT
from mesh.feeds.watch import confirm, watch
from mesh.serving.errors import HistoryDivergedError
from qiki.common.v1.stream_pb2 import Run
from qiki.sim.v1.sim_service_pb2 import ConfirmWorldRequest, WatchWorldRequest, WatchWorldResponse
from qiki.sim.v1.world_pb2 import WorldSnapshot
from store_contract import check_contract

pytestmark = pytest.mark.asyncio

WAIT_S = 10.0
S = 1_000_000_000
RUN = Run(run_id="0b6e1c1e-0000-4000-8000-0000000000aa", start_time=Timestamp(seconds=1), bot_id="qiki-01", tick_ns=S)
SETTINGS = FeedSettings("world", Retention(1_000 * S, 10**9), ("bridge",))
COUNT = 12


class DistantStore:
    """Events that must be fetched: no more of them are at hand than the last `load` promised."""

    first_sequence = oldest_sequence = 1

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._elsewhere = list(entries)
        self._at_hand: dict[int, Entry] = {}

    @property
    def last_sequence(self) -> int:
        return len(self._elsewhere)

    @property
    def size_bytes(self) -> int:
        return sum(entry.size_bytes for entry in self._elsewhere)

    async def load(self, sequence: int) -> None:
        await asyncio.sleep(0)
        found = self._elsewhere[max(0, sequence - 1) : sequence + 1]
        self._at_hand = {entry.sequence: entry for entry in found}

    def get(self, sequence: int) -> Entry | None:
        if not 1 <= sequence <= self.last_sequence:
            return None
        return self._elsewhere[-1] if sequence == self.last_sequence else self._at_hand[sequence]

    def digest_at(self, sequence: int) -> bytes | None:
        entry = self.get(sequence)
        return NO_EVENT if sequence == 0 else entry and entry.digest

    def store(self, entry: Entry) -> None:
        self._elsewhere.append(entry)


def make_entries(payload_tick: int = 0) -> list[Entry]:
    feed = Feed(SETTINGS, WatchWorldResponse, "snapshot")
    feed.begin(RUN)
    return [
        feed.append(WorldSnapshot(tick=payload_tick + number), sequence=number, time_ns=number * S, tick=number)
        for number in range(1, COUNT + 1)
    ]


def make_feed(store: DistantStore) -> Feed:
    feed = Feed(SETTINGS, WatchWorldResponse, "snapshot", store=store)
    feed.begin(RUN)
    feed.replayed()
    return feed


def open_stream(feed: Feed, **request: Any) -> AsyncGenerator[WatchWorldResponse, None]:
    stream = watch(feed, WatchWorldRequest(**request), WatchWorldResponse, 3_600.0)
    return cast(AsyncGenerator[WatchWorldResponse, None], stream)


async def take(stream: AsyncGenerator[WatchWorldResponse, None], count: int) -> list[WatchWorldResponse]:
    async with asyncio.timeout(WAIT_S):
        return [await anext(stream) for _ in range(count)]


def token_of(entry: Entry) -> str:
    return str(WatchWorldResponse.FromString(entry.response).resume_token)


async def test_the_ring_and_a_distant_store_fulfil_the_contract_of_a_store() -> None:
    entries, whole, trimmed = make_entries(), Ring(SETTINGS.retention), Ring(Retention(4 * S, 10**9))
    for entry in entries:
        whole.append(entry)
        trimmed.append(entry)
    await check_contract(whole, 1, COUNT)
    await check_contract(trimmed, COUNT - 4, COUNT)
    await check_contract(DistantStore(entries), 1, COUNT)


async def test_streams_at_different_positions_are_served_from_a_distant_store_at_the_same_time() -> None:
    entries = make_entries()
    store = DistantStore(entries[:-1])
    feed = make_feed(store)
    streams = [open_stream(feed, from_oldest=True), open_stream(feed, resume_token=token_of(entries[4]))]
    for stream in streams:
        (first,) = await take(stream, 1)
        assert first.HasField("heartbeat")
        assert not first.heartbeat.HasField("simulation_time"), "a recorded feed has none"
    async with asyncio.TaskGroup() as group:
        kept = [group.create_task(take(streams[0], COUNT - 1)), group.create_task(take(streams[1], COUNT - 6))]
    async with asyncio.TaskGroup() as group:
        added = [group.create_task(take(stream, 1)) for stream in streams]
        await asyncio.sleep(0)
        store.store(entries[-1])
        feed.stored()
    received = [before.result() + after.result() for before, after in zip(kept, added, strict=True)]
    for responses, expected in zip(received, (entries, entries[5:]), strict=True):
        assert [response.SerializeToString() for response in responses] == [entry.response for entry in expected]
    for stream in streams:
        await stream.aclose()


async def test_tokens_of_another_history_are_refused_by_a_distant_store() -> None:
    feed, others = make_feed(DistantStore(make_entries())), make_entries(payload_tick=100)
    with pytest.raises(HistoryDivergedError):
        await take(open_stream(feed, resume_token=token_of(others[3])), 1)
    with pytest.raises(HistoryDivergedError):
        await confirm(feed, ConfirmWorldRequest(reader="bridge", resume_token=token_of(others[3])))
    assert feed.safe_sequence == 0


async def test_a_confirmation_is_verified_by_a_distant_store() -> None:
    entries = make_entries()
    feed = make_feed(DistantStore(entries))
    request = ConfirmWorldRequest(reader="bridge", resume_token=token_of(entries[3]))
    assert (await confirm(feed, request), feed.safe_sequence) == (4, 4)
