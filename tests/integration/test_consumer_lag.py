import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig

from adapters.jetstream.topology import consumers, streams
from adapters.jetstream.topology.consumer_lag import Lag, lags
from botspec.bus.streams import Durable
from declared import BUS, init_durables, wanted_streams
from nats_server import NatsServer

pytestmark = pytest.mark.asyncio

STREAM, SUBJECT = "QIKI_RADAR_V1", "qiki.radar.v1.frames"
STREAMS = tuple(stream.name for stream in BUS.streams)
DONE = Lag(0, 0, 0, 0.0)


@asynccontextmanager
async def topology(directory: Path) -> AsyncIterator[Client]:
    """Serve the mesh's streams and durables for as long as the block lasts."""
    async with NatsServer(directory) as server:
        client = await nats.connect(server.url)
        await streams.init(client, wanted_streams(0.1))
        await init_durables(client)
        try:
            yield client
        finally:
            await client.close()


async def publish(client: Client, count: int) -> None:
    for number in range(count):
        await client.jetstream().publish(SUBJECT, b"frame", headers={"Nats-Msg-Id": f"{number}-{time.time_ns()}"})


async def make(client: Client, name: str | None, **config: object) -> None:
    wanted = ConsumerConfig(durable_name=name, ack_policy=AckPolicy.EXPLICIT, **config)
    await client.jetstream().add_consumer(STREAM, wanted)


async def test_durables_of_the_mesh_and_of_its_users_have_a_lag_and_others_none(tmp_path: Path) -> None:
    async with topology(tmp_path) as client:
        await make(client, "someones_own")
        await make(client, None, inactive_threshold=60.0)
        found = await lags(client, STREAMS)
        assert found == {(each.stream, each.name): DONE for each in BUS.durables} | {(STREAM, "someones_own"): DONE}


async def test_a_lag_counts_what_is_undelivered_unacknowledged_and_redelivered(tmp_path: Path) -> None:
    async with topology(tmp_path) as client:
        await make(client, "reader")
        await publish(client, 5)
        began_s = time.monotonic()
        subscription = await client.jetstream().pull_subscribe_bind("reader", STREAM)
        first, second, third = await subscription.fetch(3, timeout=10)
        await third.nak()
        for message in (first, second):
            await message.ack_sync()
        (again,) = await subscription.fetch(1, timeout=10)
        assert again.metadata.num_delivered == 2
        waited_s = time.monotonic() - began_s
        lag = (await lags(client, STREAMS))[STREAM, "reader"]
        assert (lag.pending, lag.ack_pending, lag.redelivered) == (2, 1, 1)
        assert lag.oldest_age_s is not None
        assert lag.oldest_age_s >= waited_s, "of the third message, stored before"


async def test_where_the_oldest_message_cannot_be_looked_up_its_age_is_unknown(tmp_path: Path) -> None:
    async with topology(tmp_path) as client:
        await make(client, "choosy", filter_subjects=[SUBJECT, "qiki.radar.v1.tracks"])
        await publish(client, 3)
        assert (await lags(client, STREAMS))[STREAM, "choosy"] == Lag(3, 0, 0, None)


async def test_a_missing_stream_hides_no_other(tmp_path: Path) -> None:
    async with topology(tmp_path) as client:
        await client.jetstream().delete_stream(STREAM)
        assert set(await lags(client, STREAMS)) == {(each.stream, each.name) for each in BUS.durables}


async def test_a_users_declared_durable_is_created_measured_and_restored_like_the_meshs_own(tmp_path: Path) -> None:
    agent = Durable(
        name="agent",
        stream=STREAM,
        filter_subject=SUBJECT,
        ack_wait_s=0.5,
        max_deliver=4,
        max_ack_pending=2,
        backoff_s=(0.5, 1.5),
    )
    declared = [*BUS.durables, agent]
    async with topology(tmp_path) as client:
        assert await consumers.init(client, declared) == [f"declared durable {STREAM}/agent"]
        assert (await consumers.init(client, declared), await consumers.check(client, declared)) == ([], [])
        await publish(client, 3)
        assert (await lags(client, STREAMS))[STREAM, "agent"].pending == 3
        info = await client.jetstream().consumer_info(STREAM, "agent")
        assert (info.config.backoff, info.config.max_deliver) == ([0.5, 1.5], 4)
        changed = agent.model_copy(update={"max_ack_pending": 7, "backoff_s": (0.5, 2.5)})
        differences = await consumers.check(client, [changed])
        assert [(each.stream, each.field) for each in differences] == [
            (f"{STREAM}/agent", "max_ack_pending"),
            (f"{STREAM}/agent", "backoff"),
        ]
        assert await consumers.init(client, [changed]) == [f"declared durable {STREAM}/agent"]
        assert await consumers.check(client, [changed]) == []
        assert (await lags(client, STREAMS))[STREAM, "agent"].pending == 3
