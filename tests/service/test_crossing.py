"""A reader behind the live stream's retention switches to the archive and back, and gets every event once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from adapters.jetstream.codec.message_spans import MessageSpans
from adapters.jetstream.metrics import BridgeMetrics
from adapters.jetstream.outbound.channel import ChannelPublisher
from adapters.jetstream.outbound.source import Source
from archive_cases import CHANNELS, Archive, archive, of_run, sequences, served_on, take, until
from mesh.feeds.token import decode
from mesh.serving.health import Health
from mesh.serving.runtime import ServiceContext
from mesh.telemetry.telemetry import Telemetry
from qiki_sdk import ArchiveSource, Backoff, ResumeTokenExpiredError, Stream, StreamSettings, connect
from qiki_sdk.audit import AuditReporter
from watch_cases import DERIVED_CASES, OTHER_RUN_ID, WAIT_S, Served, WatchCase, serve

pytestmark = pytest.mark.asyncio

RETENTION_S = 2.5
BEHIND = 120
SETTINGS = StreamSettings(backoff=Backoff(first_s=0.01, cap_s=0.05))
WORLD, FRAMES = (next(case for case in DERIVED_CASES if case.feed_name == name) for name in ("world", "frames"))


@pytest.fixture(params=[case for case in DERIVED_CASES if not case.craft], ids=lambda case: str(case.feed_name))
def case(request: pytest.FixtureRequest) -> WatchCase:
    chosen: WatchCase = request.param
    return chosen


@dataclass
class Both:
    """A live feed that keeps little, a bridge between it and JetStream, and an archive that keeps all."""

    live: Served
    archive: Archive
    publisher: ChannelPublisher
    states: list[str] = field(default_factory=list)

    async def produce(self, count: int) -> int:
        """Let the feed continue, no faster than the bridge publishes it."""
        last = 0
        for _ in range(count // 10):
            last = await self.live.produce(10)
            await until(lambda last=last: self.publisher.sequence >= last)  # type: ignore[misc]
        return last

    def stream(self, source: ArchiveSource, **fields: Any) -> Stream[Any]:
        method = getattr(self.live.stub, self.live.case.watch)
        return Stream(method, self.live.request(**fields), SETTINGS, self.states.append, source)


@asynccontextmanager
async def both_of(case: WatchCase, directory: Path) -> AsyncIterator[Both]:
    async with (
        serve(case, directory / "state", retention_s=RETENTION_S) as live,
        archive(directory) as running,
        connect(f"127.0.0.1:{live.server.port}") as transport,
        asyncio.TaskGroup() as group,
    ):
        channel = CHANNELS[case.feed_name]
        base = ServiceContext(Health("test", stall_s=60.0), Telemetry("test"), AuditReporter("", "test"))
        publisher = ChannelPublisher(
            channel,
            Source(channel, transport, required=True),
            BridgeMetrics(CollectorRegistry()),
            base,
            spans=MessageSpans(base.telemetry.tracer, ""),
        )
        carrying = group.create_task(publisher.publish(running.client))
        yield Both(live, running, publisher)
        carrying.cancel()


@asynccontextmanager
async def source_of(running: Archive, name: str) -> AsyncIterator[ArchiveSource]:
    async with connect(running.target) as transport:
        yield ArchiveSource(transport, name)


async def collect(stream: Stream[Any], count: int) -> list[Any]:
    found: list[Any] = []
    async with asyncio.timeout(WAIT_S):
        async for event in stream:
            found.append(event)
            if len(found) == count:
                break
    return found


async def test_a_reader_with_an_expired_token_reads_the_archive_and_returns_to_the_live_stream(
    case: WatchCase, tmp_path: Path
) -> None:
    async with both_of(case, tmp_path) as both, source_of(both.archive, case.feed_name) as source:
        await both.live.produce(1)
        (first,) = await collect(both.stream(source, from_oldest=True), 1)
        last = await both.produce(BEHIND)
        both.states.clear()
        stream = both.stream(source, resume_token=first.resume_token)
        found = await collect(stream, last - 1)
        assert sequences(found) == list(range(2, last + 1))
        assert "archive: connected" in both.states
        await both.live.produce(
            1
        )  # the test does not wait for the bridge here: only the live stream has it for certain
        (following,) = await collect(both.stream(source, resume_token=stream.resume_token), 1)
        assert following.context.sequence == last + 1
        ring = both.live.feed.store
        kept = await take(both.live.watch(from_oldest=True), ring.last_sequence - ring.oldest_sequence + 1)
        tokens = {response.context.sequence: response.resume_token for response in kept}
        both_have = [event for event in found if event.context.sequence in tokens]
        assert [event.resume_token for event in both_have] == [tokens[each.context.sequence] for each in both_have]
        assert sequences(both_have) == list(range(ring.oldest_sequence, last + 1)) != []


async def test_a_reader_that_stalls_in_an_open_stream_misses_nothing_and_ends_with_the_run(tmp_path: Path) -> None:
    async with both_of(WORLD, tmp_path) as both, source_of(both.archive, "world") as source:
        await both.live.produce(1)
        stream = both.stream(source, from_oldest=True)
        found: list[int] = []
        async with asyncio.timeout(2 * WAIT_S):
            async for event in stream:
                found.append(event.context.sequence)
                if len(found) == 1:
                    while not fallen_behind(both):
                        await both.produce(50)
                    last = await both.produce(BEHIND)
                    both.live.feed.end()
        assert found == list(range(1, last + 1))
        assert both.states[0] == both.states[-1] == "connected"
        assert "archive: connected" in both.states
        assert stream.ended is not None
        assert stream.ended.last_sequence == last


def fallen_behind(both: Both) -> bool:
    """Return whether more was produced than the transport can hold for a reader that does not read."""
    return both.live.feed.store.last_sequence > 800


async def test_an_archive_that_lags_behind_the_live_streams_oldest_is_waited_for(tmp_path: Path) -> None:
    async with (
        serve(FRAMES, tmp_path / "state", retention_s=RETENTION_S) as live,
        archive(tmp_path) as running,
        source_of(running, "frames") as source,
    ):
        events = []
        for _ in range(6):
            last = live.feed.store.last_sequence
            await live.produce(4)
            call = live.watch(resume_token=live.feed.place(last).encode())
            events += await take(call, live.feed.store.last_sequence - last)
            call.cancel()
        oldest = live.feed.store.oldest_sequence
        await running.store("frames", events[: oldest - 4])
        both = Both(live, running, None)  # type: ignore[arg-type]  # what carries is the test itself
        stream, found = both.stream(source, resume_token=events[0].resume_token), []
        async with asyncio.timeout(WAIT_S):
            async for event in stream:
                found.append(event.context.sequence)
                if event.context.sequence == oldest - 4:
                    await running.store("frames", events[oldest - 4 : oldest - 1])
                if event.context.sequence == events[-1].context.sequence:
                    break
        assert found == list(range(2, len(events) + 1))


async def test_if_the_archive_lacks_the_events_too_its_refusal_is_raised(tmp_path: Path) -> None:
    async with both_of(FRAMES, tmp_path) as both, source_of(both.archive, "frames") as source:
        await both.produce(10)
        token = both.live.feed.place(1).encode()
        await both.produce(BEHIND)
        await both.archive.trim("frames", 30)
        with pytest.raises(ResumeTokenExpiredError) as refused:
            await collect(both.stream(source, resume_token=token), 1)
        assert refused.value.metadata["oldest_sequence"] == "30"
        rest = await collect(both.stream(source, resume_token=refused.value.metadata["oldest_resume_token"]), 5)
        assert sequences(rest) == [30, 31, 32, 33, 34]


async def test_if_the_archive_lacks_the_run_the_live_refusal_is_raised(tmp_path: Path) -> None:
    async with (
        serve(FRAMES, tmp_path / "state", retention_s=RETENTION_S) as live,
        archive(tmp_path) as running,
        source_of(running, "frames") as source,
    ):
        await live.produce(4)
        (first,) = await take(live.watch(from_oldest=True), 1)
        await running.store("frames", [of_run(first, OTHER_RUN_ID, 4_000_000_000)])
        await live.produce(40)
        both = Both(live, running, None)  # type: ignore[arg-type]
        with pytest.raises(ResumeTokenExpiredError) as refused:
            await collect(both.stream(source, resume_token=first.resume_token), 1)
        assert refused.value.metadata["oldest_sequence"] == str(live.feed.store.oldest_sequence)


async def test_if_a_later_run_follows_in_the_archive_the_live_refusal_is_raised(
    tmp_path: Path,
) -> None:
    async with (
        serve(FRAMES, tmp_path / "state", retention_s=RETENTION_S) as live,
        archive(tmp_path) as running,
        source_of(running, "frames") as source,
    ):
        await live.produce(4)
        (first,) = await take(live.watch(from_oldest=True), 1)
        await running.store("frames", [first, of_run(first, OTHER_RUN_ID, 4_000_000_000)])
        await live.produce(40)
        both = Both(live, running, None)  # type: ignore[arg-type]
        with pytest.raises(ResumeTokenExpiredError) as refused:
            await collect(both.stream(source, resume_token=first.resume_token), 1)
        assert refused.value.metadata["oldest_sequence"] == str(live.feed.store.oldest_sequence)


async def test_an_archive_that_becomes_unavailable_during_the_reading_is_waited_for(tmp_path: Path) -> None:
    async with both_of(FRAMES, tmp_path) as both:
        await both.produce(10)
        token = both.live.feed.place(1).encode()
        last = await both.produce(BEHIND)
        async with served_on(both.archive.nats) as first:
            port = first.server.port
            async with connect(f"127.0.0.1:{port}") as transport, asyncio.timeout(WAIT_S):
                found = []
                stream = both.stream(ArchiveSource(transport, "frames"), resume_token=token)
                async for event in stream:
                    found.append(event.context.sequence)
                    if len(found) == 3:
                        await first.server.drain()
                        again = served_on(both.archive.nats, port=port)
                        await again.__aenter__()
                    if event.context.sequence == last:
                        break
                await again.__aexit__(None, None, None)
        assert found == list(range(2, last + 1))


async def test_without_an_archive_an_expired_token_is_raised_to_the_reader(tmp_path: Path) -> None:
    async with serve(FRAMES, tmp_path, retention_s=RETENTION_S) as live:
        await live.produce(1)
        token = live.feed.place(0).encode()
        await live.produce(40)
        stream: Stream[Any] = Stream(live.stub.WatchFrames, live.request(resume_token=token), SETTINGS)
        with pytest.raises(ResumeTokenExpiredError):
            await collect(stream, 1)
        assert decode(stream.resume_token).sequence == 0, "its position is still known"


async def test_a_stream_with_a_filter_is_not_given_an_archive(tmp_path: Path) -> None:
    async with serve(FRAMES, tmp_path) as live, connect("127.0.0.1:1") as nowhere:
        await live.produce(1)
        request = live.request(filter=live.case.thin(live))
        with pytest.raises(ValueError, match="filter"):
            Stream(live.stub.WatchFrames, request, archive=ArchiveSource(nowhere, "frames"))
