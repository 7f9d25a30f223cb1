"""Metrics of feeds, read when they are asked for: where each stands, what it keeps, who reads, who lags."""

from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mesh.feed import Feed


def watch_feeds(registry: CollectorRegistry, feeds: Sequence[Feed]) -> None:
    """Show the feeds on `/metrics`."""
    if feeds:
        registry.register(_FeedCollector(feeds))


class _FeedCollector(Collector):
    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._feeds = feeds

    def collect(self) -> Iterable[Metric]:
        """Yield the families; a feed without a run has none of them."""
        last = CounterMetricFamily("qiki_feed_events", "Events of the run so far: the last sequence.", labels=["feed"])
        kept = GaugeMetricFamily("qiki_feed_ring_events", "Events kept in the ring.", labels=["feed"])
        size = GaugeMetricFamily("qiki_feed_ring_bytes", "Bytes kept in the ring.", labels=["feed"])
        readers = GaugeMetricFamily("qiki_feed_open_readers", "Streams open.", labels=["feed"])
        confirmed = GaugeMetricFamily(
            "qiki_feed_confirmed_sequence", "Sequence that a required reader has confirmed.", labels=["feed", "reader"]
        )
        for feed in self._feeds:
            if feed.run is None:
                continue
            ring = feed.ring
            last.add_metric([feed.name], ring.last_sequence)
            kept.add_metric([feed.name], ring.last_sequence - ring.oldest_sequence + 1)
            size.add_metric([feed.name], ring.size_bytes)
            readers.add_metric([feed.name], feed.open_readers)
            for reader, sequence in feed.readers.confirmed.items():
                confirmed.add_metric([feed.name, reader], sequence)
        yield from (last, kept, size, readers, confirmed)
