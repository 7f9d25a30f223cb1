"""Events that cannot be published are reported: a gap with first and last event, a lost cursor, a too large message."""

import asyncio
import json
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import nats
import pytest

from adapters.jetstream.topology.streams import init
from bridge_process import BRIDGE, bridge_environment, process
from chain import read_subject
from code_proofs import prove
from declared import wanted_streams
from frame_source import STREAM, SUBJECT, TICK_NS, FrameSource, served
from mesh.feeds.ring import Retention
from nats_server import NatsServer, free_port
from qiki.registrar.v1.registrar_service_pb2 import AuditEvent, ListEventsRequest
from qiki.registrar.v1.registrar_service_pb2_grpc import RegistrarServiceStub
from qiki_sdk.channel import connect
from qiki_sdk.codes import CURSOR_LOST

if TYPE_CHECKING:  # the generated stub exists for the type checker alone
    from qiki.registrar.v1.registrar_service_pb2_grpc import RegistrarServiceAsyncStub

pytestmark = pytest.mark.asyncio
KEPT = 100
TIMEOUT_S = 30.0
POLL_S = 0.05


@dataclass(frozen=True)
class Rig:
    """A live source that keeps its last events, a registrar, a broker; a bridge for as long as a block lasts."""

    directory: Path
    source: FrameSource
    source_port: int
    server: NatsServer
    registrar_port: int
    bridge_http: int

    @asynccontextmanager
    async def bridge(self) -> AsyncIterator[None]:
        environment = bridge_environment(self.directory, f"127.0.0.1:{self.source_port}", self.server.url) | {
            "QIKI_BRIDGE_HTTP_PORT": str(self.bridge_http),
            "QIKI_BRIDGE_REGISTRAR_TARGET": f"127.0.0.1:{self.registrar_port}",
        }
        async with process(*BRIDGE, log=self.directory / "bridge.log", env=environment):
            yield

    async def carried(self, sequence: int) -> None:
        await until(lambda: self.health()["facts"]["channels"]["frames"]["sequence"] >= sequence)

    async def stopped(self) -> str:
        """Return the bridge's status once it is NOT_SERVING."""
        await until(lambda: self.health()["facts"]["channels"]["frames"]["state"].startswith("stopped"))
        assert self.health()["status"] == "NOT_SERVING"
        said: str = self.health()["facts"]["channels"]["frames"]["state"]
        return said

    def metrics(self) -> list[str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.bridge_http}/metrics", timeout=2) as answer:
            return [line.decode().strip() for line in answer]

    def health(self) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.bridge_http}/healthz", timeout=2) as answer:
                found: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            found = json.load(error)
        return found

    async def sequences(self) -> list[int]:
        return [
            int(message.headers["ce-sequence"]) for message in await read_subject(self.server.port, SUBJECT, STREAM)
        ]

    async def recorded_names(self) -> list[str]:
        """Return the names of the events recorded so far."""
        async with connect(f"127.0.0.1:{self.registrar_port}") as channel:
            stub: RegistrarServiceAsyncStub = RegistrarServiceStub(channel)
            page = await stub.ListEvents(ListEventsRequest(page_size=1000), timeout=5)
        return [each.audit_event.name for each in page.events]

    async def attributes_of(self, name: str) -> dict[str, str]:
        """Return the attributes of the one recorded event of this name, once it exists."""
        async with connect(f"127.0.0.1:{self.registrar_port}") as channel, asyncio.timeout(TIMEOUT_S):
            stub: RegistrarServiceAsyncStub = RegistrarServiceStub(channel)
            found: list[AuditEvent] = []
            while not found:
                try:
                    page = await stub.ListEvents(ListEventsRequest(page_size=1000), timeout=5)
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(POLL_S)
                    continue
                found = [each.audit_event for each in page.events if each.audit_event.name == name]
                await asyncio.sleep(POLL_S)
        assert len(found) == 1
        return {attribute.name: attribute.value for attribute in found[0].attributes}


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            try:
                if await asyncio.to_thread(holds):
                    return
            except OSError:
                pass
            await asyncio.sleep(POLL_S)


@asynccontextmanager
async def rig(directory: Path, *nats_arguments: str) -> AsyncIterator[Rig]:
    source = FrameSource(Retention(KEPT * TICK_NS, 64 * 1024**2))
    source.feed.replayed()
    source.gate.set()
    registrar_port = free_port()
    environment = {
        "QIKI_REGISTRAR_GRPC_PORT": str(registrar_port),
        "QIKI_REGISTRAR_HTTP_PORT": "0",
        "QIKI_REGISTRAR_STATE_DIR": str(directory / "registrar"),
    }
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(NatsServer(directory / "nats", *nats_arguments))
        client = await nats.connect(server.url)
        await init(client, wanted_streams(0.1))
        await client.close()
        registrar = (sys.executable, "-m", "svc_registrar")
        await stack.enter_async_context(process(*registrar, log=directory / "registrar.log", env=environment))
        port = await stack.enter_async_context(served(source))
        yield Rig(directory, source, port, server, registrar_port, free_port())


def append(source: FrameSource, count: int, size_bytes: int = 200) -> None:
    for _ in range(count):
        source.append(size_bytes)


async def test_an_outage_longer_than_the_retention_is_a_gap_reported_with_its_first_and_last_event(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path) as running:
        append(running.source, 50)
        async with running.bridge():
            await running.carried(50)
        append(running.source, 300)
        oldest = running.source.feed.store.oldest_sequence
        async with running.bridge():
            await running.carried(350)
            append(running.source, 10)
            await running.carried(360)
            assert await running.attributes_of("GAP") == {"channel": "frames", "first": "51", "last": str(oldest - 1)}
        assert await running.sequences() == [*range(1, 51), *range(oldest, 361)]


async def test_an_unused_stream_starts_at_the_oldest_event_and_the_missing_ones_are_reported(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path) as running:
        append(running.source, 250)
        oldest = running.source.feed.store.oldest_sequence
        async with running.bridge():
            await running.carried(250)
            assert await running.attributes_of("GAP") == {"channel": "frames", "first": "1", "last": str(oldest - 1)}
        assert await running.sequences() == [*range(oldest, 251)]


async def test_a_subject_emptied_behind_the_bridge_is_a_lost_cursor_and_stops_the_channel(tmp_path: Path) -> None:
    async with rig(tmp_path) as running:
        append(running.source, 50)
        async with running.bridge():
            await running.carried(50)
        client = await nats.connect(running.server.url)
        await client.jetstream().purge_stream(STREAM)
        await client.close()
        append(running.source, 300)
        async with running.bridge():
            assert "CURSOR_LOST" in await running.stopped()
            assert 'qiki_bridge_cursor_lost{channel="frames"} 1.0' in running.metrics()
            assert (await running.attributes_of("CURSOR_LOST"))["channel"] == "frames"
            prove(CURSOR_LOST, await running.recorded_names())
        assert await running.sequences() == []


async def test_a_message_over_the_limit_stops_the_channel_and_is_reported(tmp_path: Path) -> None:
    config = tmp_path / "small.conf"
    config.write_text("max_payload: 64KB\n")
    async with rig(tmp_path, "--config", str(config)) as running:
        append(running.source, 20)
        append(running.source, 1, size_bytes=100_000)
        append(running.source, 20)
        async with running.bridge():
            assert "at most 65536" in await running.stopped()
            assert (await running.attributes_of("CHANNEL_STOPPED"))["channel"] == "frames"
        assert await running.sequences() == [*range(1, 21)]


async def test_the_bridge_exports_whether_it_is_connected(tmp_path: Path) -> None:
    async with rig(tmp_path) as running:
        append(running.source, 5)
        async with running.bridge():
            await running.carried(5)
            assert "qiki_bridge_connected 1.0" in running.metrics()
            await running.server.kill()
            await until(lambda: "qiki_bridge_connected 0.0" in running.metrics())
            await running.server.start()
            await until(lambda: "qiki_bridge_connected 1.0" in running.metrics())
