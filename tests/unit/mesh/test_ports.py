"""A service waits for a port that a connection occupies briefly, but not for one on which another process listens."""

import asyncio
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mesh.serving.ports import await_port

pytestmark = pytest.mark.asyncio
HOST = "127.0.0.1"
WAIT_S = 20.0


@contextmanager
def connection() -> Iterator[tuple[int, socket.socket]]:
    """Give the port that is the local end of an outgoing connection, as any client may have it, and the client."""
    with socket.socket() as server, socket.socket() as client:
        server.bind((HOST, 0))
        server.listen()
        client.connect(server.getsockname())
        server.accept()[0].close()  # first: else the client's end would keep the port for another minute
        yield client.getsockname()[1], client


async def test_a_free_port_is_not_waited_for() -> None:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    assert await await_port(HOST, port, asyncio.Event(), limit_s=0.0)
    assert await await_port(HOST, 0, asyncio.Event(), limit_s=0.0)


async def test_a_connections_port_is_bound_once_it_ends_and_the_event_loop_runs_meanwhile(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING), connection() as (port, client):
        waiting = asyncio.create_task(await_port(HOST, port, asyncio.Event(), limit_s=WAIT_S))
        for _other_work in range(5):
            await asyncio.sleep(0.1)
        assert not waiting.done()
        client.close()
        async with asyncio.timeout(WAIT_S):
            assert await waiting
    assert [record.message for record in caplog.records] == ["the port is in use by a connection; waiting for it"]


async def test_waiting_for_a_connections_port_ends_when_the_service_stops() -> None:
    stop = asyncio.Event()
    with connection() as (port, _client):
        waiting = asyncio.create_task(await_port(HOST, port, stop, limit_s=1e9))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        stop.set()
        async with asyncio.timeout(WAIT_S):
            assert not await waiting


async def test_waiting_for_a_connections_port_ends_at_the_limit() -> None:
    with connection() as (port, _client):
        assert not await await_port(HOST, port, asyncio.Event(), limit_s=0.2)


async def test_a_port_with_a_listener_is_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as server, caplog.at_level(logging.WARNING):
        server.bind((HOST, 0))
        server.listen()
        async with asyncio.timeout(WAIT_S):
            assert not await await_port(HOST, server.getsockname()[1], asyncio.Event(), limit_s=1e9)
    assert not caplog.records


@pytest.mark.parametrize("host", ["203.0.113.1", "no such host"])
async def test_an_address_of_another_machine_is_not_waited_for(host: str) -> None:
    assert not await await_port(host, 0, asyncio.Event(), limit_s=1e9)
