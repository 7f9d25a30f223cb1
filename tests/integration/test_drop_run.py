"""A run created while a clock was ahead: a command deletes it from the bus, and the next run is published."""

import asyncio
import itertools
import os
import sys
from pathlib import Path

import nats
import pytest

from adapters.jetstream.codec.cloudevents import to_headers
from chain import read_subject
from frame_source import STREAM, SUBJECT, served
from mesh.feeds.token import Token, short_digest
from publisher_rig import RecordingSource, Rig, carrying, rig, until
from qiki.common.v1.stream_pb2 import EventContext

pytestmark = pytest.mark.asyncio
CREATED_S = 1_767_225_600
EARLIER, AHEAD = "11111111-2222-4333-8444-000000000001", "11111111-2222-4333-8444-000000000002"
OTHER = "11111111-2222-4333-8444-000000000003"
EARLIER_SEQUENCES = range(3, 6)
NEIGHBOUR = "qiki.radar.v1.tracks"


def headers_of(run_id: str, created_s: int, sequence: int) -> dict[str, str]:
    token = Token(short_digest(run_id.encode()), short_digest(b"frames"), sequence).encode()
    context = EventContext(id=f"{run_id}-{sequence}", source="/s", type="t", sequence=sequence, run_id=run_id)
    context.time.seconds = context.recorded_time.seconds = context.run_created.seconds = created_s
    return to_headers(context, token, None)


async def fill(url: str) -> None:
    """Store an earlier run and one from the future, among another run's messages on another subject."""
    client = await nats.connect(url)
    jetstream, neighbours = client.jetstream(), itertools.count(1)
    for run_id, created_s, sequences in (
        (EARLIER, CREATED_S - 10, EARLIER_SEQUENCES),
        (AHEAD, CREATED_S + 86_400, range(2, 7)),
    ):
        for sequence in sequences:
            await jetstream.publish(SUBJECT, b"frame", headers=headers_of(run_id, created_s, sequence))
            await jetstream.publish(NEIGHBOUR, b"tracks", headers=headers_of(OTHER, CREATED_S, next(neighbours)))
    await client.close()


async def qiki(url: str, *arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli", "nats", "drop-run", *arguments, "--nats-url", url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "COLUMNS": "300"},
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def subject_of(running: Rig) -> list[tuple[str, int]]:
    found = await read_subject(running.server.port, SUBJECT, STREAM)
    return [(message.headers["ce-run"], int(message.headers["ce-sequence"])) for message in found]


async def test_the_superseding_run_is_shown_then_deleted_and_the_sources_run_is_published(tmp_path: Path) -> None:
    source = RecordingSource()
    source.append(200)
    async with rig(tmp_path, source, before=fill) as running:
        await until(lambda: AHEAD in running.facts["state"])
        url = running.server.url
        status, said = await qiki(url, AHEAD)
        assert (status, f"{SUBJECT}: 5 events of run {AHEAD}, created 2026-01-02T00:00:00Z" in said) == (0, True), said
        assert "add --yes" in said
        assert len(await subject_of(running)) == 8
        status, said = await qiki(url, EARLIER, "--yes")
        assert (status, "there is nothing to delete" in said) == (1, True), said
        status, said = await qiki(url, AHEAD, "--yes")
        assert (status, f"{SUBJECT}: 5 events deleted" in said) == (0, True), said
        left = [(EARLIER, sequence) for sequence in EARLIER_SEQUENCES]
        assert await subject_of(running) == left
        async with served(source) as port, carrying(source, running.server, port) as restarted:
            await until(lambda: restarted.facts["sequence"] == 1)
            assert source.feed.run is not None
            assert await subject_of(running) == [*left, (source.feed.run.run_id, 1)]
        client = await nats.connect(url)
        state = (await client.jetstream().stream_info(STREAM, subjects_filter=NEIGHBOUR)).state
        assert (state.subjects or {})[NEIGHBOUR] == 8, "another subject keeps its messages"
        await client.close()


async def test_an_invalid_run_is_refused(tmp_path: Path) -> None:
    status, said = await qiki("nats://127.0.0.1:1", "yesterday")
    assert (status, "Traceback" in said) == (2, False), said
