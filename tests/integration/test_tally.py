"""Counts of a subject read back from a real nats-server: whole, missing, duplicate and reordered events."""

import hashlib
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
import pytest_asyncio
from nats.aio.client import Client

from adapters.jetstream.client.connection import connect
from adapters.jetstream.client.errors import StreamMissing
from adapters.jetstream.codec.cloudevents import HeaderError
from adapters.jetstream.topology.streams import init, wanted_streams
from adapters.jetstream.verify.tally import Record, SubjectTally, TallyError, tally
from nats_server import NatsServer

STREAM = "QIKI_SIM_V1"
SUBJECT = "qiki.sim.v1.sensors"


@pytest_asyncio.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with NatsServer(tmp_path / "nats") as server:
        client = await connect(server.url, "test", lambda happened: None)
        try:
            await init(client, wanted_streams(0.1))
            yield client
        finally:
            await client.close()


async def store(client: Client, run: str, sequences: Iterable[int], subject: str = SUBJECT) -> None:
    """Publish without any condition, as the bridge never does."""
    for sequence in sequences:
        headers = {"ce-id": f"{run}-{sequence}", "ce-run": run, "ce-sequence": f"{sequence:020}"}
        await client.request(subject, f"{run} {sequence}".encode(), timeout=5, headers=headers)


@pytest.mark.asyncio
async def test_an_empty_subject_has_a_count_of_zero(client: Client) -> None:
    assert await tally(client, STREAM, SUBJECT) == SubjectTally(SUBJECT, 0, 0, 0, 0, True, 0, 0, ())


@pytest.mark.asyncio
async def test_a_complete_subject_is_contiguous_and_other_subjects_are_not_counted(client: Client) -> None:
    for sequence in range(1, 11):
        await store(client, "a", [sequence])
        await store(client, "a", [sequence], "qiki.sim.v1.world")
    counted = await tally(client, STREAM, SUBJECT)
    assert (counted.messages, counted.distinct_ids, counted.first_sequence, counted.last_sequence) == (10, 10, 1, 10)
    assert (counted.contiguous, counted.duplicates, counted.gaps) == (True, 0, 0)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("sequences", "duplicates", "gaps"),
    [
        pytest.param([1, 2, 5, 6], 0, 2, id="a gap"),
        pytest.param([1, 2, 2, 3], 1, 0, id="a duplicate"),
        pytest.param([1, 3, 2, 4], 0, 0, id="out of order"),
    ],
)
async def test_missing_duplicate_and_reordered_events_are_reported(
    client: Client, sequences: list[int], duplicates: int, gaps: int
) -> None:
    await store(client, "a", sequences)
    counted = await tally(client, STREAM, SUBJECT)
    assert (counted.contiguous, counted.duplicates, counted.gaps) == (False, duplicates, gaps)


@pytest.mark.asyncio
async def test_a_new_run_starts_at_sequence_1_and_is_counted_separately(client: Client) -> None:
    await store(client, "a", [1, 2, 3])
    await store(client, "b", [1, 2])
    counted = await tally(client, STREAM, SUBJECT)
    assert [(run.run_id, run.messages, run.last_sequence) for run in counted.runs] == [("a", 3, 3), ("b", 2, 2)]
    assert (counted.contiguous, counted.messages, counted.last_sequence) == (True, 5, 2)


@pytest.mark.asyncio
async def test_interleaved_runs_are_not_contiguous(client: Client) -> None:
    await store(client, "a", [1])
    await store(client, "b", [1])
    await store(client, "a", [2])
    assert not (await tally(client, STREAM, SUBJECT)).contiguous


@pytest.mark.asyncio
async def test_records_hold_id_sequence_and_the_payloads_hash_on_request(client: Client) -> None:
    await store(client, "a", [1])
    (plain,) = (await tally(client, STREAM, SUBJECT, with_records=True)).runs
    (hashed,) = (await tally(client, STREAM, SUBJECT, with_payloads=True)).runs
    assert plain.records == (Record("a-1", 1),)
    assert hashed.records == (Record("a-1", 1, hashlib.sha256(b"a 1").hexdigest()),)


@pytest.mark.asyncio
async def test_a_subject_longer_than_a_batch_is_read_to_its_end(client: Client) -> None:
    await store(client, "a", range(1, 2051))
    for with_payloads in (False, True):
        counted = await tally(client, STREAM, SUBJECT, with_payloads=with_payloads)
        assert (counted.messages, counted.contiguous) == (2050, True)


@pytest.mark.asyncio
async def test_a_foreign_message_is_named_and_not_skipped(client: Client) -> None:
    await client.request(SUBJECT, b"", timeout=5, headers={"ce-id": "1", "ce-run": "a"})
    with pytest.raises(HeaderError) as refused:
        await tally(client, STREAM, SUBJECT)
    assert refused.value.header == "ce-sequence"


@pytest.mark.asyncio
async def test_an_incomplete_reading_is_an_error_and_not_a_smaller_count(client: Client) -> None:
    await store(client, "a", [1])
    with pytest.raises(TallyError, match="before the end"):
        await tally(client, STREAM, SUBJECT, timeout_s=0.0)


@pytest.mark.asyncio
async def test_a_missing_stream_is_reported(client: Client) -> None:
    with pytest.raises(StreamMissing):
        await tally(client, "ELSEWHERE", SUBJECT)


@pytest.mark.asyncio
async def test_nothing_is_left_behind_on_the_server(client: Client) -> None:
    await store(client, "a", [1])
    await tally(client, STREAM, SUBJECT)
    assert (await client.jetstream().stream_info(STREAM)).state.consumer_count == 0
