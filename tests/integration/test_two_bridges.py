"""Two bridges, a stopped bridge, half-open connections: in every case one complete history on the subject."""

import asyncio
import os
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import nats
import pytest

from adapters.jetstream.topology.streams import init
from bridge_process import BRIDGE, bridge_environment, process
from chain import Stored, read_subject
from chaos.proxy import Link, Trouble
from declared import wanted_streams
from frame_source import STREAM, SUBJECT, FrameSource, served
from mesh.feeds.feed import FlowControl
from mesh.feeds.ring import Retention
from nats_server import NatsServer, free_port
from qiki.radar.v1 import radar_service_pb2 as pb

RETENTION = Retention(10**18, 256 * 1024**2)
ACK_TIMEOUT_S = 5.0  # the bridge's own
# Shorter than the bridge's stop: the server no longer recognises by id what the bridge sent before and sends after it.
WINDOW_S = 1
PERIOD_S = 0.002
TIMEOUT_S = 60.0
POLL_S = 0.05


@dataclass
class Rig:
    """A source, a broker and bridges between them, each with links of its own to both."""

    source: FrameSource
    port: int
    server: NatsServer
    bridges: list[Process]
    to_source: list[Link]
    to_nats: list[Link]

    async def produce(self, count: int) -> None:
        for _ in range(count):
            self.source.append(300)
            await asyncio.sleep(PERIOD_S)

    async def stored(self, sequence: int) -> None:
        """Return once the subject holds this many messages."""
        async with asyncio.timeout(TIMEOUT_S):
            client = await nats.connect(self.server.url)
            try:
                while (await client.jetstream().stream_info(STREAM)).state.messages < sequence:  # noqa: ASYNC110 - nobody announces it
                    await asyncio.sleep(POLL_S)
            finally:
                await client.close()

    async def assert_whole(self) -> None:
        """Assert that every produced event is stored once, in order, to the byte."""
        entries = [self.source.feed.store.get(at) for at in range(1, self.source.feed.store.last_sequence + 1)]
        wanted = [pb.WatchFramesResponse.FromString(entry.response) for entry in entries if entry is not None]
        found = await read_subject(self.server.port, SUBJECT, STREAM)
        assert [_identity(message) for message in found] == [
            (each.context.id, each.context.sequence, each.frame.SerializeToString(deterministic=True))
            for each in wanted
        ]


def _identity(message: Stored) -> tuple[str, int, bytes]:
    return message.headers["ce-id"], int(message.headers["ce-sequence"]), message.data


@asynccontextmanager
async def rig(directory: Path, bridges: int, retention: Retention = RETENTION) -> AsyncIterator[Rig]:
    source = FrameSource(retention, FlowControl.LOSSLESS)
    source.feed.replayed()
    source.gate.set()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(NatsServer(directory / "nats"))
        client = await nats.connect(server.url)
        window = {"duplicate_window": WINDOW_S * 1_000_000_000}
        await init(client, {name: {**config, **window} for name, config in wanted_streams(0.1).items()})
        await client.close()
        port = await stack.enter_async_context(served(source))
        made = Rig(source, port, server, [], [], [])
        for number in range(bridges):
            made.to_source.append(await stack.enter_async_context(Link("source", port)))
            made.to_nats.append(await stack.enter_async_context(Link("nats", server.port)))
            home = directory / f"bridge-{number}"
            home.mkdir()
            addresses = f"127.0.0.1:{made.to_source[-1].port}", f"nats://127.0.0.1:{made.to_nats[-1].port}"
            environment = bridge_environment(home, *addresses)
            log = home / "bridge.log"
            made.bridges.append(await stack.enter_async_context(process(*BRIDGE, log=log, env=environment)))
        yield made


async def troubled(links: Sequence[Link], trouble: Trouble, duration_s: float) -> None:
    async with asyncio.TaskGroup() as group:
        for link in links:
            group.create_task(link.suffer(trouble, duration_s))


@pytest.mark.asyncio
async def test_two_bridges_on_the_same_channel_leave_one_history(tmp_path: Path) -> None:
    async with rig(tmp_path, bridges=2) as running:
        await running.produce(1000)
        await running.stored(1000)
        await running.assert_whole()


@pytest.mark.asyncio
async def test_the_second_bridge_continues_while_the_first_is_stopped_for_longer_than_any_window(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path, bridges=2) as running:
        first, _second = running.bridges
        async with asyncio.TaskGroup() as group:
            producing = group.create_task(running.produce(3000))
            await running.stored(200)
            os.kill(first.pid, signal.SIGSTOP)
            await asyncio.sleep(ACK_TIMEOUT_S + 2 * WINDOW_S)
            os.kill(first.pid, signal.SIGCONT)
            await producing
        await running.stored(3000)
        await running.assert_whole()


@pytest.mark.asyncio
async def test_a_single_stopped_bridge_resumes_where_it_was(tmp_path: Path) -> None:
    async with rig(tmp_path, bridges=1) as running:
        async with asyncio.TaskGroup() as group:
            producing = group.create_task(running.produce(3000))
            await running.stored(200)
            os.kill(running.bridges[0].pid, signal.SIGSTOP)
            await asyncio.sleep(ACK_TIMEOUT_S + 2 * WINDOW_S)
            os.kill(running.bridges[0].pid, signal.SIGCONT)
            await producing
        await running.stored(3000)
        await running.assert_whole()


@pytest.mark.asyncio
async def test_disturbed_connections_cause_no_loss_duplicate_or_reordering(tmp_path: Path) -> None:
    async with rig(tmp_path, bridges=2) as running:
        async with asyncio.TaskGroup() as group:
            producing = group.create_task(running.produce(5000))
            await running.stored(50)
            for trouble in Trouble:
                await troubled([running.to_nats[0], running.to_source[1]], trouble, 0.7)
                await troubled([*running.to_nats, *running.to_source], trouble, 0.7)
            await producing
        await running.stored(5000)
        await running.assert_whole()


@pytest.mark.asyncio
async def test_a_restarted_source_gets_confirmations_of_stored_events_again(tmp_path: Path) -> None:
    port = free_port()
    async with NatsServer(tmp_path / "nats") as server:
        client = await nats.connect(server.url)
        await init(client, wanted_streams(0.1))
        await client.close()
        environment = bridge_environment(tmp_path, f"127.0.0.1:{port}", server.url)
        async with process(*BRIDGE, log=tmp_path / "bridge.log", env=environment):
            for _life in range(2):
                source = filled_source(50)
                async with served(source, port):
                    await confirmed(source, 50)


def filled_source(count: int) -> FrameSource:
    """Return a source that has produced its events again, as after a restart."""
    source = FrameSource(RETENTION, FlowControl.LOSSLESS)
    for _ in range(count):
        source.append(300)
    source.feed.replayed()
    source.gate.set()
    return source


async def confirmed(source: FrameSource, sequence: int) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while source.feed.readers.confirmed["bridge"] < sequence:
            await source.feed.change.wait(1.0)
