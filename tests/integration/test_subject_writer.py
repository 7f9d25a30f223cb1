"""The conditional writer against a real nats-server: the subject's tail is its cursor and its lock."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from nats.aio.client import Client

from adapters.jetstream.client.connection import ConnectionEvent, ConnectionState, connect
from adapters.jetstream.client.errors import (
    ConnectionGone,
    MessageTooLarge,
    RequestRefused,
    SequenceConflict,
    StreamFull,
    StreamMissing,
    UnknownOutcome,
)
from adapters.jetstream.client.messages import StoredMessage
from adapters.jetstream.client.writer import MAX_BATCH_BYTES, Message, SubjectWriter, leading_batch
from adapters.jetstream.codec.cloudevents import from_headers, to_headers
from adapters.jetstream.topology.streams import init
from adapters.jetstream.verify.count import Counter, SubjectTally
from adapters.jetstream.verify.read_back import read_back
from declared import wanted_streams
from nats_server import NatsServer
from qiki.common.v1 import stream_pb2

STREAM = "QIKI_RADAR_V1"
SUBJECT = "qiki.radar.v1.frames"
NEIGHBOUR = "qiki.radar.v1.tracks"
TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 1.0  # how long an append waits that a killed server will never answer


def event(sequence: int, payload: bytes = b"frame") -> Message:
    context = stream_pb2.EventContext(
        id=f"event-{sequence}",
        source="/qiki/bot/run/frames",
        type="qiki.radar.v1.RadarFrame",
        sequence=sequence,
        run_id="run",
    )
    context.time.seconds = context.recorded_time.seconds = context.run_created.seconds = sequence
    return Message(to_headers(context, f"token-{sequence}", None), payload)


def events(first: int, last: int) -> list[Message]:
    return [event(sequence) for sequence in range(first, last + 1)]


class Ear:
    """Receives the states of a connection, so that a test can wait for them."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()
        self.back = asyncio.Event()

    def __call__(self, happened: ConnectionEvent) -> None:
        if happened.state is ConnectionState.DISCONNECTED:
            self.lost.set()
        if happened.state is ConnectionState.RECONNECTED:
            self.back.set()


class Mesh:
    """A server with the mesh's streams, and as many connections to it as a test asks for."""

    def __init__(self, server: NatsServer) -> None:
        self.server = server
        self.ear = Ear()
        self.clients: list[Client] = []

    async def client(self) -> Client:
        client = await connect(self.server.url, "test", self.ear)
        self.clients.append(client)
        return client

    async def writer(self, subject: str = SUBJECT, stream: str = STREAM) -> SubjectWriter:
        return SubjectWriter(await self.client(), stream, subject)

    async def back(self) -> None:
        await asyncio.wait_for(self.ear.back.wait(), 20)


@pytest_asyncio.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[Mesh]:
    async with NatsServer(tmp_path / "nats") as server:
        mesh = Mesh(server)
        try:
            await init(await mesh.client(), wanted_streams(0.1))
            yield mesh
        finally:
            for client in mesh.clients:
                await client.close()


async def write_through(writer: SubjectWriter, until: int, batch: int, lost: Callable[[], None] | None = None) -> int:
    """Write events as designed: on an unknown outcome, read the tail. Return the number of such reads."""
    asked = 0
    sequence, position = 0, 0
    for _ in range(100_000):
        if sequence >= until:
            return asked
        try:
            chunk = events(sequence + 1, min(until, sequence + batch))
            position = await writer.append(chunk, position, ANSWER_TIMEOUT_S)
            sequence += len(chunk)
        except (SequenceConflict, UnknownOutcome):
            asked += 1
            if lost:
                lost()
            sequence, position = await tail_of(writer)
    raise AssertionError("the writer does not come to an end")


async def tail_of(writer: SubjectWriter) -> tuple[int, int]:
    for _ in range(1000):
        try:
            tail = await writer.tail(TIMEOUT_S)
        except UnknownOutcome:
            await asyncio.sleep(0.01)  # not connected: there is no event a plain writer could wait for
            continue
        return (from_headers(tail.headers).context.sequence, tail.sequence) if tail else (0, 0)
    raise AssertionError("the tail cannot be had")


async def count(client: Client) -> SubjectTally:
    counter = Counter(SUBJECT)

    async def take(message: StoredMessage) -> None:
        counter.add(message.headers)

    await read_back(client, STREAM, SUBJECT, take)
    return counter.result()


async def assert_whole(client: Client, last: int) -> None:
    counted = await count(client)
    assert (counted.messages, counted.contiguous) == (last, True)
    (run,) = counted.runs
    assert (run.distinct_ids, run.first_sequence, run.last_sequence) == (last, 1, last)


@pytest.mark.asyncio
async def test_an_empty_subject_has_no_tail(mesh: Mesh) -> None:
    assert await (await mesh.writer()).tail(TIMEOUT_S) is None


@pytest.mark.asyncio
async def test_an_append_is_stored_and_becomes_the_tail(mesh: Mesh) -> None:
    writer = await mesh.writer()
    first = await writer.append([event(1, b"one")], 0, TIMEOUT_S)
    second = await writer.append([event(2, b"two")], first, TIMEOUT_S)
    tail = await writer.tail(TIMEOUT_S)
    assert tail is not None
    assert (tail.sequence, tail.payload) == (second, b"two")
    assert from_headers(tail.headers).resume_token == "token-2"


@pytest.mark.asyncio
async def test_the_tail_of_a_large_message_is_read_whole(mesh: Mesh) -> None:
    writer = await mesh.writer()
    payload = bytes(range(256)) * 3500
    await writer.append([event(1, payload)], 0, TIMEOUT_S)
    tail = await writer.tail(TIMEOUT_S)
    assert tail is not None
    assert tail.payload == payload


@pytest.mark.asyncio
async def test_another_subject_of_the_stream_does_not_affect_the_condition(mesh: Mesh) -> None:
    frames, tracks = await mesh.writer(), await mesh.writer(NEIGHBOUR)
    first = await frames.append([event(1)], 0, TIMEOUT_S)
    await tracks.append([Message({}, b"set")], 0, TIMEOUT_S)
    assert await frames.append([event(2)], first, TIMEOUT_S) == first + 2


@pytest.mark.asyncio
@pytest.mark.parametrize("count", [1, 3])
async def test_a_write_conditioned_on_another_sequence_than_the_tails_stores_nothing(mesh: Mesh, count: int) -> None:
    writer = await mesh.writer()
    last = await writer.append(events(1, 2), 0, TIMEOUT_S)
    for stale in (0, last - 1, last + 1):
        with pytest.raises(SequenceConflict):
            await writer.append(events(3, 2 + count), stale, TIMEOUT_S)
    await assert_whole(mesh.clients[0], 2)


@pytest.mark.asyncio
async def test_a_batch_is_stored_whole_and_contiguous(mesh: Mesh) -> None:
    writer = await mesh.writer()
    assert await writer.append(events(1, 1000), 0, TIMEOUT_S) == 1000
    await assert_whole(mesh.clients[0], 1000)


@pytest.mark.asyncio
async def test_a_batch_that_repeats_an_id_stores_nothing_and_has_an_unknown_outcome(mesh: Mesh) -> None:
    writer = await mesh.writer()
    with pytest.raises(UnknownOutcome):
        await writer.append([event(1), event(2), event(1)], 0, TIMEOUT_S)
    assert await writer.tail(TIMEOUT_S) is None


@pytest.mark.asyncio
async def test_a_repeated_id_is_an_unknown_outcome_although_the_condition_holds(mesh: Mesh) -> None:
    writer = await mesh.writer()
    last = await writer.append([event(1)], 0, TIMEOUT_S)
    with pytest.raises(UnknownOutcome):
        await writer.append([event(1)], last, TIMEOUT_S)


@pytest.mark.asyncio
async def test_a_batch_cut_off_before_its_end_stores_nothing_even_across_a_restart(mesh: Mesh) -> None:
    client = await mesh.client()
    writer = SubjectWriter(client, STREAM, SUBJECT)
    for number in (1, 2):
        batch = {"Nats-Batch-Id": "cut", "Nats-Batch-Sequence": str(number)}
        await client.publish(SUBJECT, b"", headers={**event(number).headers, **batch})
    await client.flush()
    await mesh.server.kill()
    await mesh.server.start()
    assert await tail_of(writer) == (0, 0)
    assert await writer.append(events(1, 3), 0, TIMEOUT_S) == 3


@pytest.mark.asyncio
@pytest.mark.parametrize("batch", [1, 30])
async def test_of_two_racing_writers_one_is_refused_without_duplicates_or_reordering(mesh: Mesh, batch: int) -> None:
    first, second = await mesh.writer(), await mesh.writer()
    asked = await asyncio.gather(write_through(first, 300, batch), write_through(second, 300, batch))
    await assert_whole(mesh.clients[0], 300)
    assert sum(asked) > 0


@pytest.mark.asyncio
@pytest.mark.parametrize("batch", [1, 50])
async def test_a_server_killed_between_appends_costs_only_a_read_of_the_tail(mesh: Mesh, batch: int) -> None:
    writer = await mesh.writer()
    asked = 0
    for part in range(1, 4):
        asked += await write_through(writer, part * 200, batch)
        await mesh.server.kill()
        await mesh.server.start()
    asked += await write_through(writer, 800, batch)
    assert asked > 0
    await assert_whole(await mesh.client(), 800)


@pytest.mark.asyncio
async def test_a_server_killed_during_an_append_leaves_an_unknown_outcome_that_the_tail_resolves(mesh: Mesh) -> None:
    writer = await mesh.writer()
    failed = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(write_through(writer, 3000, 1, failed.set))
        while await tail_of(writer) < (100, 0):  # the kill falls among the appends, wherever that is
            pass
        await mesh.server.kill()
        await mesh.server.start()
        await asyncio.wait_for(failed.wait(), 20)
    await assert_whole(await mesh.client(), 3000)


@pytest.mark.asyncio
async def test_an_append_without_an_answer_has_an_unknown_outcome_and_may_be_stored(mesh: Mesh) -> None:
    writer = await mesh.writer()
    mesh.server.freeze()
    with pytest.raises(UnknownOutcome):
        await writer.append([event(1)], 0, 0.2)
    mesh.server.thaw()
    await write_through(writer, 5, 1)
    await assert_whole(mesh.clients[0], 5)


@pytest.mark.asyncio
async def test_nothing_is_buffered_while_the_connection_is_down(mesh: Mesh) -> None:
    writer = await mesh.writer()
    await mesh.server.kill()
    await asyncio.wait_for(mesh.ear.lost.wait(), TIMEOUT_S)
    for messages in (events(1, 1), events(1, 3)):
        with pytest.raises(UnknownOutcome):
            await writer.append(messages, 0, TIMEOUT_S)
    await mesh.server.start()
    assert await tail_of(writer) == (0, 0)


@pytest.mark.asyncio
async def test_a_closed_connection_is_not_an_unknown_outcome_but_an_end(mesh: Mesh) -> None:
    client = await mesh.client()
    await client.close()
    writer = SubjectWriter(client, STREAM, SUBJECT)
    with pytest.raises(ConnectionGone):
        await writer.tail(TIMEOUT_S)
    for messages in (events(1, 1), events(1, 3)):
        with pytest.raises(ConnectionGone):
            await writer.append(messages, 0, TIMEOUT_S)


@pytest.mark.asyncio
async def test_a_message_too_large_with_its_headers_is_refused_and_the_connection_stays(mesh: Mesh) -> None:
    client = await mesh.client()
    writer = SubjectWriter(client, STREAM, SUBJECT)
    too_large = event(1, bytes(client.max_payload - 100))
    for messages in ([too_large], [event(1), too_large]):
        with pytest.raises(MessageTooLarge):
            await writer.append(messages, 0, TIMEOUT_S)
    with pytest.raises(MessageTooLarge):
        await writer.append([Message({"X-Long": "x" * 70_000}, b"")], 0, TIMEOUT_S)
    fits = Message(event(1).headers, bytes(client.max_payload - event(1).header_bytes))
    assert await writer.append([fits], 0, TIMEOUT_S) == 1


@pytest.mark.asyncio
async def test_a_missing_stream_is_named_with_the_command_to_run(mesh: Mesh) -> None:
    writer = await mesh.writer("elsewhere.a", "ELSEWHERE")
    with pytest.raises(StreamMissing, match="qiki nats init"):
        await writer.tail(TIMEOUT_S)
    for messages in (events(1, 1), events(1, 3)):
        with pytest.raises(StreamMissing, match="qiki nats init"):
            await writer.append(messages, 0, TIMEOUT_S)


@pytest.mark.asyncio
async def test_a_subject_of_another_stream_is_refused_and_not_written(mesh: Mesh) -> None:
    writer = await mesh.writer(SUBJECT, "QIKI_SIM_V1")
    for messages in (events(1, 1), events(1, 3)):
        with pytest.raises(RequestRefused):
            await writer.append(messages, 0, TIMEOUT_S)
    assert await (await mesh.writer()).tail(TIMEOUT_S) is None


@pytest.mark.asyncio
@pytest.mark.parametrize("batch", [1, 10])
async def test_a_full_stream_refuses_and_keeps_its_messages(tmp_path: Path, batch: int) -> None:
    small = {STREAM: {**wanted_streams()[STREAM], "max_bytes": 20_000}}
    async with NatsServer(tmp_path) as server:
        client = await connect(server.url, "test", Ear())
        await init(client, small)
        writer = SubjectWriter(client, STREAM, SUBJECT)
        with pytest.raises(StreamFull):
            await write_through(writer, 100, batch)
        sequence, _ = await tail_of(writer)
        assert sequence % batch == 0
        assert sequence > 0
        await assert_whole(client, sequence)
        await client.close()


@pytest.mark.asyncio
async def test_a_trimmed_subject_keeps_its_tail_and_its_condition(tmp_path: Path) -> None:
    short = {STREAM: {**wanted_streams()[STREAM], "max_msgs_per_subject": 1}}
    async with NatsServer(tmp_path) as server:
        client = await connect(server.url, "test", Ear())
        await init(client, short)
        writer = SubjectWriter(client, STREAM, SUBJECT)
        await write_through(writer, 50, 7)
        assert await tail_of(writer) == (50, 50)
        assert (await count(client)).messages == 1
        await client.close()


@pytest.mark.asyncio
async def test_more_than_one_batch_is_a_programming_error_of_the_caller(mesh: Mesh) -> None:
    writer = await mesh.writer()
    for messages in ([], events(1, 1001)):
        with pytest.raises(ValueError, match="one batch"):
            await writer.append(messages, 0, TIMEOUT_S)


def test_a_batch_is_bounded_in_messages_and_in_bytes_and_never_empty() -> None:
    large = Message({}, bytes(MAX_BATCH_BYTES // 2))
    larger = Message({}, bytes(MAX_BATCH_BYTES + 1))
    assert leading_batch([]) == 0
    assert leading_batch([event(1)] * 1500) == 1000
    assert leading_batch([large, large, large]) == 1
    assert leading_batch([event(1), large, large]) == 2
    assert leading_batch([larger, event(1)]) == 1
