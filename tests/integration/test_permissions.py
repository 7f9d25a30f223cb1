"""NATS permissions derived from the BotSpec: a real server enforces them, and every program can do its work."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import nats
import nats.errors
import pytest
from nats.aio.client import Client

from adapters.jetstream.client.connection import connect
from adapters.jetstream.client.reader import SubjectReader
from adapters.jetstream.topology import consumers, streams
from adapters.jetstream.topology.permissions import password_variable, server_config, users
from botspec.bus.streams import Durable
from bridge_process import BRIDGE, bridge_environment, process
from declared import BUS
from frame_source import STREAM, SUBJECT, FrameSource, served
from mesh.feeds.ring import Retention
from nats_server import NatsServer

RETENTION = Retention(10**18, 64 * 1024**2)
FRAMES = 20
WAIT_S = 30.0
AGENT = Durable(
    name="agent",
    stream=STREAM,
    filter_subject=SUBJECT,
    ack_wait_s=1.0,
    max_deliver=4,
    max_ack_pending=5,
    backoff_s=(1.0, 2.0),
)
DECLARED = BUS.model_copy(update={"durables": (*BUS.durables, AGENT)})


@asynccontextmanager
async def guarded_server(directory: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NatsServer]:
    """Run nats-server with the derived users; each user's password is its name."""
    for user in users(DECLARED):
        monkeypatch.setenv(password_variable(user.name), f"{user.name}-password")
    config = directory / "authorization.conf"
    config.write_text(server_config(DECLARED))
    async with NatsServer(directory / "nats", "-c", str(config)) as server:
        yield server


def url(server: NatsServer, user: str) -> str:
    return server.url.replace("//", f"//{user}:{user}-password@")


@asynccontextmanager
async def client_of(server: NatsServer, user: str) -> AsyncIterator[Client]:
    client = await connect(url(server, user), "test", lambda _event: None)
    try:
        yield client
    finally:
        await client.close()


def violations(server: NatsServer) -> list[str]:
    log = (server.store_dir / "nats-server.log").read_text()
    return [line for line in log.splitlines() if "iolation" in line]


async def stored(client: Client, stream: str, subject: str, count: int) -> None:
    async with asyncio.timeout(WAIT_S):
        while True:
            state = (await client.jetstream().stream_info(stream, subjects_filter=subject)).state
            if sum((state.subjects or {}).values()) >= count:
                return
            await asyncio.sleep(0.05)  # a stream announces nothing


@pytest.mark.asyncio
async def test_every_program_works_with_its_permissions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = FrameSource(RETENTION)
    source.feed.replayed()
    source.gate.set()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(guarded_server(tmp_path, monkeypatch))
        operator = await stack.enter_async_context(client_of(server, "operator"))
        await streams.init(operator, streams.wanted_streams(DECLARED, 0.01))
        assert len(await consumers.init(operator, DECLARED.durables)) == 4
        assert await consumers.check(operator, DECLARED.durables) == []
        port = await stack.enter_async_context(served(source))
        environment = bridge_environment(tmp_path, f"127.0.0.1:{port}", url(server, "bridge"))
        await stack.enter_async_context(process(*BRIDGE, log=tmp_path / "bridge.log", env=environment))
        for _ in range(FRAMES):
            source.append(300)
        await stored(operator, STREAM, SUBJECT, FRAMES)
        # An event that cannot be decoded: the bridge reads its durable, stores the dead letter, and ends the message.
        await operator.jetstream().publish("qiki.events.v1.test", b"x")
        await stored(operator, "QIKI_DLQ_V1", "qiki.dlq.v1.registrar_intake", 1)
        archive = await stack.enter_async_context(client_of(server, "archive"))
        reader = SubjectReader(archive, STREAM, SUBJECT, 1)
        read = [await reader.next(WAIT_S) for _ in range(FRAMES)]
        assert all(message is not None for message in read)
        await reader.close()
        agent = await stack.enter_async_context(client_of(server, "agent"))
        subscription = await agent.jetstream().pull_subscribe_bind(consumer="agent", stream=STREAM)
        for message in await subscription.fetch(AGENT.max_ack_pending, timeout=WAIT_S):
            await message.ack_sync(timeout=WAIT_S)
        info = await operator.jetstream().consumer_info(STREAM, "agent")
        assert info.ack_floor is not None
        assert info.ack_floor.consumer_seq == AGENT.max_ack_pending
        pilot = await stack.enter_async_context(client_of(server, "pilot"))
        assert (await pilot.jetstream().publish("qiki.commands.v1.qiki-01", b"x")).stream == "QIKI_COMMANDS_V1"
        await stored(operator, "QIKI_DLQ_V1", "qiki.dlq.v1.sim_commands", 1)
        assert violations(server) == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("user", "subject"),
    [
        ("bridge", "qiki.commands.v1.qiki-01"),
        ("bridge", "$JS.API.STREAM.PURGE.QIKI_RADAR_V1"),
        ("archive", "qiki.radar.v1.frames"),
        ("agent", "qiki.radar.v1.frames"),
        ("agent", "$JS.API.CONSUMER.MSG.NEXT.QIKI_EVENTS_V1.registrar_intake"),
        ("pilot", "qiki.commands.v1.another-bot"),
        ("pilot", "qiki.responses.v1.qiki-01"),
    ],
)
async def test_no_program_publishes_what_is_anothers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str, subject: str
) -> None:
    async with guarded_server(tmp_path, monkeypatch) as server, client_of(server, user) as client:
        await client.publish(subject, b"x")
        await client.flush()
        assert [line for line in violations(server) if f'"{subject}"' in line]


@pytest.mark.asyncio
async def test_without_a_password_nobody_connects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with guarded_server(tmp_path, monkeypatch) as server:
        with pytest.raises(nats.errors.Error, match="Authorization Violation"):
            await nats.connect(server.url, allow_reconnect=False, connect_timeout=5)
