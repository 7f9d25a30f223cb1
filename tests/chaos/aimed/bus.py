"""The progress of every derived subject in JetStream, and its new messages since the last reading: by nats-py alone."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import nats
import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js.api import ConsumerConfig, DeliverPolicy

from chain import SUBJECTS
from chaos.traces import Trace

CONNECT_TIMEOUT_S = 1.0
ANSWER_TIMEOUT_S = 60.0
RETRY_S = 0.1
MESSAGE_TIMEOUT_S = 10.0
# Events are rare on the others: the absence of a new one proves nothing.
DENSE = ("qiki.sim.v1.world", "qiki.sim.v1.sensors", "qiki.radar.v1.frames", "qiki.radar.v1.tracks")


@dataclass(slots=True)
class Bus:
    """The derived subjects of one server."""

    port: int
    traces: dict[str, list[Trace]] = field(default_factory=lambda: {subject: [] for subject in SUBJECTS})
    _replay_points: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SUBJECTS, 0))

    async def counts(self) -> Mapping[str, int]:
        """Return how many messages each subject holds; waits for a server that is away, `ANSWER_TIMEOUT_S` at most."""
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            while True:
                try:
                    return await self._counts()
                except (OSError, TimeoutError, nats.errors.Error, nats.js.errors.Error):
                    await asyncio.sleep(RETRY_S)

    async def _counts(self) -> Mapping[str, int]:
        counts = dict.fromkeys(SUBJECTS, 0)
        async with self._connected() as client:
            for stream in sorted(set(SUBJECTS.values())):
                found = (await client.jetstream().stream_info(stream, subjects_filter="qiki.>")).state.subjects
                counts |= {subject: n for subject, n in (found or {}).items() if subject in SUBJECTS}
        return counts

    async def read(self) -> None:
        """Read the new messages of every subject since the last time."""
        async with self._connected() as client:
            for subject, stream in SUBJECTS.items():
                await self._read(client, subject, stream)

    async def _read(self, client: Client, subject: str, stream: str) -> None:
        context = client.jetstream()
        found = (await context.stream_info(stream, subjects_filter=subject)).state.subjects or {}
        missing = found.get(subject, 0) - len(self.traces[subject])
        if missing <= 0:
            return
        start = ConsumerConfig(
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=self._replay_points[subject] + 1
        )
        subscription = await context.subscribe(subject, stream=stream, ordered_consumer=True, config=start)
        for _ in range(missing):
            message = await subscription.next_msg(timeout=MESSAGE_TIMEOUT_S)
            headers = message.headers or {}
            digest = hashlib.sha256(message.data).hexdigest()
            self.traces[subject].append(Trace(headers["ce-id"], int(headers["ce-sequence"]), digest))
            self._replay_points[subject] = message.metadata.sequence.stream
        await subscription.unsubscribe()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Client]:
        client = await nats.connect(
            f"nats://127.0.0.1:{self.port}",
            allow_reconnect=False,
            connect_timeout=CONNECT_TIMEOUT_S,
            error_cb=_ignore,
        )
        try:
            yield client
        finally:
            await client.close()


def moved(before: Mapping[str, int], after: Mapping[str, int]) -> bool:
    """Return whether every dense subject holds more than before."""
    return all(after[subject] > before[subject] for subject in DENSE)


async def _ignore(_error: Exception) -> None:
    """Ignore errors of the connection: the campaign causes them on purpose."""
