"""How far each durable lags, asked of the server now and then; what is not known is absent, never 0."""

import asyncio
import time
from collections.abc import Iterable

from nats.aio.client import Client
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from adapters.jetstream import consumers
from adapters.jetstream.api import TopologyError
from adapters.jetstream.consumers import DURABLES, Lag

PERIOD_S = 2.0
# An answer older than this says nothing any more.
KNOWN_FOR_S = 10.0


class LagWatch(Collector):
    """The lags last heard, as `qiki_jetstream_consumer_lag` and `qiki_jetstream_consumer_ack_pending`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._heard: dict[tuple[str, str], tuple[float, Lag]] = {}
        registry.register(self)

    async def run(self, client: Client) -> None:
        """Ask for ever."""
        while True:
            for durable in DURABLES:
                try:
                    lag = await consumers.lag(client, durable)
                except TopologyError:
                    lag = None
                if lag is not None:
                    self._heard[durable.stream, durable.name] = (time.monotonic(), lag)
            await asyncio.sleep(PERIOD_S)

    def collect(self) -> Iterable[Metric]:
        """Yield what is known."""
        labels = ["stream", "consumer"]
        pending = GaugeMetricFamily("qiki_jetstream_consumer_lag", "Messages not delivered yet.", labels=labels)
        out = GaugeMetricFamily(
            "qiki_jetstream_consumer_ack_pending", "Messages delivered and not acknowledged.", labels=labels
        )
        for place, (heard_at, lag) in self._heard.copy().items():
            if time.monotonic() - heard_at <= KNOWN_FOR_S:
                pending.add_metric(list(place), lag.pending)
                out.add_metric(list(place), lag.ack_pending)
        yield from (pending, out)
