import time
from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from prometheus_client import CollectorRegistry

from mesh.feeds.feed import Feed, FeedSettings
from mesh.feeds.ring import Retention
from mesh.feeds.watch import watch
from mesh.serving.errors import TokenExpiredError
from mesh.telemetry.feed_metrics import watch_feeds
from qiki.common.v1.stream_pb2 import Run
from qiki.sim.v1.sim_service_pb2 import WatchWorldRequest, WatchWorldResponse
from qiki.sim.v1.world_pb2 import WorldSnapshot

pytestmark = pytest.mark.asyncio

S = 1_000_000_000
RUN = Run(run_id="0b6e1c1e-0000-4000-8000-0000000000aa", start_time=Timestamp(seconds=1), bot_id="qiki-01", tick_ns=S)


class Watched:
    """A feed of world snapshots, one a second, and its metrics."""

    def __init__(self, retention: Retention) -> None:
        self.feed = Feed(FeedSettings("world", retention, ("bridge", "radar")), WatchWorldResponse, "snapshot")
        self._registry = CollectorRegistry()
        watch_feeds(self._registry, [self.feed])

    def value(self, name: str, **labels: str) -> float | None:
        return self._registry.get_sample_value(f"qiki_feed_{name}", {"feed": "world", **labels})

    def produce(self, first: int, last: int) -> None:
        for sequence in range(first, last + 1):
            self.feed.append(WorldSnapshot(tick=sequence), sequence=sequence, time_ns=sequence * S, tick=sequence)

    async def read(self, events: int, **request: Any) -> None:
        """Read the first heartbeat and so many events of a stream, and close it."""
        responses = watch(self.feed, WatchWorldRequest(**request), WatchWorldResponse, 5.0)
        stream = cast(AsyncGenerator[WatchWorldResponse, None], responses)
        for _ in range(events + 1):
            await anext(stream)
        assert self.value("open_readers") == 1
        await stream.aclose()


@pytest.fixture
def watched() -> Watched:
    made = Watched(Retention(10 * S, 10**6))
    made.feed.begin(RUN)
    return made


async def test_events_sent_are_counted_for_every_reader(watched: Watched) -> None:
    watched.produce(1, 5)
    assert watched.value("sent_events_total") == 0
    await watched.read(5, from_oldest=True)
    await watched.read(2, from_oldest=True)
    assert watched.value("sent_events_total") == 7
    assert watched.value("open_readers") == 0


async def test_a_stream_opened_with_a_token_counts_as_resumed_and_another_does_not(watched: Watched) -> None:
    watched.produce(1, 5)
    await watched.read(1, from_oldest=True)
    assert watched.value("resumed_streams_total") == 0
    await watched.read(2, resume_token=watched.feed.place(3).encode())
    assert watched.value("resumed_streams_total") == 1


async def test_a_reader_whose_next_event_is_no_longer_kept_counts_as_a_gap(watched: Watched) -> None:
    watched.produce(1, 5)
    token = watched.feed.place(2).encode()
    watched.produce(6, 40)
    assert watched.value("gaps_total") == 0
    with pytest.raises(TokenExpiredError):
        await watched.read(1, resume_token=token)
    assert (watched.value("gaps_total"), watched.value("resumed_streams_total")) == (1, 0)


async def test_a_feed_without_a_run_has_its_counts_at_0_and_no_position_or_history() -> None:
    early = Watched(Retention(10 * S, 10**6))
    assert [early.value(f"{name}_total") for name in ("sent_events", "resumed_streams", "gaps")] == [0, 0, 0]
    assert [early.value(name) for name in ("events_total", "ring_events", "open_readers")] == [None, None, None]


async def test_the_lag_of_a_required_reader_is_what_it_has_not_confirmed(watched: Watched) -> None:
    watched.produce(1, 5)
    watched.feed.confirm("bridge", watched.feed.place(3).encode())
    assert watched.value("reader_lag_events", reader="bridge") == 2
    assert watched.value("reader_lag_events", reader="radar") == 5


async def test_occupancy_is_the_larger_share_of_the_retention_in_use(watched: Watched) -> None:
    assert watched.value("ring_occupancy_ratio") == 0
    watched.produce(1, 6)
    assert watched.value("ring_occupancy_ratio") == 5 / 10, "of its time"
    watched.produce(7, 100)
    assert watched.value("ring_occupancy_ratio") == 1, "full, and never more"

    small = Watched(Retention(10**6 * S, 1_000))
    small.feed.begin(RUN)
    small.produce(1, 1)
    assert small.value("ring_occupancy_ratio") == small.feed.store.size_bytes / 1_000, "of its bytes"


async def test_the_newest_event_has_the_time_at_which_it_was_made(watched: Watched) -> None:
    assert watched.value("newest_event_timestamp_seconds") is None, "there is none yet"
    before = time.time()
    watched.produce(1, 1)
    made = watched.value("newest_event_timestamp_seconds")
    assert made is not None
    assert before <= made <= time.time()
    watched.feed.begin(RUN)
    assert watched.value("newest_event_timestamp_seconds") is None, "another run has none yet"
