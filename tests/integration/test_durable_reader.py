"""The reader of a durable: an error in its cleanup never replaces its cancellation."""

import asyncio
from pathlib import Path

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from adapters.jetstream.client.connection import connect
from adapters.jetstream.inbound.durable_reader import DurableReader
from adapters.jetstream.topology.streams import init
from botspec.bus.streams import REGISTRAR_INTAKE
from declared import BUS, init_durables, wanted_streams
from mesh.serving.health import Health
from nats_server import NatsServer

pytestmark = pytest.mark.asyncio
TIMEOUT_S = 30.0


async def test_a_reader_that_is_cancelled_after_its_connection_was_closed_ends_as_cancelled(tmp_path: Path) -> None:
    """Its subscription can no longer be removed: that error must not replace the cancellation."""
    reached = asyncio.Event()

    async def process(_client: Client, _messages: list[Msg]) -> None:
        reached.set()
        await asyncio.Event().wait()

    async with NatsServer(tmp_path) as server:
        client = await connect(server.url, "test", lambda _event: None)
        await init(client, wanted_streams(0.01))
        await init_durables(client)
        await client.jetstream().publish("qiki.events.v1.test", b"event")
        heartbeat = Health("test", stall_s=60.0).loop("reader")
        reader = asyncio.create_task(
            DurableReader(BUS.durable(REGISTRAR_INTAKE), 1, process, heartbeat, "reading").run(client)
        )
        async with asyncio.timeout(TIMEOUT_S):
            await reached.wait()
        await client.close()
        reader.cancel()
        await asyncio.wait([reader], timeout=TIMEOUT_S)
    assert reader.cancelled()
