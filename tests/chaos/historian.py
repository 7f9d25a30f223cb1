"""A reader of the archive during all faults, which keeps every event received."""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import grpc

from botspec.model import load_bot_spec
from chain import SUBJECTS
from chaos.arena import BOT_SPEC, Arena
from chaos.proxy import HOST
from chaos.traces import Trace, difference
from chaos.watcher import NotRecovered
from qiki.archive.v1.archive_service_pb2 import WatchArchiveRequest
from qiki.archive.v1.archive_service_pb2_grpc import ArchiveServiceStub
from qiki_sdk.channel import connect
from qiki_sdk.errors import QikiError
from qiki_sdk.stream import Event, Stream

LINK = "archive-historian"
FINISH_TIMEOUT_S = 120.0
SILENCES = 2


@dataclass(slots=True)
class Historian:
    """Reads every derived channel of the archive from its first event on, by one stream each that is never recreated.

    `read` holds what came, by subject, in the order in which it came.
    """

    arena: Arena
    read: dict[str, list[Trace]] = field(default_factory=lambda: defaultdict(list))
    refusals: list[str] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _silences: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    async def run(self) -> None:
        """Read until cancelled, or until the archive refuses to go on."""
        link = self.arena.links.get(LINK)
        port = link.port if link else self.arena.mesh.ports["archive"]
        async with connect(f"{HOST}:{port}") as transport, asyncio.TaskGroup() as group:
            for subject, stream in archived(transport).items():
                group.create_task(self._follow(subject, stream))

    def places(self) -> Mapping[str, int]:
        """Return how many events were read, by the name of what they were read from."""
        return {f"archive of {subject}": len(traces) for subject, traces in self.read.items()}

    async def finished(self, expected: Mapping[str, Sequence[Trace]]) -> None:
        """Return once this many events were read and no more arrive, or the archive refused. Raises NotRecovered."""
        wanted = {subject: len(traces) for subject, traces in expected.items() if traces}
        try:
            async with asyncio.timeout(FINISH_TIMEOUT_S):
                self._silences.clear()
                while not (self.refusals or all(self._is_at_end(*each) for each in wanted.items())):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise NotRecovered(
                f"the archive was not read within {FINISH_TIMEOUT_S} s: {self.places()}, of {wanted}"
            ) from None

    def difference(self, expected: dict[str, list[Trace]]) -> str:
        """Return the refusal, or the first difference between events read and stored messages; empty if none."""
        if self.refusals:
            return self.refusals[0]
        found = difference(self.read, expected, of="JetStream")
        return f"archive: {found}" if found else ""

    async def _follow(self, subject: str, stream: Stream[Any]) -> None:
        try:
            async with aclosing(stream.items()) as items:
                async for item in items:
                    if isinstance(item, Event):
                        self.read[subject].append(_trace(item))
                        self._silences[subject] = 0
                    else:
                        self._silences[subject] += 1
                    self._news.set()
        except QikiError as error:
            self.refusals.append(f"archive of {subject}: {error}")
            self._news.set()

    def _is_at_end(self, subject: str, count: int) -> bool:
        # The first heartbeat opens a stream; events of a reopened stream would arrive before the second.
        return len(self.read[subject]) >= count and self._silences[subject] >= SILENCES


def archived(transport: grpc.aio.Channel) -> dict[str, Stream[Any]]:
    """Return a stream of each derived subject that the archive holds, from its first event on, by subject."""
    stub: Any = ArchiveServiceStub(transport)
    channels = load_bot_spec(BOT_SPEC).spec.channels
    return {
        channel.subject: Stream[Any](stub.WatchArchive, WatchArchiveRequest(channel=channel.name, from_oldest=True))
        for channel in channels
        if channel.subject in SUBJECTS
    }


def _trace(event: Event[Any]) -> Trace:
    payload = event.payload.SerializeToString(deterministic=True)
    return Trace(event.context.id, event.context.sequence, hashlib.sha256(payload).hexdigest())
