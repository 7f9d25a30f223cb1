"""Lag of the mesh's durables on JetStream, asked of the server itself while events of others come in."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import nats
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import Error as JetStreamError
from outcome import SmokeError, say

from mesh.tasks import task_group
from qiki_sdk.audit_event import make_event
from qiki_sdk.codes import BOOT_OK

# stream and name
DURABLES = (
    ("QIKI_EVENTS_V1", "registrar_intake"),
    ("QIKI_COMMANDS_V1", "sim_commands"),
    ("QIKI_DLQ_V1", "dlq_advisories"),
)
DEAD_LETTERS = "QIKI_DLQ_V1"
WATCH_S = 10
PERIOD_S = 0.5
# The limit is what comes in within two seconds: a durable that stands still exceeds it.
EVENTS_PER_S = 50
LAG_LIMIT = 2 * EVENTS_PER_S
SUBJECT, REPORTER = "qiki.events.v1.smoke", "smoke"


@dataclass(slots=True)
class LagSeen:
    """The largest lag of each durable, in messages not delivered or not acknowledged, and the dead letters."""

    largest: dict[tuple[str, str], int] = field(default_factory=dict)
    dead_letters: int = 0

    def problems(self) -> Iterator[str]:
        """Yield each durable whose lag was not always below the limit, and that events were dead-lettered."""
        for (stream, name), lag in self.largest.items():
            if lag >= LAG_LIMIT:
                yield f"{name} on {stream}: its lag was {lag} messages, it must stay below {LAG_LIMIT}"
        if self.dead_letters:
            yield f"{DEAD_LETTERS}: {self.dead_letters} messages were dead-lettered"


async def watch_lag(url: str) -> LagSeen:
    """Publish events of others for WATCH_S seconds and watch the lag of the durables. Raises SmokeError."""
    say(f"watching the lag of {len(DURABLES)} durables for {WATCH_S} s, with {EVENTS_PER_S} events of others a second")
    seen = LagSeen()
    try:
        async with asyncio.timeout(3 * WATCH_S), _connected(url) as jetstream:
            async with task_group(Exception) as group:
                publishing = group.create_task(_publish(jetstream))
                while not publishing.done():
                    await _look(jetstream, seen)
                    await asyncio.sleep(PERIOD_S)
            await _look(jetstream, seen)
    except (TimeoutError, OSError, NatsError, JetStreamError) as error:
        raise SmokeError(f"the lag of the durables cannot be watched: {error!r}") from error
    return seen


async def _look(jetstream: JetStreamContext, seen: LagSeen) -> None:
    for durable in DURABLES:
        info = await jetstream.consumer_info(*durable)
        lag = (info.num_pending or 0) + (info.num_ack_pending or 0)
        seen.largest[durable] = max(lag, seen.largest.get(durable, 0))
    seen.dead_letters = (await jetstream.stream_info(DEAD_LETTERS)).state.messages


async def _publish(jetstream: JetStreamContext) -> None:
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    for number in range(1, WATCH_S * EVENTS_PER_S + 1):
        event = make_event(REPORTER, BOOT_OK, f"smoke {number}")
        headers = {
            "ce-specversion": "1.0",
            "ce-id": event.event_id,
            "ce-source": "/others/smoke",
            "ce-type": "qiki.registrar.v1.AuditEvent",
            "ce-datacontenttype": "application/protobuf",
        }
        await jetstream.publish(SUBJECT, event.SerializeToString(), headers=headers)
        await asyncio.sleep(max(0.0, began_s + number / EVENTS_PER_S - loop.time()))


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[JetStreamContext]:
    client = await nats.connect(url, allow_reconnect=False)
    try:
        yield client.jetstream()
    finally:
        await client.close()
