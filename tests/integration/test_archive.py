"""The archive: the real chain's events in JetStream, replayed by sequence, time or token, at any playback speed."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.timestamp_pb2 import Timestamp

from adapters.archive.playback_speed import MAX_LATE_S, PlaybackSpeed
from adapters.jetstream.client.history import SubjectHistory
from adapters.jetstream.client.reader import BATCH_BYTES, BATCH_MESSAGES
from archive_cases import (
    CHANNELS,
    Archive,
    Reader,
    archive,
    of_run,
    read,
    reader_of,
    refusal,
    same,
    sequences,
    served_on,
    take,
    take_all,
    to_message,
    until,
)
from chain import RUN_ID, SUBJECTS, chain, facts, published_all
from chain import until as until_reported
from mesh.feeds.token import Token, decode
from nats_server import NatsServer
from qiki.archive.v1.archive_service_pb2 import ListArchiveRequest, WatchArchiveRequest
from qiki.archive.v1.archive_service_pb2_grpc import ArchiveServiceStub
from qiki.radar.v1.radar_service_pb2 import WatchFramesRequest
from qiki.radar.v1.radar_service_pb2_grpc import RadarServiceStub
from qiki_sdk import InvalidFieldError, ResumeTokenExpiredError, RunChangedError, Stream, connect
from watch_cases import DERIVED_CASES, OTHER_RUN_ID, WAIT_S, serve
from watch_cases import RUN_ID as CASE_RUN_ID

EVENTS = 60
LATER_S = 4_000_000_000
NS_PER_S = 1_000_000_000
SENSORS = next(case for case in DERIVED_CASES if case.feed_name == "sensors")


# -- the real chain ----------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_the_archive_gives_the_events_of_the_live_streams_whatever_process_is_killed(tmp_path: Path) -> None:
    async with chain(tmp_path, 10.0) as mesh:
        await until_reported(lambda: published_all(mesh), "everything published")
        async with (
            connect(f"127.0.0.1:{mesh.ports['archive']}") as transport,
            connect(f"127.0.0.1:{mesh.ports['radar']}") as radar,
        ):
            stub: Any = ArchiveServiceStub(transport)
            request = WatchArchiveRequest(channel="frames", from_oldest=True, until_newest=True)
            archived: list[Any] = []
            async with asyncio.timeout(60):
                async for event in Stream[Any](stub.WatchArchive, request):
                    archived.append(event)
                    if len(archived) in (7, 15):
                        name = "archive" if len(archived) == 7 else "nats"
                        os.kill(int(mesh.endpoints()[name]["pid"]), signal.SIGKILL)
            live_stub: Any = RadarServiceStub(radar)
            live = [event async for event in Stream[Any](live_stub.WatchFrames, WatchFramesRequest(from_oldest=True))]
            assert archived == live, "payloads, contexts and tokens"
            await until_reported(lambda: facts(mesh, "archive").get("nats") == "connected", "NATS is back")
            listed = await stub.ListArchive(ListArchiveRequest(), timeout=20)
        assert [each.subject for each in listed.channels][:5] == list(SUBJECTS)
        frames = next(each for each in listed.channels if each.channel == "frames")
        (run,) = frames.runs
        assert (run.run_id, run.first_sequence, run.last_sequence) == (RUN_ID, 1, len(live))
        assert (run.first_time, run.last_time) == (live[0].context.time, live[-1].context.time)
        assert run.created == live[0].context.run_created


# -- one channel, filled with the events of its live feed --------------------------------------------------------------


@dataclass(frozen=True)
class Filled:
    """An archive of EVENTS readings of one run."""

    events: list[Any]
    archive: Archive
    reader: Reader

    def time(self, sequence: int) -> Timestamp:
        found: Timestamp = self.events[sequence - 1].context.time
        return found

    async def whole(self, **fields: Any) -> list[Any]:
        """Read to the end that the request sets; return the events."""
        found = await take_all(self.reader.watch(**{"from_oldest": True, **fields}))
        assert found[-1].WhichOneof("event") == "ended"
        return found[:-1]


@pytest_asyncio.fixture
async def filled(tmp_path: Path) -> AsyncIterator[Filled]:
    async with (
        serve(SENSORS, tmp_path / "state") as live,
        archive(tmp_path) as running,
        reader_of(running, "sensors") as reader,
    ):
        await live.produce(EVENTS)
        events = await take(live.watch(from_oldest=True), EVENTS)
        await running.store("sensors", events)
        yield Filled(events, running, reader)


@pytest.mark.asyncio
async def test_until_newest_ends_at_the_newest_event_when_the_stream_opened(filled: Filled) -> None:
    found = await take_all(filled.reader.watch(from_oldest=True, until_newest=True))
    assert all(same(archived, live) for archived, live in zip(found, filled.events, strict=False))
    assert len(found) == EVENTS + 1
    assert found[-1].ended.last_sequence == EVENTS
    assert found[-1].ended.simulation_time == filled.time(EVENTS)
    (again,) = await take_all(filled.reader.watch(resume_token=found[-1].resume_token, until_newest=True))
    assert again.ended == found[-1].ended


@pytest.mark.asyncio
async def test_a_replay_by_sequence_sends_exactly_the_events_between_the_bounds(filled: Filled) -> None:
    assert sequences(await filled.whole(from_sequence=5, until_sequence=9)) == [5, 6, 7, 8, 9]
    assert sequences(await filled.whole(until_sequence=3)) == [1, 2, 3]
    assert sequences(await filled.whole(from_sequence=7, until_sequence=3)) == []


@pytest.mark.asyncio
async def test_a_replay_by_time_sends_exactly_the_events_between_the_times(filled: Filled) -> None:
    first, last = filled.time(20), filled.time(40)
    wanted = [
        event.context.sequence for event in filled.events if first.ToNanoseconds() <= at(event) <= last.ToNanoseconds()
    ]
    assert sequences(await filled.whole(from_oldest=False, from_time=first, until_time=last)) == wanted
    long_ago = Timestamp(seconds=1)
    everything = await filled.whole(from_oldest=False, from_time=long_ago, until_newest=True)
    assert sequences(everything) == list(range(1, EVENTS + 1))
    assert await filled.whole(until_time=long_ago) == []


@pytest.mark.asyncio
async def test_a_future_start_is_waited_for_even_across_a_reconnect(filled: Filled) -> None:
    """The token of a heartbeat lies before the start; events between the two are still omitted."""
    coming = [of_run(event, OTHER_RUN_ID, LATER_S) for event in filled.events]
    await filled.archive.store("sensors", coming[:20])
    wanted = {"from_sequence": 50}, {"from_time": filled.time(50)}
    calls = []
    for bound in wanted:
        call = filled.reader.watch(**bound)
        token = (await read(call)).resume_token
        call.cancel()
        calls.append(filled.reader.watch(resume_token=token, until_sequence=EVENTS, **bound))
        await read(calls[-1])
    await filled.archive.store("sensors", coming[20:])
    by_sequence, by_time = [(await take_all(call))[:-1] for call in calls]
    assert sequences(by_sequence) == list(range(50, EVENTS + 1))
    assert by_time == [event for event in await filled.whole(until_newest=True) if at(event) >= at(coming[49])]


@pytest.mark.asyncio
async def test_a_trimmed_start_is_refused_unless_the_oldest_event_is_accepted_instead(filled: Filled) -> None:
    await filled.archive.trim("sensors", 11)
    for fields in ({"from_sequence": 4}, {"from_time": filled.time(1)}, {"from_time": filled.time(4)}):
        error = await refusal(filled.reader.watch(**fields))
        assert isinstance(error, ResumeTokenExpiredError)
        assert error.metadata["oldest_sequence"] == "11"
        found = await filled.whole(until_newest=True, **fields)
        assert sequences(found) == list(range(11, EVENTS + 1))
    assert sequences(await filled.whole(from_oldest=False, from_sequence=11, until_sequence=12)) == [11, 12]


@pytest.mark.asyncio
async def test_every_run_is_listed_and_can_be_selected(filled: Filled) -> None:
    later = [of_run(event, OTHER_RUN_ID, LATER_S) for event in filled.events[:7]]
    await filled.archive.store("sensors", later)
    first, second = await filled.reader.runs()
    assert (first.run_id, first.first_sequence, first.last_sequence) == (CASE_RUN_ID, 1, EVENTS)
    assert (second.run_id, second.first_sequence, second.last_sequence) == (OTHER_RUN_ID, 1, 7)
    assert second.created.seconds == LATER_S
    assert sequences(await filled.whole(run_id=CASE_RUN_ID)) == list(range(1, EVENTS + 1)), (
        "the stream ends without a cancel"
    )
    assert all(
        same(archived, event)
        for archived, event in zip(await filled.whole(run_id=OTHER_RUN_ID, until_newest=True), later, strict=True)
    )
    error = await refusal(filled.reader.watch(run_id="11111111-0000-4000-8000-000000000000"))
    assert (error.code, error.reason) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
    error = await refusal(filled.reader.watch(run_id=OTHER_RUN_ID, resume_token=filled.events[3].resume_token))
    assert isinstance(error, RunChangedError)
    assert error.metadata["run_id"] == OTHER_RUN_ID


@pytest.mark.asyncio
async def test_a_channel_without_events_reports_that_nothing_is_archived_yet(filled: Filled) -> None:
    for fields in ({}, {"from_oldest": True}, {"run_id": CASE_RUN_ID}):
        error = await refusal(filled.reader.watch(channel="world", **fields))
        assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "RUN_UNKNOWN")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("channel", {"channel": ""}),
        ("channel", {"channel": "qiki.sim.v1.sensors"}),
        ("speed", {"speed": 0.01}),
        ("speed", {"speed": -1.0}),
        ("speed", {"speed": 1001.0}),
        ("speed", {"speed": float("nan")}),
        ("speed", {"speed": float("inf")}),
        ("from_time.nanos", {"from_time": Timestamp(nanos=-1)}),
        ("until_time.nanos", {"until_time": Timestamp(nanos=1_000_000_000)}),
    ],
)
async def test_a_wrong_field_is_named(filled: Filled, field: str, fields: dict[str, Any]) -> None:
    error = await refusal(filled.reader.watch(from_oldest=True, **fields))
    assert isinstance(error, InvalidFieldError)
    assert (error.reason, error.metadata["field"]) == ("INVALID_FIELD", field)


@pytest.mark.asyncio
async def test_extreme_bounds_are_only_bounds(filled: Filled) -> None:
    most = 2**64 - 1
    assert len(await filled.whole(until_sequence=most, until_newest=True)) == EVENTS
    far = Timestamp(seconds=253_402_300_799)
    assert len(await filled.whole(until_time=far, until_newest=True)) == EVENTS
    for fields in ({"from_sequence": most}, {"from_time": far}):
        call = filled.reader.watch(**fields)
        assert (await read(call)).WhichOneof("event") == "heartbeat"
        call.cancel()


@pytest.mark.asyncio
async def test_a_message_that_no_bridge_has_written_is_reported_and_not_skipped(filled: Filled) -> None:
    declared = CHANNELS["sensors"]
    ours = dict(to_message(filled.events[0]).headers) | {"Nats-Msg-Id": "another"}
    for headers, payload in (({"a": "b"}, b""), ({**ours, "qiki-resume-token": "x"}, b"")):
        call = filled.reader.watch(from_oldest=True)
        assert sequences(await take(call, EVENTS)) == list(range(1, EVENTS + 1))
        await filled.archive.client.request(declared.subject, payload, timeout=5, headers=headers)
        error = await refusal(call)
        assert error.code is grpc.StatusCode.DATA_LOSS
        assert declared.subject in error.message
        context = filled.archive.client.jetstream()
        newest = await context.get_last_msg(declared.stream, declared.subject)
        await context.delete_msg(declared.stream, newest.seq or 0)


@pytest.mark.asyncio
async def test_without_nats_an_open_stream_waits_and_a_new_one_is_refused_as_unavailable(filled: Filled) -> None:
    call = filled.reader.watch(from_oldest=True)
    await take(call, EVENTS)
    await filled.archive.nats.kill()
    await until(lambda: filled.archive.servicer.facts()["nats"] != "connected")
    error = await refusal(filled.reader.watch(from_oldest=True))
    assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "RUN_UNKNOWN")
    for _ in range(3):
        assert (await read(call)).WhichOneof("event") == "heartbeat"
    await filled.archive.nats.start()
    await until(lambda: filled.archive.client.is_connected)
    more = [of_run(event, OTHER_RUN_ID, LATER_S) for event in filled.events[:1]]
    await filled.archive.store("sensors", more)
    (ended,) = await take_all(call)
    assert ended.ended.last_sequence == EVENTS


@pytest.mark.asyncio
async def test_a_stream_opened_before_the_first_nats_connection_is_refused_as_unavailable(tmp_path: Path) -> None:
    async with NatsServer(tmp_path) as nats, served_on(nats) as running, reader_of(running, "frames") as reader:
        error = await refusal(reader.watch(from_oldest=True))
        assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "RUN_UNKNOWN")
        assert "qiki nats init" in error.message
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await reader.runs()
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


# -- cost --------------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_position_is_found_in_few_lookups_however_long_the_subject_is(filled: Filled) -> None:
    many = 5_000
    events = []
    for sequence in range(1, many + 1):
        event = of_run(filled.events[0], OTHER_RUN_ID, LATER_S)
        event.context.sequence, event.context.id = sequence, f"event-{sequence}"
        event.resume_token = token_at(event.resume_token, sequence)
        events.append(event)
    await filled.archive.store("sensors", events)
    declared, client = CHANNELS["sensors"], filled.archive.client
    history = SubjectHistory(client, declared.stream, declared.subject)
    before = client.stats["out_msgs"]
    created_ns = events[0].context.run_created.ToNanoseconds()
    cut = await history.split(lambda event: (event.created_ns, event.sequence) >= (created_ns, 1234))
    assert cut.after is not None
    assert cut.after.sequence == 1234
    assert client.stats["out_msgs"] - before <= 20
    assert sequences(await take(filled.reader.watch(resume_token=events[4_000].resume_token), 2)) == [4_002, 4_003]


@pytest.mark.asyncio
async def test_a_reader_that_does_not_read_holds_no_more_than_a_batch(filled: Filled) -> None:
    large = []
    for sequence in range(EVENTS + 1, EVENTS + 1 + 2 * BATCH_MESSAGES):
        event = type(filled.events[0]).FromString(filled.events[0].SerializeToString())
        event.context.sequence, event.context.id = sequence, f"event-{sequence}"
        event.resume_token = token_at(event.resume_token, sequence)
        event.reading.sensor_id.value = "x" * 40_000
        large.append(event)
    await filled.archive.store("sensors", large)
    slow = filled.reader.watch(from_oldest=True)
    await take(slow, 1)
    whole = await filled.whole(until_newest=True)
    assert len(whole) == EVENTS + 2 * BATCH_MESSAGES
    waiting = filled.archive.servicer.facts()["waiting"]
    assert 0 < waiting <= BATCH_BYTES / 40_000, "bytes are bounded as well as messages"  # type: ignore[operator]
    assert filled.archive.servicer.waiting_streams() == 1
    assert sequences(await take(slow, len(whole) - 1)) == list(range(2, len(whole) + 1))


@pytest.mark.asyncio
async def test_a_consumer_that_the_server_removed_while_its_reader_paused_is_recreated(filled: Filled) -> None:
    call = filled.reader.watch(from_oldest=True)
    await take(call, EVENTS - 1)
    declared = CHANNELS["sensors"]
    for name in await filled.archive.consumers("sensors"):
        await filled.archive.client.jetstream().delete_consumer(declared.stream, name)
    following = type(filled.events[0]).FromString(filled.events[-1].SerializeToString())
    following.context.sequence, following.context.id = EVENTS + 1, "following"
    following.resume_token = token_at(following.resume_token, EVENTS + 1)
    await filled.archive.store("sensors", [following])
    assert sequences(await take(call, 2)) == [EVENTS, EVENTS + 1]


# -- playback speed ----------------------------------------------------------------------------------------------------


class Wall:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_an_event_is_due_when_its_time_has_passed_at_the_playback_speed() -> None:
    wall = Wall()
    speed = PlaybackSpeed(4.0, wall)
    assert speed.wait_s(10 * NS_PER_S) == 0.0, "the first event starts the clock"
    assert speed.wait_s(12 * NS_PER_S) == pytest.approx(0.5)
    wall.now_s += 0.5
    assert speed.wait_s(12 * NS_PER_S) == pytest.approx(0.0)
    assert speed.wait_s(14 * NS_PER_S) == pytest.approx(0.5)


def test_as_fast_as_possible_every_event_is_due() -> None:
    speed = PlaybackSpeed(0.0, Wall())
    assert [speed.wait_s(second * NS_PER_S) for second in (1, 1_000, 5)] == [0.0, 0.0, 0.0]


def test_lost_time_is_not_caught_up() -> None:
    wall = Wall()
    speed = PlaybackSpeed(1.0, wall)
    speed.wait_s(0)
    wall.now_s += 50.0
    assert speed.wait_s(1 * NS_PER_S) == 0.0, "late: it is due at once, and later waits count from here"
    assert speed.wait_s(2 * NS_PER_S) == pytest.approx(1.0)
    wall.now_s += 1.0 + MAX_LATE_S / 2
    assert speed.wait_s(2 * NS_PER_S) == 0.0
    assert speed.wait_s(3 * NS_PER_S) == pytest.approx(1.0 - MAX_LATE_S / 2), "a small delay is made up for"


def test_times_that_go_back_delay_no_event() -> None:
    speed = PlaybackSpeed(1.0, Wall())
    assert [speed.wait_s(second * NS_PER_S) for second in (10, 3, 3)] == [0.0, 0.0, 0.0]


@pytest.mark.asyncio
async def test_a_stream_at_a_playback_speed_sends_heartbeats_with_its_position_while_it_waits(filled: Filled) -> None:
    loop = asyncio.get_running_loop()
    span_s = (filled.time(EVENTS).ToNanoseconds() - filled.time(1).ToNanoseconds()) / NS_PER_S
    began_s = loop.time()
    paced = await filled.whole(until_newest=True, speed=10.0)
    assert len(paced) == EVENTS
    assert loop.time() - began_s >= span_s / 10.0 * 0.95
    call = filled.reader.watch(from_oldest=True, speed=0.1)
    kinds = [(await read(call)).WhichOneof("event") for _ in range(6)]
    assert kinds.count("heartbeat") >= 3
    async with asyncio.timeout(WAIT_S):
        await filled.archive.server.drain()
        assert (await take(call, 1))[0].WhichOneof("event") in ("reading", "draining")


def at(response: Any) -> int:
    return int(response.context.time.ToNanoseconds())


def token_at(text: str, sequence: int) -> str:
    token = decode(text)
    return Token(token.epoch, token.feed, sequence, token.digest).encode()
