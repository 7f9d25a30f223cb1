"""A connection to a real nats-server: a bounded first attempt, then reconnection, with its state reported."""

import asyncio
import time
from pathlib import Path

import pytest

from adapters.jetstream.client.connection import (
    ConnectionEvent,
    ConnectionState,
    connect,
    reconnect_delay_s,
)
from adapters.jetstream.client.errors import ConnectError
from nats_server import NatsServer, free_port


@pytest.mark.asyncio
async def test_a_missing_server_is_an_error_with_the_remedy_within_the_timeout() -> None:
    received: list[ConnectionEvent] = []
    address = f"127.0.0.1:{free_port()}"
    began = time.monotonic()
    with pytest.raises(ConnectError, match="start it, or correct the address") as refused:
        await connect(f"nats://user:secret@{address}", "test", received.append, timeout_s=0.5)
    assert time.monotonic() - began < 5
    assert address in str(refused.value)
    assert "secret" not in str(refused.value)
    assert {event.state for event in received} == {ConnectionState.ERROR}


@pytest.mark.asyncio
async def test_a_server_that_accepts_and_stays_silent_is_an_error_within_the_timeout() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ConnectError):
            await connect(f"nats://127.0.0.1:{port}", "test", lambda event: None, timeout_s=0.5)


@pytest.mark.asyncio
async def test_a_killed_server_is_reported_and_the_connection_returns_with_it(tmp_path: Path) -> None:
    received: asyncio.Queue[ConnectionState] = asyncio.Queue()
    async with NatsServer(tmp_path) as server:
        client = await connect(server.url, "test", lambda event: received.put_nowait(event.state))
        await server.kill()
        await until(received, ConnectionState.DISCONNECTED)
        await server.start()
        await until(received, ConnectionState.RECONNECTED)
        assert (await client.request("$JS.API.INFO", b"", timeout=5)).data
        await client.close()
        await until(received, ConnectionState.CLOSED)


async def until(received: asyncio.Queue[ConnectionState], happening: ConnectionState) -> None:
    async with asyncio.timeout(20):
        while await received.get() is not happening:
            pass


@pytest.mark.parametrize(
    ("failures", "least_s", "most_s"), [(0, 0.05, 0.1), (1, 0.1, 0.2), (5, 1.6, 3.2), (6, 2.5, 5.0), (10**6, 2.5, 5.0)]
)
def test_the_delay_before_an_attempt_doubles_to_a_bound_and_is_randomised(
    failures: int, least_s: float, most_s: float
) -> None:
    assert reconnect_delay_s(failures, 0.0) == pytest.approx(least_s)
    assert reconnect_delay_s(failures, 1.0) == pytest.approx(most_s)
