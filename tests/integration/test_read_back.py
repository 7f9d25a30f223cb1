"""Reading a subject back from a real nats-server: all of it, in order, as it was stored, or an error."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from nats.aio.client import Client

from adapters.jetstream.client.connection import connect
from adapters.jetstream.client.errors import StreamMissing, UnknownOutcome
from adapters.jetstream.client.messages import StoredMessage
from adapters.jetstream.client.reader import BATCH_MESSAGES
from adapters.jetstream.topology.streams import init
from adapters.jetstream.verify.read_back import read_back
from declared import wanted_streams
from nats_server import NatsServer

STREAM = "QIKI_SIM_V1"
SUBJECT = "qiki.sim.v1.sensors"
NEIGHBOUR = "qiki.sim.v1.world"


@pytest_asyncio.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with NatsServer(tmp_path / "nats") as server:
        client = await connect(server.url, "test", lambda happened: None)
        try:
            await init(client, wanted_streams(0.1))
            yield client
        finally:
            await client.close()


async def store(client: Client, subject: str, count: int) -> None:
    for number in range(count):
        await client.request(subject, f"{number}".encode(), timeout=5, headers={"ce-id": f"id-{number}"})


def into(found: list[StoredMessage]) -> Callable[[StoredMessage], Awaitable[None]]:
    async def take(message: StoredMessage) -> None:
        found.append(message)

    return take


@pytest.mark.asyncio
async def test_an_empty_subject_yields_no_message(client: Client) -> None:
    await store(client, NEIGHBOUR, 1)
    found: list[StoredMessage] = []
    await read_back(client, STREAM, SUBJECT, into(found))
    assert found == []


@pytest.mark.asyncio
@pytest.mark.parametrize("count", [1, BATCH_MESSAGES, 2 * BATCH_MESSAGES + 1])
async def test_every_message_is_read_once_in_order_with_its_headers(client: Client, count: int) -> None:
    await store(client, NEIGHBOUR, 1)
    await store(client, SUBJECT, count)
    await store(client, NEIGHBOUR, 1)
    found: list[StoredMessage] = []
    await read_back(client, STREAM, SUBJECT, into(found))
    assert [(message.payload, message.headers["ce-id"]) for message in found] == [
        (f"{number}".encode(), f"id-{number}") for number in range(count)
    ]


@pytest.mark.asyncio
async def test_a_message_has_its_storing_time_and_not_its_reading_time(client: Client) -> None:
    before_ns = time.time_ns()
    await store(client, SUBJECT, 2)
    after_ns = time.time_ns()
    found: list[StoredMessage] = []
    await read_back(client, STREAM, SUBJECT, into(found))
    first, second = (message.stored_ns for message in found)
    microsecond_ns = 1_000
    assert before_ns - microsecond_ns <= first <= second <= after_ns


@pytest.mark.asyncio
async def test_deleted_messages_are_skipped(client: Client) -> None:
    await store(client, SUBJECT, 5)
    await client.jetstream().delete_msg(STREAM, 2)
    found: list[StoredMessage] = []
    await read_back(client, STREAM, SUBJECT, into(found))
    assert [message.payload for message in found] == [b"0", b"2", b"3", b"4"]


@pytest.mark.asyncio
async def test_messages_stored_during_the_reading_are_not_read(client: Client) -> None:
    await store(client, SUBJECT, BATCH_MESSAGES + 1)
    found: list[StoredMessage] = []
    async with asyncio.TaskGroup() as tasks:

        async def take(message: StoredMessage) -> None:
            if not found:
                tasks.create_task(store(client, SUBJECT, 1))
            found.append(message)

        await read_back(client, STREAM, SUBJECT, take)
    assert len(found) == BATCH_MESSAGES + 1


@pytest.mark.asyncio
async def test_reading_ends_where_its_newest_message_was_deleted_meanwhile(client: Client) -> None:
    await store(client, SUBJECT, BATCH_MESSAGES + 1)
    found: list[StoredMessage] = []

    async def take(message: StoredMessage) -> None:
        if not found:
            await client.jetstream().delete_msg(STREAM, BATCH_MESSAGES + 1)
            await store(client, SUBJECT, 1)
        found.append(message)

    await read_back(client, STREAM, SUBJECT, take)
    assert [message.sequence for message in found] == list(range(1, BATCH_MESSAGES + 1))


@pytest.mark.asyncio
async def test_no_consumer_is_left_on_the_server(client: Client) -> None:
    await store(client, SUBJECT, 1)
    await read_back(client, STREAM, SUBJECT, into([]))
    for _ in range(500):  # the removal is requested without an answer to await
        if (await client.jetstream().stream_info(STREAM)).state.consumer_count == 0:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("a consumer is left")


@pytest.mark.asyncio
async def test_a_reading_that_stops_before_the_end_is_an_error_with_its_count(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.jetstream.verify.read_back.NEXT_TIMEOUT_S", 0.0)
    await store(client, SUBJECT, 1)
    with pytest.raises(UnknownOutcome, match="stopped after 0 messages, before the end"):
        await read_back(client, STREAM, SUBJECT, into([]))


@pytest.mark.asyncio
async def test_an_error_of_the_callback_is_raised(client: Client) -> None:
    await store(client, SUBJECT, 3)

    async def take(_message: StoredMessage) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await read_back(client, STREAM, SUBJECT, take)


@pytest.mark.asyncio
async def test_a_missing_stream_is_an_error(client: Client) -> None:
    with pytest.raises(StreamMissing):
        await read_back(client, "QIKI_NOT_V1", "qiki.not.v1.there", into([]))
