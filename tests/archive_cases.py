"""An archive behind a real server and a real nats-server, filled with what live feeds have streamed."""

import asyncio
import inspect
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
from nats.aio.client import Client

import adapters.archive.wiring
from adapters.archive.config import ArchiveSettings
from adapters.archive.service import ArchiveServicer
from adapters.jetstream.client.connection import connect as connect_nats
from adapters.jetstream.client.writer import Message, SubjectWriter, leading_batch
from adapters.jetstream.codec.cloudevents import to_headers
from adapters.jetstream.topology.streams import init, wanted_streams
from botspec.example import example_bots
from botspec.model import load_bot_spec
from mesh.feeds.token import decode, short_digest
from mesh.serving.health import Health
from mesh.serving.interceptor import MeshInterceptor
from mesh.serving.rpc_metrics import RpcMetrics
from mesh.serving.runtime import ServiceContext
from mesh.serving.server import MeshServer
from mesh.telemetry.telemetry import Telemetry
from nats_server import NatsServer
from qiki.archive.v1.archive_service_pb2 import ListArchiveRequest, WatchArchiveRequest, WatchArchiveResponse
from qiki.archive.v1.archive_service_pb2_grpc import ArchiveServiceStub
from qiki_sdk.audit import AuditReporter
from qiki_sdk.channel import connect
from qiki_sdk.errors import QikiError, from_rpc_error

HEARTBEAT_S = 0.1
WAIT_S = 20.0
TIMEOUT_S = 5.0
# The bot with a channel for every feed.
BOT_SPEC = example_bots()["inspection-craft"]
BUS = load_bot_spec(BOT_SPEC).spec
CHANNELS = {channel.name: channel for channel in BUS.channels}


class Archive:
    """A running archive, the JetStream beneath it, and a way to put live responses there as the bridge does."""

    def __init__(self, server: MeshServer, servicer: ArchiveServicer, nats: NatsServer, client: Client) -> None:
        self.server = server
        self.servicer = servicer
        self.nats = nats
        self.client = client

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    async def store(self, channel: str, responses: Sequence[Any]) -> None:
        """Put Watch responses of any service onto the channel's subject, unconditionally in order."""
        declared = CHANNELS[channel]
        writer = SubjectWriter(self.client, declared.stream, declared.subject)
        tail = await writer.tail(TIMEOUT_S)
        last = tail.sequence if tail else 0
        messages = [to_message(response) for response in responses]
        while messages:
            count = leading_batch(messages)
            last = await writer.append(messages[:count], last, TIMEOUT_S)
            messages = messages[count:]

    async def trim(self, channel: str, first_kept: int) -> None:
        """Remove the channel's messages before this stream sequence, which starts at 1 if it alone is filled."""
        declared = CHANNELS[channel]
        await self.client.jetstream().purge_stream(declared.stream, subject=declared.subject, seq=first_kept)

    async def consumers(self, channel: str) -> list[str]:
        """Return the names of the archive's consumers of the channel's stream."""
        found = await self.client.jetstream().consumers_info(CHANNELS[channel].stream)
        return [each.name for each in found if each.name.startswith("reader-")]


class Reader:
    """A client of one channel of the archive."""

    def __init__(self, stub: Any, channel: str) -> None:
        self.stub = stub
        self.channel = channel

    def request(self, **fields: Any) -> WatchArchiveRequest:
        return WatchArchiveRequest(**{"channel": self.channel, **fields})

    def watch(self, **fields: Any) -> Any:
        return self.stub.WatchArchive(self.request(**fields))

    async def runs(self) -> list[Any]:
        response = await self.stub.ListArchive(ListArchiveRequest(), timeout=WAIT_S)
        return list(next(each for each in response.channels if each.channel == self.channel).runs)


@asynccontextmanager
async def archive(directory: Path, **settings: Any) -> AsyncIterator[Archive]:
    """Serve an empty archive."""
    async with NatsServer(directory / "nats") as nats, served_on(nats, **settings) as running:
        await init(running.client, wanted_streams(BUS, 0.1))
        yield running


@asynccontextmanager
async def served_on(nats: NatsServer, port: int = 0, **settings: Any) -> AsyncIterator[Archive]:
    """Serve an archive of what a nats-server holds."""
    common = {"grpc_port": 0, "http_port": 0, "registrar_target": "", "heartbeat_s": HEARTBEAT_S}
    common |= {"bot_spec": BOT_SPEC, **settings}
    base = ServiceContext(Health("test", stall_s=60.0), Telemetry("test"), AuditReporter("", "test"))
    parts = adapters.archive.wiring.build(ArchiveSettings(nats_url=nats.url, **common), base)
    interceptor = MeshInterceptor(RpcMetrics(base.telemetry.registry), base.telemetry)
    server = MeshServer(f"127.0.0.1:{port}", parts.mounts, parts.streams, base.health, interceptor)
    await server.start()
    base.health.up()
    client = await connect_nats(nats.url, "test", lambda _event: None)
    servicer: Any = parts.mounts[0].servicer
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_run(loop)) for loop in parts.loops]
        try:
            await until(lambda: servicer.facts()["nats"] == "connected")
            yield Archive(server, servicer, nats, client)
        finally:
            await server.drain()
            for task in tasks:
                task.cancel()
            await client.close()


@asynccontextmanager
async def reader_of(running: Archive, channel: str) -> AsyncIterator[Reader]:
    async with connect(running.target) as transport:
        yield Reader(ArchiveServiceStub(transport), channel)


def to_message(response: Any) -> Message:
    """Return the message that the bridge makes of a response."""
    payload = payload_of(response)
    headers = to_headers(response.context, response.resume_token, None)
    return Message(headers, payload.SerializeToString(deterministic=True))


def payload_of(response: Any) -> Any:
    return getattr(response, response.WhichOneof("event"))


def same(archived: WatchArchiveResponse, live: Any) -> bool:
    """Return whether an archived response is the live one: token, context and payload, to the byte."""
    return bool(
        archived.resume_token == live.resume_token
        and archived.context == live.context
        and payload_of(archived).SerializeToString(deterministic=True)
        == payload_of(live).SerializeToString(deterministic=True)
    )


def of_run(response: Any, run_id: str, created_s: int) -> Any:
    """Return a response as another run would have given it."""
    other = type(response).FromString(response.SerializeToString())
    other.context.run_id = run_id
    other.context.run_created.seconds = created_s
    other.context.id = str(uuid.uuid5(uuid.UUID(run_id), response.context.id))
    token = decode(other.resume_token)
    other.resume_token = type(token)(short_digest(run_id.encode()), token.feed, token.sequence, token.digest).encode()
    return other


async def until(holds: Callable[[], Any]) -> None:
    """Poll until the condition, plain or awaitable, is true: other processes set no event here."""
    async with asyncio.timeout(WAIT_S):
        while not (await found if inspect.isawaitable(found := holds()) else found):  # noqa: ASYNC110 (see above)
            await asyncio.sleep(0.01)


async def read(call: Any) -> Any:
    async with asyncio.timeout(WAIT_S):
        return await call.read()


async def take(call: Any, count: int) -> list[Any]:
    """Read that many responses other than heartbeats."""
    found: list[Any] = []
    while len(found) < count:
        response = await read(call)
        assert response is not grpc.aio.EOF, "the stream ended early"
        if response.WhichOneof("event") != "heartbeat":
            found.append(response)
    return found


async def take_all(call: Any) -> list[Any]:
    """Read to the stream's end; return all but heartbeats."""
    found: list[Any] = []
    while (response := await read(call)) is not grpc.aio.EOF:
        if response.WhichOneof("event") != "heartbeat":
            found.append(response)
    return found


def sequences(responses: Sequence[Any]) -> list[int]:
    return [response.context.sequence for response in responses]


async def refusal(call: Any) -> QikiError:
    """Read until the stream is refused; return the refusal, typed."""
    try:
        async with asyncio.timeout(WAIT_S):
            while await call.read() is not grpc.aio.EOF:
                pass
    except grpc.aio.AioRpcError as error:
        return from_rpc_error(error)
    raise AssertionError("the stream was not refused")


async def _run(loop: Callable[[], Any]) -> None:
    await loop()
