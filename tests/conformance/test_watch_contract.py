"""The Watch contract, clause by clause, over every Watch RPC of the mesh."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from mesh.feeds.token import Token, decode
from qiki_sdk import (
    HistoryDivergedError,
    InvalidFieldError,
    QikiError,
    ResumeTokenExpiredError,
    RetentionTooShortError,
    RunChangedError,
    Stream,
)
from qiki_sdk.channel import connect
from qiki_sdk.errors import from_rpc_error
from watch_cases import (
    CASES,
    COLUMNS_CASE,
    DERIVED_CASES,
    OTHER_RUN_ID,
    TRUTH_CASE,
    WAIT_S,
    Served,
    WatchCase,
    serve,
)

pytestmark = pytest.mark.asyncio


@pytest.fixture(params=(*CASES, TRUTH_CASE, COLUMNS_CASE), ids=str)
def case(request: pytest.FixtureRequest) -> WatchCase:
    chosen: WatchCase = request.param
    return chosen


@pytest.fixture(params=(*DERIVED_CASES, TRUTH_CASE, COLUMNS_CASE), ids=str)
def derived_case(request: pytest.FixtureRequest) -> WatchCase:
    """The feeds that are folds of a run: they replay, are retained in a ring, wait for readers, and end."""
    chosen: WatchCase = request.param
    return chosen


@pytest.fixture(params=(*DERIVED_CASES, COLUMNS_CASE), ids=str)
def confirmed_case(request: pytest.FixtureRequest) -> WatchCase:
    """The derived feeds that have required readers."""
    chosen: WatchCase = request.param
    return chosen


@pytest_asyncio.fixture(params=(*CASES, COLUMNS_CASE), ids=str)
async def confirmed(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Served]:
    """The feeds that have required readers, and a filter."""
    async with serve(request.param, tmp_path) as running:
        yield running


@pytest_asyncio.fixture
async def derived(derived_case: WatchCase, tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(derived_case, tmp_path) as running:
        yield running


@pytest_asyncio.fixture
async def served(case: WatchCase, tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(case, tmp_path) as running:
        yield running


async def read(call: Any) -> Any:
    async with asyncio.timeout(WAIT_S):
        return await call.read()


async def take(call: Any, count: int) -> list[Any]:
    """Read that many payload responses, passing over heartbeats."""
    found: list[Any] = []
    while len(found) < count:
        response = await read(call)
        assert response is not grpc.aio.EOF, "the stream ended early"
        if response.WhichOneof("event") not in ("heartbeat",):
            found.append(response)
    return found


def sequences(responses: list[Any]) -> list[int]:
    return [response.context.sequence for response in responses]


async def newest_after(served: Served, before: Any) -> Any:
    """Return the newest event, reading on from an earlier one where there is one."""
    first = {"resume_token": before.resume_token} if before is not None else {"from_oldest": True}
    call = served.watch(**first)
    last = served.feed.store.last_sequence
    found = (await take(call, last - (before.context.sequence if before is not None else 0)))[-1]
    call.cancel()
    return found


async def refusal(call: Any) -> QikiError:
    """Read until the stream is refused; return the refusal, typed."""
    try:
        async with asyncio.timeout(WAIT_S):
            while await call.read() is not grpc.aio.EOF:
                pass
    except grpc.aio.AioRpcError as error:
        return from_rpc_error(error)
    raise AssertionError("the stream was not refused")


# -- order and resumption ---------------------------------------------------------------------------------------------


async def test_a_stream_opens_with_a_heartbeat_that_reports_its_position(served: Served) -> None:
    last = await served.produce(3)
    first = await read(served.watch())
    assert first.WhichOneof("event") == "heartbeat"
    assert decode(first.resume_token).sequence == last
    assert first.heartbeat.last_sequence == last


async def test_from_oldest_gives_every_retained_event_in_order(served: Served) -> None:
    await served.produce(12)
    assert sequences(await take(served.watch(from_oldest=True), 12)) == list(range(1, 13))


async def test_without_a_token_a_stream_starts_with_the_next_event(served: Served) -> None:
    last = await served.produce(4)
    call = served.watch()
    await read(call)
    await served.produce(2)
    assert sequences(await take(call, 2)) == [last + 1, last + 2]


async def test_a_stream_resumes_exactly_after_a_token(served: Served) -> None:
    await served.produce(10)
    whole = await take(served.watch(from_oldest=True), 10)
    for cut in (1, 5, 9):
        rest = await take(served.watch(resume_token=whole[cut - 1].resume_token), 10 - cut)
        assert rest == whole[cut:], "equal to the byte: tokens, contexts and payloads"


async def test_the_token_of_the_opening_heartbeat_loses_nothing(served: Served) -> None:
    call = served.watch()
    token = (await read(call)).resume_token
    call.cancel()
    await served.produce(3)
    begun = served.begun
    assert sequences(await take(served.watch(resume_token=token), 3)) == [begun + 1, begun + 2, begun + 3]


async def test_a_heartbeat_moves_the_token_past_filtered_events(confirmed: Served) -> None:
    await confirmed.produce(2)
    call = confirmed.watch(from_oldest=True, filter=confirmed.case.thin(confirmed))
    last = await confirmed.produce(20)
    while True:
        response = await read(call)
        if response.WhichOneof("event") == "heartbeat" and decode(response.resume_token).sequence == last:
            break
    await confirmed.produce(1)
    resumed = confirmed.watch(resume_token=response.resume_token)
    assert sequences(await take(resumed, 1)) == [last + 1]


async def test_a_filter_only_omits_events(confirmed: Served) -> None:
    await confirmed.produce(24)
    whole = await take(confirmed.watch(from_oldest=True), 24)
    by_sequence = {response.context.sequence: response for response in whole}
    call = confirmed.watch(from_oldest=True, filter=confirmed.case.thin(confirmed))
    thinned = await take(call, 2)
    assert len(thinned) < len(whole)
    assert all(response == by_sequence[response.context.sequence] for response in thinned)


async def test_events_carry_the_whole_context(served: Served) -> None:
    await served.produce(2)
    first, second = await take(served.watch(from_oldest=True), 2)
    run = served.feed.run
    assert run is not None
    for response in (first, second):
        context = response.context
        bot = "inspector-01" if served.case.craft else "qiki-01"
        assert context.source == f"/qiki/{bot}/{run.run_id}/{served.case.feed_name}"
        payload = getattr(response, response.WhichOneof("event"))
        assert context.type == payload.DESCRIPTOR.full_name
        assert context.run_created == run.created
        assert context.time.ToNanoseconds() > run.start_time.ToNanoseconds()
        assert context.recorded_time.seconds > 0
        assert len(context.traceparent) == 55
    assert first.context.id != second.context.id


# -- refused tokens ---------------------------------------------------------------------------------------------------


async def test_an_expired_token_is_refused_with_the_oldest_that_works(derived_case: WatchCase, tmp_path: Path) -> None:
    async with serve(derived_case, tmp_path, retention_s=2.5) as served:
        await served.produce(1)
        token = (await take(served.watch(from_oldest=True), 1))[0].resume_token
        last = await served.produce(40)
        error = await refusal(served.watch(resume_token=token))
        assert isinstance(error, ResumeTokenExpiredError)
        assert error.code is grpc.StatusCode.OUT_OF_RANGE
        oldest = int(error.metadata["oldest_sequence"])
        rest = await take(served.watch(resume_token=error.metadata["oldest_resume_token"]), last - oldest + 1)
        assert sequences(rest) == list(range(oldest, last + 1))


async def test_a_token_of_another_run_is_refused_as_run_changed(served: Served) -> None:
    await served.produce(1)
    token = decode((await take(served.watch(from_oldest=True), 1))[0].resume_token)
    foreign = Token(bytes(8), token.feed, token.sequence, token.digest).encode()
    error = await refusal(served.watch(resume_token=foreign))
    assert isinstance(error, RunChangedError)
    assert error.code is grpc.StatusCode.FAILED_PRECONDITION
    assert error.metadata["run_id"] == served.feed.run.run_id  # type: ignore[union-attr]


async def test_a_token_of_another_feed_is_malformed(served: Served) -> None:
    await served.produce(1)
    token = decode((await take(served.watch(from_oldest=True), 1))[0].resume_token)
    error = await refusal(served.watch(resume_token=Token(token.epoch, b"anything", 1, token.digest).encode()))
    assert isinstance(error, InvalidFieldError)
    assert error.reason == "RESUME_TOKEN_MALFORMED"


async def test_a_token_with_another_digest_at_its_position_has_diverged(served: Served) -> None:
    await served.produce(3)
    token = decode((await take(served.watch(from_oldest=True), 2))[1].resume_token)
    error = await refusal(served.watch(resume_token=Token(token.epoch, token.feed, 2, b"\x00" * 8).encode()))
    assert isinstance(error, HistoryDivergedError)
    assert error.metadata["sequence"] == "2"


@pytest.mark.parametrize("text", ["x", "A" * 49, "A" * 50, "A" * 51, "!" * 50, "ÄÖ" * 25, "A" * 100_000])
async def test_a_malformed_token_is_refused_naming_the_field(served: Served, text: str) -> None:
    error = await refusal(served.watch(resume_token=text))
    assert isinstance(error, InvalidFieldError)
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert (error.reason, error.metadata["field"]) == ("RESUME_TOKEN_MALFORMED", "resume_token")


async def test_a_token_with_any_bit_flipped_is_malformed(served: Served) -> None:
    text = (await read(served.watch())).resume_token
    for index in range(0, len(text), 7):
        other = "B" if text[index] == "A" else "A"
        error = await refusal(served.watch(resume_token=text[:index] + other + text[index + 1 :]))
        assert error.reason == "RESUME_TOKEN_MALFORMED"


async def test_a_token_ahead_of_a_finished_history_has_diverged(served: Served) -> None:
    await served.produce(2)
    await served.replayed()
    token = decode((await take(served.watch(from_oldest=True), 1))[0].resume_token)
    error = await refusal(served.watch(resume_token=Token(token.epoch, token.feed, 9, token.digest).encode()))
    assert isinstance(error, HistoryDivergedError)


async def test_a_token_ahead_of_a_replaying_server_waits_for_its_position(
    derived_case: WatchCase, tmp_path: Path
) -> None:
    async with serve(derived_case, tmp_path / "first") as before:
        await before.produce(6)
        whole = await take(before.watch(from_oldest=True), 6)
    async with serve(derived_case, tmp_path / "again") as served:
        await served.produce(1)
        call = served.watch(resume_token=whole[3].resume_token)
        assert (await read(call)).WhichOneof("event") == "heartbeat"
        await served.produce(5)
        assert sequences(await take(call, 2)) == [5, 6]


async def test_a_token_ahead_with_another_digest_diverges_when_its_position_is_reached(derived: Served) -> None:
    await derived.produce(1)
    token = decode((await take(derived.watch(from_oldest=True), 1))[0].resume_token)
    call = derived.watch(resume_token=Token(token.epoch, token.feed, 3, b"\x01" * 8).encode())
    await read(call)
    await derived.produce(3)
    assert isinstance(await refusal(call), HistoryDivergedError)


# -- readers ----------------------------------------------------------------------------------------------------------


async def test_a_slow_reader_does_not_slow_others(served: Served) -> None:
    slow = served.watch(from_oldest=True)
    await read(slow)
    fast = served.watch(from_oldest=True)
    last = await served.produce(60)
    assert sequences(await take(fast, last)) == list(range(1, last + 1))
    assert sequences(await take(slow, last)) == list(range(1, last + 1)), "its unread events are retained"


async def test_a_reader_behind_the_retention_is_refused_as_expired(derived_case: WatchCase, tmp_path: Path) -> None:
    async with serve(derived_case, tmp_path, retention_s=2.5, retention_bytes=2_000_000) as served:
        await served.produce(1)
        place = served.feed.place(0)
        await served.produce(40)
        error = await refusal(served.watch(resume_token=place.encode()))
        assert isinstance(error, ResumeTokenExpiredError)


async def test_a_required_reader_that_does_not_confirm_blocks_a_lossless_producer_and_is_named(
    confirmed_case: WatchCase, tmp_path: Path
) -> None:
    # The interval at which the chain confirms is 2.2 s: a scan, a snapshot, and the tracker's checkpoint and scan.
    async with serve(
        confirmed_case, tmp_path, tmp_path / "tracker", flow_control="lossless", retention_s=5.0
    ) as served:
        feed, newest = served.feed, None
        for laggard in feed.readers.confirmed:
            while feed.blocking_reader(feed.reached_ns + 1_000_000_000) is None:
                await served.produce(1)
            newest = await newest_after(served, newest)
            for name in feed.readers.confirmed:
                if name != laggard:
                    assert await served.confirm(name, newest.resume_token) == feed.store.last_sequence
            assert feed.blocking_reader(feed.reached_ns + 1_000_000_000) == laggard
            assert await served.confirm(laggard, newest.resume_token) == feed.store.last_sequence
            assert feed.blocking_reader(feed.reached_ns + 1_000_000_000) is None


async def test_a_lossless_producer_refuses_a_required_reader_that_confirms_too_seldom_for_it(
    confirmed_case: WatchCase, tmp_path: Path
) -> None:
    async with serve(
        confirmed_case, tmp_path, tmp_path / "tracker", flow_control="lossless", retention_s=20.0
    ) as served:
        reader = next(iter(served.feed.readers.confirmed))
        for interval_s in (10.0, 30.0, 1e9):
            error = await refusal(served.watch(reader=reader, confirm_interval_s=interval_s))
            assert isinstance(error, RetentionTooShortError)
            assert error.code is grpc.StatusCode.INVALID_ARGUMENT
            assert error.metadata == {
                "field": "confirm_interval_s",
                "retention_s": "20",
                "confirm_interval_s": f"{interval_s:g}",
            }
            wanted = f"retention 20 s: half of it must exceed the reader's confirm interval {interval_s:g} s"
            assert wanted in error.message
        assert served.feed.readers.confirm_interval_s < 10.0, "a refused interval has no effect"
        for interval_s in (9.99, 0.0):
            call = served.watch(reader=reader, confirm_interval_s=interval_s)
            assert (await read(call)).WhichOneof("event") == "heartbeat"
        ordinary = served.watch(confirm_interval_s=30.0)
        assert (await read(ordinary)).WhichOneof("event") == "heartbeat", (
            "the producer does not wait for a reader that is not required"
        )


async def test_a_live_producer_accepts_any_confirm_interval(confirmed: Served) -> None:
    reader = next(iter(confirmed.feed.readers.confirmed))
    call = confirmed.watch(reader=reader, confirm_interval_s=1e9)
    assert (await read(call)).WhichOneof("event") == "heartbeat"


@pytest.mark.parametrize("interval_s", [-1.0, float("nan"), float("inf"), float("-inf")])
async def test_a_confirm_interval_must_be_finite_and_not_negative(served: Served, interval_s: float) -> None:
    error = await refusal(served.watch(confirm_interval_s=interval_s))
    assert isinstance(error, InvalidFieldError)
    assert error.metadata["field"] == "confirm_interval_s"


async def test_a_live_producer_is_never_blocked(served: Served) -> None:
    await served.produce(5)
    assert served.feed.blocking_reader(served.feed.reached_ns + 10**18) is None


async def test_a_confirmation_never_moves_back(confirmed: Served) -> None:
    await confirmed.produce(5)
    events = await take(confirmed.watch(from_oldest=True), 5)
    reader = next(iter(confirmed.feed.readers.confirmed))
    assert await confirmed.confirm(reader, events[3].resume_token) == 4
    assert await confirmed.confirm(reader, events[1].resume_token) == 4
    assert await confirmed.confirm(reader, events[3].resume_token) == 4


async def test_a_confirmation_ahead_of_a_replaying_producer_is_verified_at_its_position(
    confirmed_case: WatchCase, tmp_path: Path
) -> None:
    async with serve(confirmed_case, tmp_path / "first") as before:
        await before.produce(4)
        tokens = [response.resume_token for response in await take(before.watch(from_oldest=True), 4)]
    async with serve(confirmed_case, tmp_path / "again") as served:
        reader = next(iter(served.feed.readers.confirmed))
        assert await served.confirm(reader, tokens[3]) == 0
        await served.produce(4)
        assert served.feed.readers.confirmed[reader] == 4


@pytest.mark.parametrize(("reader", "reason"), [("nobody", "READER_UNKNOWN"), ("", "READER_UNKNOWN")])
async def test_a_confirmation_by_an_unknown_reader_is_refused(confirmed: Served, reader: str, reason: str) -> None:
    await confirmed.produce(1)
    token = (await take(confirmed.watch(from_oldest=True), 1))[0].resume_token
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await confirmed.confirm(reader, token)
    error = from_rpc_error(caught.value)
    assert (error.reason, error.metadata["field"]) == (reason, "reader")


@pytest.mark.parametrize("text", ["", "nonsense"])
async def test_a_confirmation_without_a_readable_token_is_refused(confirmed: Served, text: str) -> None:
    reader = next(iter(confirmed.feed.readers.confirmed))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await confirmed.confirm(reader, text)
    assert from_rpc_error(caught.value).reason == "RESUME_TOKEN_MALFORMED"


async def test_a_required_reader_must_be_known_and_must_not_filter(confirmed: Served) -> None:
    await confirmed.produce(3)
    error = await refusal(confirmed.watch(reader="nobody"))
    assert (error.reason, error.metadata["field"]) == ("READER_UNKNOWN", "reader")
    reader = next(iter(confirmed.feed.readers.confirmed))
    error = await refusal(confirmed.watch(reader=reader, filter=confirmed.case.thin(confirmed)))
    assert (error.code, error.metadata["field"]) == (grpc.StatusCode.INVALID_ARGUMENT, "filter")


async def test_a_feed_without_required_readers_knows_none(tmp_path: Path) -> None:
    async with serve(TRUTH_CASE, tmp_path) as served:
        await served.produce(1)
        error = await refusal(served.watch(reader="bridge"))
        assert (error.reason, error.metadata["field"]) == ("READER_UNKNOWN", "reader")


async def test_a_cancelled_stream_leaves_nothing_behind(served: Served) -> None:
    calls = [served.watch(from_oldest=True) for _ in range(10)]
    for call in calls:
        await read(call)
    assert served.feed.open_readers == 10
    for call in calls:
        call.cancel()
    await served.until(lambda: served.feed.open_readers == 0)


# -- the end ----------------------------------------------------------------------------------------------------------


async def test_draining_is_reported_to_every_stream_with_its_token_and_a_stop_is_quick(served: Served) -> None:
    newest = await served.produce(3)
    calls = [served.watch(from_oldest=True) for _ in range(20)]
    for call in calls:
        assert sequences(await take(call, newest)) == list(range(1, newest + 1))
    health = health_pb2_grpc.HealthStub(served.channel).Watch(health_pb2.HealthCheckRequest())
    while (await read(health)).status != health_pb2.HealthCheckResponse.SERVING:
        await served.server.publish()
    async with asyncio.timeout(WAIT_S):  # a stop that waited for the health watch would never end
        await served.server.drain()
    for call in calls:
        (last,) = await take(call, 1)
        assert last.WhichOneof("event") == "draining"
        assert decode(last.resume_token).sequence == newest
        assert await read(call) is grpc.aio.EOF
    assert (await read(health)).status == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_the_end_of_the_run_is_reported_and_repeated(derived: Served) -> None:
    last = await derived.produce(4)
    call = derived.watch(from_oldest=True)
    events = await take(call, 4)
    derived.feed.end()
    (ended,) = await take(call, 1)
    assert ended.WhichOneof("event") == "ended"
    assert ended.ended.last_sequence == last
    assert await read(call) is grpc.aio.EOF
    for token in (ended.resume_token, events[-1].resume_token):
        (again,) = await take(derived.watch(resume_token=token), 1)
        assert again.ended == ended.ended
    assert sequences(await take(derived.watch(from_oldest=True), 4)) == [1, 2, 3, 4], "the run can still be read"


async def test_readers_of_a_run_are_informed_when_another_starts(derived: Served) -> None:
    await derived.produce(2)
    call = derived.watch(from_oldest=True)
    await take(call, 2)
    run = type(derived.feed.run)()
    run.CopyFrom(derived.feed.run)  # type: ignore[arg-type]
    run.run_id = OTHER_RUN_ID
    derived.feed.begin(run)
    assert isinstance(await refusal(call), RunChangedError)


async def test_the_clients_stream_gives_each_event_once_across_a_restart(
    derived_case: WatchCase, tmp_path: Path
) -> None:
    found: list[int] = []
    async with serve(derived_case, tmp_path / "first") as served:
        await served.produce(5)
        stream: Stream[Any] = Stream(getattr(served.stub, derived_case.watch), served.request(from_oldest=True))
        async for event in stream:
            found.append(event.context.sequence)
            if len(found) == 3:
                break
        token = stream.resume_token
    async with serve(derived_case, tmp_path / "again") as served:
        await served.produce(1)
        async with connect(f"127.0.0.1:{served.server.port}") as channel:
            resumed: Stream[Any] = Stream(
                getattr(derived_case.stub_type(channel), derived_case.watch), served.request(resume_token=token)
            )
            await served.produce(6)
            served.feed.end()
            found += [event.context.sequence async for event in resumed]
    assert found == list(range(1, 8))
    assert resumed.ended is not None
    assert resumed.ended.last_sequence == 7
