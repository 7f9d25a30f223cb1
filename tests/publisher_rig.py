"""One publisher in this process between a real gRPC source and a real nats-server, and everything that it reports."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nats
from nats.aio.client import Client

from adapters.jetstream.client.connection import connect as connect_nats
from adapters.jetstream.codec.message_spans import MessageSpans
from adapters.jetstream.metrics import BridgeMetrics
from adapters.jetstream.outbound.channel import ChannelPublisher
from adapters.jetstream.outbound.source import Source
from adapters.jetstream.topology.streams import init
from botspec.example import example_bot_spec
from botspec.model import load_bot_spec
from chain import read_subject
from declared import wanted_streams
from frame_source import STREAM, SUBJECT, FrameSource, served
from mesh.feeds.ring import Retention
from mesh.serving.health import Health, HealthReport
from mesh.serving.runtime import ServiceContext
from mesh.tasks import task_group
from mesh.telemetry.telemetry import Telemetry
from nats_server import NatsServer
from qiki.radar.v1 import radar_service_pb2 as pb
from qiki_sdk.audit import AuditReporter
from qiki_sdk.channel import connect
from qiki_sdk.codes import Code

TIMEOUT_S = 60.0
POLL_S = 0.02
RETENTION = Retention(10**18, 256 * 1024**2)


class Reports(AuditReporter):
    """A spool that also keeps what was reported."""

    def __init__(self) -> None:
        super().__init__("", "bridge")
        self.events: list[tuple[str, str]] = []

    def report(self, code: Code, message: str = "", **fields: Any) -> str:
        self.events.append((code.name, message))
        return super().report(code, message, **fields)


class RecordingSource(FrameSource):
    """A source that keeps the sequences of all confirmations that came."""

    def __init__(self) -> None:
        super().__init__(RETENTION)
        self.confirmed: list[int] = []
        self.feed.replayed()
        self.gate.set()

    async def ConfirmFrames(self, request: pb.ConfirmFramesRequest, context: Any) -> pb.ConfirmFramesResponse:
        response = await super().ConfirmFrames(request, context)
        self.confirmed.append(response.confirmed_sequence)
        return response


@dataclass
class Rig:
    """A publisher that runs, and everything around it."""

    source: RecordingSource
    server: NatsServer
    publisher: ChannelPublisher
    base: ServiceContext
    reports: Reports
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def facts(self) -> Mapping[str, Any]:
        return self.publisher.facts()

    @property
    def health(self) -> HealthReport:
        self.base.health.up()
        return self.base.health.report()

    def metric(self, name: str) -> float:
        found = self.base.telemetry.registry.get_sample_value(name, {"channel": "frames"})
        assert found is not None
        return found

    def append(self, count: int, size_bytes: int = 200) -> None:
        for _ in range(count):
            self.source.append(size_bytes)

    async def confirmation(self) -> int:
        """Return the sequence of the next confirmation; the publisher confirms again as after the source's restart."""
        before = len(self.source.confirmed)
        self.publisher._confirmations.on_connection()
        await until(lambda: len(self.source.confirmed) > before)
        return self.source.confirmed[-1]

    async def stored(self) -> list[int]:
        """Return the sequences that are on the subject."""
        return [
            int(message.headers["ce-sequence"]) for message in await read_subject(self.server.port, SUBJECT, STREAM)
        ]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not holds():  # noqa: ASYNC110 - metrics and facts announce nothing
            await asyncio.sleep(POLL_S)


@asynccontextmanager
async def rig(
    directory: Path,
    source: RecordingSource,
    tail: dict[str, str] | None = None,
    before: Callable[[str], Awaitable[None]] | None = None,
    **radar_stream: Any,
) -> AsyncIterator[Rig]:
    """Run a publisher for as long as the block lasts.

    `tail` are the headers of a message that the subject holds beforehand; `before` is called with the server's address
    before the first event is published; `radar_stream` changes the stream's policy.
    """
    async with NatsServer(directory / "nats") as server, served(source) as port:
        client = await nats.connect(server.url)
        streams = wanted_streams(0.1)
        await init(client, {**streams, STREAM: {**streams[STREAM], **radar_stream}})
        if tail is not None:
            await client.jetstream().publish(SUBJECT, b"frame", headers=tail)
        await client.close()
        if before is not None:
            await before(server.url)
        async with carrying(source, server, port) as running:
            yield running


@asynccontextmanager
async def carrying(source: RecordingSource, server: NatsServer, port: int) -> AsyncIterator[Rig]:
    """Run a publisher between a running source and server, for as long as the block lasts."""
    reports = Reports()
    base = ServiceContext(Health("bridge", stall_s=60.0), Telemetry("bridge"), reports)
    spec = load_bot_spec(example_bot_spec()).spec
    channel = next(each for each in spec.channels if each.subject == SUBJECT)
    async with connect(f"127.0.0.1:{port}") as transport, task_group() as group:
        metrics = BridgeMetrics(base.telemetry.registry)
        publisher = ChannelPublisher(
            channel,
            Source(channel, transport, required=True),
            metrics,
            base,
            spans=MessageSpans(base.telemetry.tracer, server.url),
        )
        client: Client = await connect_nats(server.url, "publisher", lambda _event: None)
        loops = (publisher.publish(client), publisher.status.watch(), publisher.watch_backlog())
        tasks = [group.create_task(loop) for loop in loops]
        yield Rig(source, server, publisher, base, reports, tasks)
        for task in tasks:
            task.cancel()
        await client.close()
