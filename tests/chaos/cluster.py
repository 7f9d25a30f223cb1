"""A NATS cluster of three servers on this machine, whose leaders can be killed."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import nats
import nats.errors
import nats.js.errors
from nats.aio.client import Client

from adapters.jetstream.client.errors import JetStreamError
from adapters.jetstream.topology.streams import init
from chain import Stored, read_subject
from declared import wanted_streams
from nats_server import NatsServer, free_port

SIZE = 3
# A first election and the placement of the streams take seconds; while they go on, requests are refused or unanswered.
ELECTION_TIMEOUT_S = 60.0
RETRY_S = 0.1
HOST = "127.0.0.1"
SIZE_FACTOR = 0.1


class Cluster:
    """`async with Cluster(tmp_path) as cluster: ... cluster.url`; the mesh's streams are there, three copies each."""

    def __init__(self, directory: Path) -> None:
        routes = [free_port() for _ in range(SIZE)]
        links = ",".join(f"nats://{HOST}:{port}" for port in routes)
        self.servers = {
            f"node-{number}": NatsServer(
                directory / f"node-{number}",
                *("--server_name", f"node-{number}", "--cluster_name", "qiki"),
                *("--cluster", f"nats://{HOST}:{port}", "--routes", links),
            )
            for number, port in enumerate(routes, start=1)
        }
        self.url = ",".join(server.url for server in self.servers.values())
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for server in self.servers.values():
                await stack.enter_async_context(server)
            self.client = await nats.connect(self.url.split(","), max_reconnect_attempts=-1, reconnect_time_wait=0.1)
            stack.push_async_callback(self.client.close)
            await self._init(self.client)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def leader(self, stream: str) -> NatsServer:
        """Return the server that leads the stream now; waits for an election."""
        async with asyncio.timeout(ELECTION_TIMEOUT_S):
            while True:
                try:
                    found = await self.client.jetstream().stream_info(stream)
                except (nats.errors.Error, nats.js.errors.Error):
                    found = None
                if found is not None and found.cluster is not None and found.cluster.leader in self.servers:
                    return self.servers[found.cluster.leader]
                await asyncio.sleep(RETRY_S)

    async def read(self, subject: str, stream: str) -> list[Stored]:
        """Return every message of a subject, in order; retry while the cluster elects a leader."""
        async with asyncio.timeout(ELECTION_TIMEOUT_S):
            while True:
                try:
                    return await read_subject((await self.leader(stream)).port, subject, stream)
                except (nats.errors.Error, nats.js.errors.Error):
                    await asyncio.sleep(RETRY_S)

    async def _init(self, client: Client) -> None:
        async with asyncio.timeout(ELECTION_TIMEOUT_S):
            while True:
                try:
                    await init(client, wanted_streams(SIZE_FACTOR, num_replicas=SIZE))
                except JetStreamError:
                    await asyncio.sleep(RETRY_S)
                else:
                    return
