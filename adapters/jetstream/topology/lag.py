"""Lag and stream usage, queried from the server at intervals; unknown values are absent, never 0."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nats.aio.client import Client
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from adapters.jetstream.client.errors import JetStreamError
from adapters.jetstream.topology import consumer_lag, streams
from adapters.jetstream.topology.consumer_lag import Lag
from adapters.jetstream.topology.streams import Fill
from botspec.bus.streams import DEAD_LETTERS
from botspec.sections import Bus
from mesh.tasks import raise_if_cancelled

PERIOD_S = 2.0
# An answer older than this is no longer valid.
KNOWN_FOR_S = 10.0


@dataclass(frozen=True, slots=True)
class LagSample:
    """One answer of the server, and its time of receipt on the monotonic clock, in seconds."""

    at_s: float
    lags: dict[tuple[str, str], Lag]
    fills: dict[str, Fill]


class LagWatch(Collector):
    """The last known lag of each durable, usage of each stream, and number of dead letters."""

    def __init__(self, registry: CollectorRegistry, bus: Bus) -> None:
        self._streams = tuple(stream.name for stream in bus.streams)
        self._dead_letters = bus.stream_of(DEAD_LETTERS)
        self._sample: LagSample | None = None
        registry.register(self)

    async def run(self, client: Client) -> None:
        """Query the server until cancelled."""
        while True:
            raise_if_cancelled()
            try:
                self._sample = await _ask(client, self._streams)
            except JetStreamError:
                self._sample = None
            await asyncio.sleep(PERIOD_S)

    def collect(self) -> Iterable[Metric]:
        """Yield the known values."""
        sample = self._known()
        yield from _lags(sample.lags if sample else {})
        yield from _fills(sample.fills if sample else {}, self._dead_letters)

    def facts(self) -> Mapping[str, object]:
        """Return the unprocessed messages of each durable: those not delivered yet and those not acknowledged."""
        sample = self._known()
        lags = sample.lags.items() if sample else ()
        return {f"{stream}/{name}": lag.pending + lag.ack_pending for (stream, name), lag in lags}

    def _known(self) -> LagSample | None:
        sample = self._sample
        return sample if sample is not None and time.monotonic() - sample.at_s <= KNOWN_FOR_S else None


async def _ask(client: Client, names: Sequence[str]) -> LagSample:
    at_s = time.monotonic()
    return LagSample(at_s, await consumer_lag.lags(client, names), await streams.fills(client, names))


def _lags(lags: dict[tuple[str, str], Lag]) -> Iterable[Metric]:
    labels = ["stream", "consumer"]
    pending = GaugeMetricFamily("qiki_jetstream_consumer_lag", "Messages not delivered yet.", labels=labels)
    out = GaugeMetricFamily(
        "qiki_jetstream_consumer_ack_pending", "Messages delivered and not acknowledged.", labels=labels
    )
    again = GaugeMetricFamily(
        "qiki_jetstream_consumer_redelivered", "Messages redelivered and not acknowledged.", labels=labels
    )
    age = GaugeMetricFamily(
        "qiki_jetstream_consumer_oldest_age_seconds", "Age of the oldest message not processed.", labels=labels
    )
    for consumer, lag in lags.items():
        pending.add_metric(list(consumer), lag.pending)
        out.add_metric(list(consumer), lag.ack_pending)
        again.add_metric(list(consumer), lag.redelivered)
        if lag.oldest_age_s is not None:
            age.add_metric(list(consumer), lag.oldest_age_s)
    yield from (pending, out, again, age)


def _fills(fills: dict[str, Fill], dead_letters: str) -> Iterable[Metric]:
    size = GaugeMetricFamily("qiki_jetstream_stream_bytes", "Bytes stored in a stream.", labels=["stream"])
    limit = GaugeMetricFamily(
        "qiki_jetstream_stream_limit_bytes", "Limit of the bytes stored in a stream.", labels=["stream"]
    )
    messages = GaugeMetricFamily("qiki_jetstream_stream_messages", "Messages stored in a stream.", labels=["stream"])
    dead = GaugeMetricFamily("qiki_jetstream_dead_letters", "Dead letters stored in the dead-letter stream.")
    for stream, fill in fills.items():
        size.add_metric([stream], fill.size_bytes)
        limit.add_metric([stream], fill.limit_bytes)
        messages.add_metric([stream], fill.messages)
        if stream == dead_letters:
            dead.add_metric([], fill.messages)
    yield from (size, limit, messages, dead)
