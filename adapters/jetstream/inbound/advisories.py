"""Messages that exhausted max_deliver: dead-lettered according to the server's advisories."""

import json
import logging
from dataclasses import dataclass

from nats.aio.client import Client
from nats.aio.msg import Msg

from adapters.jetstream.client.messages import StoredMessage, get
from adapters.jetstream.inbound.dead_letters import DeadLetter, put
from adapters.jetstream.inbound.durable_reader import DurableReader
from adapters.jetstream.metrics import CommandMetrics
from botspec.bus.streams import Durable
from mesh.serving.runtime import ServiceContext
from qiki_sdk.codes import COMMAND_EXHAUSTED

FETCH = 10
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Advisory:
    """A server's advisory about a message: its stream and sequence, its consumer, and its number of deliveries."""

    stream: str
    consumer: str
    sequence: int
    deliveries: int


def read_advisory(body: bytes) -> Advisory | None:
    """Parse an advisory; return None where it is not one."""
    try:
        fields = json.loads(body)
        return Advisory(
            str(fields["stream"]), str(fields["consumer"]), int(fields["stream_seq"]), int(fields["deliveries"])
        )
    except (ValueError, KeyError, TypeError):
        return None


class AdvisoryReader:
    """Read the durable `dlq_advisories` until cancelled.

    A reader itself dead-letters a message after the last delivery. Where the reader died during that delivery, only the
    server knows. Both dead letters have the same message id, so that one is stored, in the stream `dead_letters`.
    """

    def __init__(self, durable: Durable, dead_letters: str, metrics: CommandMetrics, service: ServiceContext) -> None:
        self._dead_letters = dead_letters
        self._metrics = metrics
        self._audit = service.audit
        heartbeat = service.health.loop("advisories")
        self._reader = DurableReader(durable, FETCH, self._process, heartbeat, "reading advisories")

    async def run(self, client: Client) -> None:
        """Process advisories over this connection until it is closed.

        Raises:
            ConnectionGone: the connection is closed for good.
        """
        await self._reader.run(client)

    async def _process(self, client: Client, messages: list[Msg]) -> None:
        for message in messages:
            advisory = read_advisory(message.data)
            if advisory is None:
                _LOG.warning("an advisory cannot be read", extra={"subject": message.subject})
            else:
                await self._dead_letter(client, advisory)
            await message.ack()

    async def _dead_letter(self, client: Client, advisory: Advisory) -> None:
        origin = await get(client, advisory.stream, advisory.sequence)
        place = f"{advisory.stream}/{advisory.sequence}"
        if origin is None:
            _LOG.error("a message that exhausted max_deliver is no longer in its stream", extra={"place": place})
        else:
            detail = f"delivered {advisory.deliveries} times and never acknowledged"
            await put(client, self._dead_letters, _dead_letter_of(advisory, origin, detail))
        self._metrics.exhausted.inc()
        self._audit.report(
            COMMAND_EXHAUSTED,
            "a message was never acknowledged and " + ("is dead-lettered" if origin else "is gone from its stream"),
            key=f"advisory/{place}",
            consumer=advisory.consumer,
            place=place,
        )


def _dead_letter_of(advisory: Advisory, message: StoredMessage, detail: str) -> DeadLetter:
    return DeadLetter(
        consumer=advisory.consumer,
        stream=advisory.stream,
        sequence=advisory.sequence,
        subject=message.subject,
        headers=message.headers,
        payload=message.payload,
        reason="EXHAUSTED",
        detail=detail,
    )
