import asyncio
from collections.abc import Callable

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mesh.clock import to_timestamp
from mesh.feeds import identity
from mesh.feeds.feed import MAX_OPEN_READERS, Feed, FeedSettings, FlowControl
from mesh.feeds.response import MAX_EVENT_BYTES
from mesh.feeds.ring import Retention
from mesh.feeds.store import Entry
from mesh.serving.errors import (
    HistoryDivergedError,
    LimitReachedError,
    ReaderUnknownError,
    RunChangedError,
    RunUnknownError,
    ServerDrainingError,
    TokenExpiredError,
    TokenMalformedError,
)
from qiki.common.v1.stream_pb2 import EventContext, Run
from qiki.sim.v1.sim_service_pb2 import WatchWorldResponse
from qiki.sim.v1.world_pb2 import Contact, WorldSnapshot

WAIT_S = 10.0
S = 1_000_000_000
RUN = Run(
    run_id="0b6e1c1e-0000-4000-8000-0000000000aa",
    created=Timestamp(seconds=1_767_225_600),
    start_time=Timestamp(seconds=1_767_225_600),
    bot_id="qiki-01",
    tick_ns=S // 10,
)
OTHER_RUN = Run(run_id="0b6e1c1e-0000-4000-8000-0000000000bb", start_time=RUN.start_time, bot_id="qiki-01")
START_NS = RUN.start_time.ToNanoseconds()
ROOMY = Retention(1_000 * S, 100_000_000)


def make_feed(
    *,
    flow_control: FlowControl = FlowControl.LOSSLESS,
    retention: Retention = ROOMY,
    readers: tuple[str, ...] = ("bridge", "radar"),
    run: Run | None = RUN,
) -> Feed:
    feed = Feed(FeedSettings("world", retention, readers, flow_control), WatchWorldResponse, "snapshot")
    if run is not None:
        feed.begin(run)
    return feed


def snapshot(sequence: int, size_bytes: int = 0) -> WorldSnapshot:
    return WorldSnapshot(tick=sequence, contacts=[Contact(name="x" * size_bytes)])


def append(feed: Feed, sequence: int, at_s: float | None = None, size_bytes: int = 0) -> Entry:
    time_ns = START_NS + int((sequence if at_s is None else at_s) * S)
    return feed.append(snapshot(sequence, size_bytes), sequence=sequence, time_ns=time_ns, tick=sequence)


def token_after(entry: Entry) -> str:
    return str(WatchWorldResponse.FromString(entry.response).resume_token)


def open_at(feed: Feed, token: str = "", *, from_oldest: bool = False) -> int:
    return feed.open(token, from_oldest=from_oldest, reader="", filtered=False).sequence


# -- stored responses --------------------------------------------------------------------------------------------------


@given(sequence=st.integers(1, 2**63), size_bytes=st.integers(0, 20_000), subject=st.text(max_size=20))
def test_the_kept_bytes_are_the_response_as_it_would_be_built_the_ordinary_way(
    sequence: int, size_bytes: int, subject: str
) -> None:
    feed, payload = make_feed(), snapshot(7, size_bytes)
    entry = feed.append(payload, sequence=sequence, time_ns=START_NS + 5, tick=9, subject=subject)
    found = WatchWorldResponse.FromString(entry.response)
    expected = WatchWorldResponse(
        resume_token=feed.place(sequence).encode(),
        context=EventContext(
            id=identity.event_id(RUN.run_id, "world", sequence),
            source=f"/qiki/qiki-01/{RUN.run_id}/world",
            type="qiki.sim.v1.WorldSnapshot",
            time=to_timestamp(START_NS + 5),
            sequence=sequence,
            subject=subject,
            run_id=RUN.run_id,
            run_created=RUN.created,
            recorded_time=found.context.recorded_time,
            traceparent=identity.traceparent(RUN.run_id, 9, "world", sequence),
        ),
        snapshot=payload,
    )
    assert found == expected
    assert found.SerializeToString(deterministic=True) == expected.SerializeToString(deterministic=True)


def test_the_field_that_carries_the_payload_must_be_a_message() -> None:
    with pytest.raises(TypeError, match=r"resume_token of qiki\.sim\.v1\.WatchWorldResponse is not a message"):
        Feed(FeedSettings("world", ROOMY), WatchWorldResponse, "resume_token")


def test_an_event_over_the_limit_is_refused_by_name_and_leaves_the_feed_as_it_was() -> None:
    feed = make_feed()
    append(feed, 1)
    with pytest.raises(ValueError, match=f"world: event 2 has 9[0-9]+ bytes, over {MAX_EVENT_BYTES}"):
        append(feed, 2, size_bytes=MAX_EVENT_BYTES)
    assert feed.store.last_sequence == 1
    append(feed, 2)


def in_columns(sequence: int, size_bytes: int = 0) -> WorldSnapshot:
    return WorldSnapshot(tick=sequence, contacts=[Contact(transponder_id="y" * size_bytes)])


def test_an_event_may_be_kept_in_columns_as_well_and_is_the_same_event() -> None:
    plain, both = make_feed(), make_feed()
    one = append(plain, 1)
    other = both.append(snapshot(1), sequence=1, time_ns=START_NS + S, tick=1, columns=in_columns(1, 100))
    assert (one.digest, token_after(one), one.columns) == (other.digest, token_after(other), b"")
    reported = WatchWorldResponse.FromString(other.columns)
    assert reported.snapshot == in_columns(1, 100)
    reported.snapshot.CopyFrom(snapshot(1))
    assert reported == WatchWorldResponse.FromString(other.response), "token and context are those of the event"
    assert both.store.size_bytes == len(other.response) + len(other.columns)


def test_columns_over_the_limit_are_refused_as_well() -> None:
    feed = make_feed()
    with pytest.raises(ValueError, match=f"world: event 1 has 9[0-9]+ bytes, over {MAX_EVENT_BYTES}"):
        feed.append(snapshot(1), sequence=1, time_ns=START_NS, tick=1, columns=in_columns(1, MAX_EVENT_BYTES))
    assert feed.store.last_sequence == 0


def test_a_lossless_producer_that_keeps_two_layouts_reserves_twice_the_largest_event() -> None:
    feed = make_feed(retention=Retention(1_000 * S, 2_000_000))
    for sequence in (1, 2, 3):
        assert feed.blocking_reader(START_NS + sequence * S) is None
        time_ns = START_NS + sequence * S
        feed.append(
            snapshot(sequence, 40_000), sequence=sequence, time_ns=time_ns, tick=1, columns=in_columns(1, 40_000)
        )
    assert feed.blocking_reader(START_NS + 4 * S) == "bridge", "240 kB are not confirmed, and 1.8 MB must remain"


def test_an_event_that_does_not_follow_is_refused() -> None:
    feed = make_feed()
    append(feed, 1)
    for sequence in (1, 3):
        with pytest.raises(ValueError, match="does not follow 1"):
            append(feed, sequence)


def test_without_a_run_the_feed_accepts_and_returns_no_event() -> None:
    feed = make_feed(run=None)
    for use in (
        lambda: append(feed, 1),
        lambda: open_at(feed),
        lambda: feed.confirm("bridge", "anything"),
    ):
        with pytest.raises(RunUnknownError):
            use()


def test_the_newest_event_that_a_filter_accepts_is_found() -> None:
    feed = make_feed()
    assert feed.newest() is None
    entries = [append(feed, sequence) for sequence in range(1, 6)]
    assert feed.newest() == entries[4]
    assert feed.newest(lambda entry: entry.sequence % 2 == 0) == entries[3]
    assert feed.newest(lambda _entry: False) is None


# -- another run -------------------------------------------------------------------------------------------------------


def test_another_run_starts_with_an_empty_feed() -> None:
    feed = make_feed()
    token = token_after(append(feed, 1))
    feed.confirm("bridge", token)
    feed.end()
    feed.begin(OTHER_RUN)
    assert (feed.store.last_sequence, feed.ended, feed.replaying) == (0, False, True)
    assert dict(feed.readers.confirmed) == {"bridge": 0, "radar": 0}
    assert feed.reached_time() == OTHER_RUN.start_time
    uses: list[Callable[[], object]] = [lambda: open_at(feed, token), lambda: feed.confirm("bridge", token)]
    for use in uses:
        with pytest.raises(RunChangedError) as caught:
            use()
        assert caught.value.metadata["run_id"] == OTHER_RUN.run_id


def test_the_time_reached_never_goes_back() -> None:
    feed = make_feed()
    feed.advance(START_NS + 5 * S)
    append(feed, 1, at_s=2)
    assert feed.reached_time() == to_timestamp(START_NS + 5 * S)


# -- start position of a reader ----------------------------------------------------------------------------------------


def test_a_reader_starts_at_the_end_at_the_oldest_or_after_its_token() -> None:
    feed = make_feed(retention=Retention(3 * S, 10**8))
    tokens = [token_after(append(feed, sequence)) for sequence in range(1, 9)]
    assert open_at(feed) == 8
    assert open_at(feed, from_oldest=True) == 4
    assert open_at(feed, tokens[5]) == 6
    assert open_at(feed, tokens[5], from_oldest=True) == 6, "a token wins"


def test_the_position_just_before_the_oldest_event_resumes_and_an_earlier_one_has_expired() -> None:
    feed = make_feed(retention=Retention(3 * S, 10**8))
    tokens = [token_after(append(feed, sequence)) for sequence in range(1, 9)]
    assert open_at(feed, tokens[3]) == 4
    with pytest.raises(TokenExpiredError) as caught:
        open_at(feed, tokens[2])
    assert caught.value.metadata["oldest_sequence"] == "5"
    assert open_at(feed, caught.value.metadata["oldest_resume_token"]) == 4


def test_a_draining_feed_takes_no_new_readers() -> None:
    feed = make_feed()
    feed.drain()
    with pytest.raises(ServerDrainingError):
        open_at(feed)


def test_a_reader_beyond_the_limit_is_refused() -> None:
    feed = make_feed()
    feed.open_readers = MAX_OPEN_READERS
    with pytest.raises(LimitReachedError) as caught:
        open_at(feed)
    assert caught.value.metadata["limit"]


def test_a_required_reader_is_known_by_name_and_must_not_filter() -> None:
    feed = make_feed()
    assert feed.open("", from_oldest=True, reader="bridge", filtered=False).sequence == 0
    with pytest.raises(ReaderUnknownError, match="'nobody' is not a required reader of world; known: bridge, radar"):
        feed.open("", from_oldest=True, reader="nobody", filtered=False)
    with pytest.raises(ReaderUnknownError) as caught:
        feed.open("", from_oldest=True, reader="bridge", filtered=True)
    assert caught.value.metadata["field"] == "filter"


def test_a_token_of_another_feed_is_refused() -> None:
    other = Feed(FeedSettings("sensors", ROOMY), WatchWorldResponse, "snapshot")
    other.begin(RUN)
    with pytest.raises(TokenMalformedError, match="another feed than world"):
        open_at(make_feed(), other.place(0).encode())


# -- confirmations -----------------------------------------------------------------------------------------------------


def test_a_confirmation_ahead_is_provisional_during_replay_and_refused_afterwards() -> None:
    before, feed = make_feed(), make_feed()
    tokens = [token_after(append(before, sequence)) for sequence in range(1, 6)]
    append(feed, 1)
    assert feed.confirm("bridge", tokens[3]) == 0
    feed.replayed()
    with pytest.raises(HistoryDivergedError):
        feed.confirm("bridge", tokens[3])
    assert feed.readers.slowest() == ("bridge", 0), "the dropped provisional confirmation counts no more"


def test_an_event_is_safe_once_all_readers_have_a_verified_confirmation_of_it() -> None:
    before, feed = make_feed(), make_feed()
    tokens = [token_after(append(before, sequence)) for sequence in range(1, 6)]
    append(feed, 1)
    for reader in ("bridge", "radar"):
        feed.confirm(reader, tokens[2])
    assert feed.readers.slowest() == ("bridge", 3)
    assert feed.safe_sequence == 0
    append(feed, 2)
    assert feed.safe_sequence == 0
    append(feed, 3)
    assert feed.safe_sequence == 3
    feed.confirm("bridge", token_after(append(feed, 4)))
    assert feed.safe_sequence == 3


def test_without_required_readers_every_event_is_safe_at_once() -> None:
    feed = make_feed(readers=())
    append(feed, 1)
    assert feed.safe_sequence == 1


@pytest.mark.asyncio
async def test_only_verified_confirmations_wake_a_waiter_for_confirmations() -> None:
    before, feed = make_feed(), make_feed()
    tokens = [token_after(append(before, sequence)) for sequence in range(1, 4)]

    async def woken_by(step: Callable[[], object]) -> bool:
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(feed.confirmations.wait(0.05))
            await asyncio.sleep(0)
            step()
        return waiting.result()

    assert not await woken_by(lambda: feed.confirm("bridge", tokens[1]))
    assert not await woken_by(lambda: append(feed, 1))
    assert await woken_by(lambda: append(feed, 2))
    assert await woken_by(lambda: feed.confirm("radar", tokens[0]))
    assert not await woken_by(lambda: feed.confirm("radar", tokens[0]))


def test_the_end_of_the_run_also_ends_the_replay() -> None:
    feed = make_feed()
    feed.confirm("bridge", token_after(append(make_feed(), 1)))
    feed.end()
    assert (feed.ended, feed.replaying) == (True, False)
    assert feed.readers.slowest() == ("bridge", 0)


def test_a_confirmation_with_another_digest_is_refused_and_an_expired_one_accepted() -> None:
    feed, other = make_feed(retention=Retention(2 * S, 10**8)), make_feed()
    false = token_after(append(other, 1, size_bytes=5))
    true = token_after(append(feed, 1))
    with pytest.raises(HistoryDivergedError):
        feed.confirm("bridge", false)
    for sequence in range(2, 9):
        append(feed, sequence)
    assert feed.confirm("bridge", true) == 1


@pytest.mark.asyncio
async def test_a_confirmation_wakes_the_producer_that_waits_for_it() -> None:
    feed = make_feed()
    token = token_after(append(feed, 1))
    async with asyncio.TaskGroup() as group:
        woken = group.create_task(feed.change.wait(WAIT_S))
        await asyncio.sleep(0)
        feed.confirm("bridge", token)
    assert woken.result()


@pytest.mark.asyncio
async def test_a_provisional_confirmation_wakes_the_waiting_producer_too() -> None:
    before, feed = make_feed(), make_feed()
    token = token_after(append(before, 1))
    async with asyncio.TaskGroup() as group:
        woken = group.create_task(feed.change.wait(WAIT_S))
        await asyncio.sleep(0)
        feed.confirm("bridge", token)
    assert woken.result()


# -- readers that block a lossless producer ----------------------------------------------------------------------------


def test_a_live_feed_and_one_without_required_readers_are_never_blocked() -> None:
    for feed in (make_feed(flow_control=FlowControl.LIVE), make_feed(readers=())):
        append(feed, 1)
        assert feed.blocking_reader(START_NS + 10**9 * S) is None


def test_a_producer_is_blocked_past_half_the_retention_in_time() -> None:
    feed = make_feed(retention=Retention(10 * S, 10**8))
    append(feed, 1)
    assert feed.blocking_reader(START_NS + 5 * S) is None
    assert feed.blocking_reader(START_NS + 5 * S + 1) == "bridge"


def test_a_producer_is_blocked_past_half_the_retention_in_bytes() -> None:
    feed = make_feed(retention=Retention(1_000 * S, 4_000_000))
    append(feed, 1, size_bytes=800_000)
    append(feed, 2, size_bytes=800_000)
    assert feed.blocking_reader(START_NS + 3 * S) is None
    append(feed, 3, size_bytes=800_000)
    assert feed.blocking_reader(START_NS + 4 * S) == "bridge"


def test_the_slowest_required_reader_blocks_and_is_named() -> None:
    feed = make_feed(retention=Retention(10 * S, 10**8))
    tokens = [token_after(append(feed, sequence)) for sequence in range(1, 5)]
    feed.confirm("bridge", tokens[3])
    assert feed.blocking_reader(START_NS + 9 * S) == "radar"
    feed.confirm("radar", tokens[2])
    assert feed.blocking_reader(START_NS + 9 * S) == "radar"
    feed.confirm("radar", tokens[3])
    assert feed.blocking_reader(START_NS + 10**6 * S) is None, "nothing is unconfirmed: there is nobody to wait for"


def test_after_a_restart_the_unconfirmed_time_counts_from_the_feeds_new_first_event() -> None:
    feed = make_feed(retention=Retention(10 * S, 10**8))
    append(feed, 501, at_s=501)
    assert feed.blocking_reader(START_NS + 506 * S) is None
    assert feed.blocking_reader(START_NS + 507 * S) == "bridge"


def test_a_provisional_confirmation_lets_the_producer_continue_until_its_position_is_reached() -> None:
    before = make_feed(readers=("bridge",))
    tokens = [token_after(append(before, sequence)) for sequence in range(1, 41)]
    feed = make_feed(readers=("bridge",), retention=Retention(10 * S, 10**8))
    feed.confirm("bridge", tokens[29])
    for sequence in range(1, 41):
        if feed.blocking_reader(START_NS + sequence * S):
            break
        append(feed, sequence)
    assert feed.store.last_sequence == 35, "half the retention beyond what is confirmed"


STEPS = st.lists(
    st.tuples(
        st.integers(0, 7),  # seconds to the next event
        st.sampled_from((1_000, 300_000, 450_000, MAX_EVENT_BYTES - 2_000)),
        st.lists(st.tuples(st.sampled_from(("bridge", "radar")), st.integers(0, 4)), max_size=3),
    ),
    max_size=25,
)


@settings(max_examples=50, deadline=None)
@example([(1, 300_000, []), (1, MAX_EVENT_BYTES - 2_000, [])], 1_000_000, 0)
@given(STEPS, st.sampled_from((1_000_000, 1_900_000, 4_000_000)), st.integers(0, 500))
def test_a_lossless_producer_that_waits_for_blocking_readers_never_evicts_unconfirmed_events(
    steps: list[tuple[int, int, list[tuple[str, int]]]], retention_bytes: int, first_after: int
) -> None:
    feed = make_feed(retention=Retention(10 * S, retention_bytes))
    sequence, at_s = first_after, float(first_after)
    for step_s, size_bytes, confirmations in steps:
        at_s += step_s
        for reader, back in confirmations:
            place = max(sequence - back, feed.store.oldest_sequence - 1, 0)
            if feed.store.last_sequence:
                feed.confirm(reader, feed.place(place).encode())
        if feed.blocking_reader(START_NS + int(at_s * S)) is None:
            sequence += 1
            append(feed, sequence, at_s, size_bytes)
        begin = feed.store.first_sequence - 1
        unconfirmed = max(min(feed.readers.confirmed.values()), begin) + 1
        assert feed.store.oldest_sequence <= unconfirmed, "all that is not confirmed is still there"
    for reader in ("bridge", "radar"):
        if sequence > first_after:
            feed.confirm(reader, feed.place(sequence).encode())
    assert feed.blocking_reader(START_NS + 10**6 * S) is None, "once all is confirmed it goes on"


# -- a feed resumed at a sequence --------------------------------------------------------------------------------------


def test_a_resumed_feed_knows_its_position_before_the_first_append() -> None:
    before = make_feed()
    entries = [append(before, sequence) for sequence in (1, 2, 3)]
    feed = make_feed()
    feed.resume(3, entries[2].digest, START_NS + 3 * S)
    feed.replayed()
    assert open_at(feed, token_after(entries[2])) == open_at(feed) == open_at(feed, from_oldest=True) == 3
    with pytest.raises(TokenExpiredError):
        open_at(feed, token_after(entries[0]))
    assert feed.confirm("bridge", token_after(entries[2])) == 3
    assert append(feed, 4).sequence == 4
    with pytest.raises(ValueError, match="does not follow"):
        append(feed, 7)


def test_a_resumed_feed_has_reached_the_time_of_its_position() -> None:
    feed = make_feed()
    feed.resume(3, b"\x01" * 8, START_NS + 3 * S)
    assert feed.reached_time().ToNanoseconds() == START_NS + 3 * S


def test_a_resumed_feed_refuses_tokens_of_another_history() -> None:
    feed = make_feed()
    feed.resume(3, b"\x01" * 8, START_NS + 3 * S)
    token = feed.token_at(3, b"\x02" * 8).encode()
    with pytest.raises(HistoryDivergedError):
        open_at(feed, token)


def test_a_feed_resumed_before_its_first_event_may_start_at_any_sequence() -> None:
    feed = make_feed()
    feed.resume(0, bytes(8), START_NS)
    assert append(feed, 5).sequence == 5
