"""Reader of a durable consumer: batch after batch, across failures, until its connection is closed."""

import asyncio
from collections.abc import Awaitable, Callable

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from adapters.jetstream.client.errors import ConnectionGone, JetStreamError, NotFound
from adapters.jetstream.topology import consumers
from botspec.bus.streams import Durable
from mesh.serving.health import Heartbeat
from mesh.tasks import cleanup, raise_if_cancelled
from qiki_sdk.backoff import Backoff
from qiki_sdk.errors import QikiError

FETCH_TIMEOUT_S = 1.0


class DurableReader:
    """Pass batches to `process`, which acknowledges the messages that it completes; the others are redelivered."""

    def __init__(
        self,
        durable: Durable,
        fetch: int,
        process: Callable[[Client, list[Msg]], Awaitable[None]],
        heartbeat: Heartbeat,
        activity: str,
    ) -> None:
        self._durable = durable
        self._fetch = fetch
        self._process = process
        self._heartbeat = heartbeat
        self._activity = activity

    async def run(self, client: Client) -> None:
        """Read over this connection until it is closed.

        Raises:
            ConnectionGone: the connection is closed for good.
        """
        delays = Backoff(cap_s=2.0).delays()
        while not client.is_closed:
            raise_if_cancelled()
            try:
                await self._read(client)
                delays = Backoff(cap_s=2.0).delays()
                continue
            except (JetStreamError, QikiError, nats.errors.Error) as error:
                self._heartbeat.beat(f"waiting: {error}")
            await asyncio.sleep(next(delays))
        raise ConnectionGone("the NATS connection is closed")

    async def _read(self, client: Client) -> None:
        """Process batches until one fails; return when a fetch finds nothing, so that the consumer is checked again."""
        name, stream = self._durable.name, self._durable.stream
        if not await consumers.exists(client, self._durable):
            raise NotFound(f"durable {name} is missing; run `qiki nats init`")
        subscription = await client.jetstream().pull_subscribe_bind(consumer=name, stream=stream)
        try:
            while True:
                raise_if_cancelled()
                self._heartbeat.beat(self._activity)
                try:
                    messages = await subscription.fetch(self._fetch, timeout=FETCH_TIMEOUT_S)
                except (nats.errors.TimeoutError, TimeoutError):
                    return
                await self._process(client, messages)
        finally:
            await cleanup(subscription.unsubscribe())
