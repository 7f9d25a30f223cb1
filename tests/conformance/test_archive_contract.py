"""The Watch contract, clause by clause, over WatchArchive, for every channel: its tokens are the live streams'."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio

from archive_cases import (
    CHANNELS,
    Archive,
    Reader,
    archive,
    of_run,
    payload_of,
    read,
    reader_of,
    refusal,
    same,
    sequences,
    take,
    take_all,
    until,
)
from mesh.feeds.token import Token, decode
from qiki_sdk import HistoryDivergedError, InvalidFieldError, ResumeTokenExpiredError, RunChangedError, Stream
from watch_cases import CASES, OTHER_RUN_ID, WAIT_S, Served, WatchCase, serve

pytestmark = pytest.mark.asyncio

EVENTS = 12
STORED = 9
LATER_S = 4_000_000_000


@dataclass(frozen=True)
class Both:
    """A live feed with EVENTS events or more, and an archive that holds the first STORED of them."""

    live: Served
    events: list[Any]
    archive: Archive
    reader: Reader

    async def store(self, first: int, last: int) -> None:
        await self.archive.store(self.reader.channel, self.events[first - 1 : last])

    async def opened(self, count: int) -> list[Any]:
        return await take(self.reader.watch(from_oldest=True), count)


@pytest.fixture(params=CASES, ids=lambda case: str(case.feed_name))
def case(request: pytest.FixtureRequest) -> WatchCase:
    chosen: WatchCase = request.param
    return chosen


@pytest_asyncio.fixture
async def both(case: WatchCase, tmp_path: Path) -> AsyncIterator[Both]:
    async with (
        serve(case, tmp_path / "state") as live,
        archive(tmp_path) as running,
        reader_of(running, case.feed_name) as reader,
    ):
        await live.produce(EVENTS)
        found = Both(live, await take(live.watch(from_oldest=True), EVENTS), running, reader)
        await found.store(1, STORED)
        yield found


# -- order and resumption ---------------------------------------------------------------------------------------------


async def test_a_stream_opens_with_a_heartbeat_that_reports_its_position(both: Both) -> None:
    first = await read(both.reader.watch())
    assert first.WhichOneof("event") == "heartbeat"
    assert first.resume_token == both.events[STORED - 1].resume_token
    assert first.heartbeat.last_sequence == STORED
    assert first.heartbeat.simulation_time == both.events[STORED - 1].context.time


async def test_every_event_is_the_live_one_to_the_byte(both: Both) -> None:
    found = await both.opened(STORED)
    assert all(same(archived, live) for archived, live in zip(found, both.events, strict=False))
    assert payload_of(found[0]).DESCRIPTOR.full_name == CHANNELS[both.reader.channel].type


async def test_without_a_token_a_stream_starts_with_the_next_event(both: Both) -> None:
    call = both.reader.watch()
    await read(call)
    await both.store(STORED + 1, EVENTS)
    assert sequences(await take(call, 2)) == [STORED + 1, STORED + 2]


async def test_a_live_token_resumes_exactly_after_its_event(both: Both) -> None:
    for cut in (1, 4, STORED - 1):
        rest = await take(both.reader.watch(resume_token=both.events[cut - 1].resume_token), STORED - cut)
        assert all(same(archived, live) for archived, live in zip(rest, both.events[cut:], strict=False))


async def test_an_archived_token_resumes_the_live_stream(both: Both) -> None:
    found = await both.opened(4)
    rest = await take(both.live.watch(resume_token=found[-1].resume_token), EVENTS - 4)
    assert rest == both.events[4:]


async def test_the_token_of_the_opening_heartbeat_loses_nothing(both: Both) -> None:
    for fields, following in (({}, STORED + 1), ({"from_oldest": True}, 1), ({"from_sequence": 4}, 4)):
        call = both.reader.watch(**fields)
        token = (await read(call)).resume_token
        call.cancel()
        if following > STORED:
            await both.store(STORED + 1, EVENTS)
        for stream in (both.reader, both.live):
            assert sequences(await take(stream.watch(resume_token=token), 2)) == [following, following + 1]


async def test_an_idle_stream_reports_its_position_periodically(both: Both) -> None:
    call = both.reader.watch(resume_token=both.events[STORED - 1].resume_token)
    for _ in range(3):
        beat = await read(call)
        assert beat.WhichOneof("event") == "heartbeat"
        assert beat.resume_token == both.events[STORED - 1].resume_token


# -- refused tokens ---------------------------------------------------------------------------------------------------


async def test_an_expired_token_is_refused_with_the_oldest_that_works(both: Both) -> None:
    await both.archive.trim(both.reader.channel, 5)
    error = await refusal(both.reader.watch(resume_token=both.events[1].resume_token))
    assert isinstance(error, ResumeTokenExpiredError)
    assert error.code is grpc.StatusCode.OUT_OF_RANGE
    assert error.metadata["oldest_sequence"] == "5"
    rest = await take(both.reader.watch(resume_token=error.metadata["oldest_resume_token"]), STORED - 4)
    assert sequences(rest) == list(range(5, STORED + 1))
    assert sequences(await both.opened(STORED - 4)) == list(range(5, STORED + 1)), (
        "it starts at the oldest stored event"
    )


async def test_a_token_whose_own_event_is_trimmed_still_resumes(both: Both) -> None:
    await both.archive.trim(both.reader.channel, 5)
    assert sequences(await take(both.reader.watch(resume_token=both.events[3].resume_token), 1)) == [5]


async def test_a_gap_within_the_run_is_refused_where_it_is_met(both: Both) -> None:
    await both.store(STORED + 2, EVENTS)
    call = both.reader.watch(from_oldest=True)
    assert sequences(await take(call, STORED)) == list(range(1, STORED + 1))
    error = await refusal(call)
    assert isinstance(error, ResumeTokenExpiredError)
    assert error.metadata["oldest_sequence"] == str(STORED + 2)
    over = both.reader.watch(resume_token=error.metadata["oldest_resume_token"])
    assert sequences(await take(over, 1)) == [STORED + 2]
    at_once = await refusal(both.reader.watch(resume_token=both.events[STORED - 1].resume_token))
    assert isinstance(at_once, ResumeTokenExpiredError)


async def test_a_token_of_a_run_that_is_not_archived_is_refused_as_run_changed(both: Both) -> None:
    foreign = of_run(both.events[2], OTHER_RUN_ID, LATER_S).resume_token
    error = await refusal(both.reader.watch(resume_token=foreign))
    assert isinstance(error, RunChangedError)
    assert error.code is grpc.StatusCode.FAILED_PRECONDITION
    assert error.metadata["run_id"] == both.events[0].context.run_id


async def test_a_token_of_another_feed_is_malformed(both: Both) -> None:
    token = decode(both.events[0].resume_token)
    other = Token(token.epoch, b"anything", 1, token.digest).encode()
    error = await refusal(both.reader.watch(resume_token=other))
    assert isinstance(error, InvalidFieldError)
    assert error.reason == "RESUME_TOKEN_MALFORMED"


async def test_a_token_with_another_digest_at_its_position_has_diverged(both: Both) -> None:
    token = decode(both.events[0].resume_token)
    for sequence in (0, 1, 2, STORED):
        other = Token(token.epoch, token.feed, sequence, b"\x01" * 8).encode()
        error = await refusal(both.reader.watch(resume_token=other))
        assert isinstance(error, HistoryDivergedError)
        assert error.metadata["sequence"] == str(sequence)


async def test_a_malformed_token_is_refused_naming_the_field(both: Both) -> None:
    for text in ("x", "A" * 49, "A" * 50, "!" * 50, "ÄÖ" * 25, "A" * 100_000):
        error = await refusal(both.reader.watch(resume_token=text))
        assert isinstance(error, InvalidFieldError)
        assert error.code is grpc.StatusCode.INVALID_ARGUMENT
        assert (error.reason, error.metadata["field"]) == ("RESUME_TOKEN_MALFORMED", "resume_token")


async def test_a_token_with_any_bit_flipped_is_malformed(both: Both) -> None:
    text = both.events[0].resume_token
    for index in range(0, len(text), 7):
        other = "B" if text[index] == "A" else "A"
        error = await refusal(both.reader.watch(resume_token=text[:index] + other + text[index + 1 :]))
        assert error.reason == "RESUME_TOKEN_MALFORMED"


async def test_a_token_ahead_of_the_archive_waits_for_its_position(both: Both) -> None:
    call = both.reader.watch(resume_token=both.events[EVENTS - 2].resume_token)
    for _ in range(2):
        beat = await read(call)
        assert beat.resume_token == both.events[EVENTS - 2].resume_token
        assert beat.heartbeat.last_sequence == STORED
    await both.store(STORED + 1, EVENTS)
    assert sequences(await take(call, 1)) == [EVENTS]


async def test_a_token_ahead_with_another_digest_diverges_when_its_position_is_reached(both: Both) -> None:
    token = decode(both.events[EVENTS - 2].resume_token)
    call = both.reader.watch(resume_token=Token(token.epoch, token.feed, token.sequence, b"\x01" * 8).encode())
    await read(call)
    await both.store(STORED + 1, EVENTS)
    assert isinstance(await refusal(call), HistoryDivergedError)


async def test_a_token_ahead_of_a_run_that_is_over_has_diverged(both: Both) -> None:
    await both.archive.store(both.reader.channel, [of_run(both.events[0], OTHER_RUN_ID, LATER_S)])
    error = await refusal(both.reader.watch(resume_token=both.events[STORED].resume_token))
    assert isinstance(error, HistoryDivergedError)


# -- readers ----------------------------------------------------------------------------------------------------------


async def test_a_slow_reader_does_not_slow_others(both: Both) -> None:
    slow = both.reader.watch(from_oldest=True)
    await read(slow)
    assert sequences(await both.opened(STORED)) == list(range(1, STORED + 1))
    assert sequences(await take(slow, STORED)) == list(range(1, STORED + 1))


async def test_a_cancelled_stream_leaves_nothing_behind(both: Both) -> None:
    calls = [both.reader.watch(from_oldest=True) for _ in range(10)]
    for call in calls:
        await take(call, 1)
    assert len(await both.archive.consumers(both.reader.channel)) == 10
    for call in calls:
        call.cancel()

    async def gone() -> bool:
        left = await both.archive.consumers(both.reader.channel)
        return both.archive.servicer.facts()["open_streams"] == 0 and not left

    await until(gone)


# -- the end ----------------------------------------------------------------------------------------------------------


async def test_draining_is_reported_to_every_stream_with_its_token_and_a_stop_is_quick(both: Both) -> None:
    calls = [both.reader.watch(from_oldest=True) for _ in range(5)]
    for call in calls:
        await take(call, STORED)
    async with asyncio.timeout(WAIT_S):
        await both.archive.server.drain()
    for call in calls:
        (last,) = await take(call, 1)
        assert last.WhichOneof("event") == "draining"
        assert last.resume_token == both.events[STORED - 1].resume_token
        assert await read(call) is grpc.aio.EOF


async def test_the_end_of_a_run_with_a_later_one_after_it_is_reported_and_repeated(both: Both) -> None:
    reading = both.reader.watch(from_oldest=True)
    await take(reading, STORED)
    later = [of_run(event, OTHER_RUN_ID, LATER_S) for event in both.events[:3]]
    await both.archive.store(both.reader.channel, later)
    (ended,) = await take_all(reading)
    assert ended.ended.last_sequence == STORED
    assert ended.ended.simulation_time == both.events[STORED - 1].context.time
    for token in (ended.resume_token, both.events[STORED - 1].resume_token):
        (again,) = await take_all(both.reader.watch(resume_token=token))
        assert again.ended == ended.ended
    run_id = both.events[0].context.run_id
    whole = await take_all(both.reader.watch(run_id=run_id, from_oldest=True))
    assert sequences(whole[:-1]) == list(range(1, STORED + 1)), "the run can still be read"
    newest = await take(both.reader.watch(from_oldest=True), 3)
    assert all(same(archived, live) for archived, live in zip(newest, later, strict=True))


async def test_the_clients_stream_gives_each_event_once_across_a_restart_of_nats(both: Both) -> None:
    stream: Stream[Any] = Stream(
        both.reader.stub.WatchArchive, both.reader.request(from_oldest=True, until_sequence=EVENTS)
    )
    found: list[int] = []
    async with asyncio.timeout(WAIT_S):
        async for event in stream:
            found.append(event.context.sequence)
            if len(found) == 4:
                await both.archive.nats.kill()
                await both.archive.nats.start()
                await until(lambda: both.archive.client.is_connected)
                await both.store(STORED + 1, EVENTS)
    assert found == list(range(1, EVENTS + 1))
    assert stream.ended is not None
    assert stream.ended.last_sequence == EVENTS
