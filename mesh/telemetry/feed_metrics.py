"""Metrics of the feeds, computed when they are scraped: position, history kept, readers and their lag."""

from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mesh.clock import NS_PER_S
from mesh.feeds.feed import Feed


def watch_feeds(registry: CollectorRegistry, feeds: Sequence[Feed]) -> None:
    """Export the feeds on `/metrics`."""
    if feeds:
        registry.register(_FeedCollector(feeds))


class _FeedCollector(Collector):
    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._feeds = feeds

    def collect(self) -> Iterable[Metric]:
        """Yield the metric families; a feed without a run has only counts since the start of the process."""
        yield from _counters(self._feeds)
        feeds = [feed for feed in self._feeds if feed.run is not None]
        yield _position(feeds)
        yield from _history(feeds)
        yield from _readers(feeds)


def _counters(feeds: Sequence[Feed]) -> Iterable[Metric]:
    """Yield the counts that exist from the start: `increase()` does not see the first value of a series."""
    labels = ["feed"]
    sent = CounterMetricFamily("qiki_feed_sent_events", "Events sent to readers.", labels=labels)
    resumed = CounterMetricFamily("qiki_feed_resumed_streams", "Streams opened with a resume token.", labels=labels)
    gaps = CounterMetricFamily(
        "qiki_feed_gaps", "Readers refused because the event after their token is no longer kept.", labels=labels
    )
    for feed in feeds:
        sent.add_metric([feed.name], feed.counts.sent)
        resumed.add_metric([feed.name], feed.counts.resumed)
        gaps.add_metric([feed.name], feed.counts.gaps)
    yield from (sent, resumed, gaps)


def _position(feeds: Sequence[Feed]) -> Metric:
    last = CounterMetricFamily("qiki_feed_events", "Events of the run so far: the last sequence.", labels=["feed"])
    for feed in feeds:
        last.add_metric([feed.name], feed.store.last_sequence)
    return last


def _history(feeds: Sequence[Feed]) -> Iterable[Metric]:
    labels = ["feed"]
    kept = GaugeMetricFamily("qiki_feed_ring_events", "Events kept.", labels=labels)
    size = GaugeMetricFamily("qiki_feed_ring_bytes", "Bytes of the events kept.", labels=labels)
    occupancy = GaugeMetricFamily(
        "qiki_feed_ring_occupancy_ratio",
        "Share of the retention in use, of its bytes or of its time, the larger.",
        labels=labels,
    )
    newest = GaugeMetricFamily(
        "qiki_feed_newest_event_timestamp_seconds", "Unix time at which the newest event was made.", labels=labels
    )
    for feed in feeds:
        store = feed.store
        kept.add_metric([feed.name], store.last_sequence - store.oldest_sequence + 1)
        size.add_metric([feed.name], store.size_bytes)
        if (used := feed.occupancy) is not None:
            occupancy.add_metric([feed.name], used)
        if feed.newest_recorded_ns:
            newest.add_metric([feed.name], feed.newest_recorded_ns / NS_PER_S)
    yield from (kept, size, occupancy, newest)


def _readers(feeds: Sequence[Feed]) -> Iterable[Metric]:
    labels = ["feed", "reader"]
    readers = GaugeMetricFamily("qiki_feed_open_readers", "Streams open.", labels=["feed"])
    confirmed = GaugeMetricFamily(
        "qiki_feed_confirmed_sequence", "Sequence that a required reader has confirmed.", labels=labels
    )
    lag = GaugeMetricFamily(
        "qiki_feed_reader_lag_events", "Events that a required reader has not confirmed yet.", labels=labels
    )
    blocked = GaugeMetricFamily(
        "qiki_feed_blocked", "1 for the required reader that a lossless producer waits for, else 0.", labels=labels
    )
    blocked_s = GaugeMetricFamily(
        "qiki_feed_blocked_seconds",
        "For how long a lossless producer has waited for the required reader.",
        labels=labels,
    )
    for feed in feeds:
        readers.add_metric([feed.name], feed.open_readers)
        last = feed.store.last_sequence
        for reader, sequence in feed.readers.confirmed.items():
            blocks = reader == feed.blocked_by
            confirmed.add_metric([feed.name, reader], sequence)
            lag.add_metric([feed.name, reader], max(0, last - sequence))
            blocked.add_metric([feed.name, reader], int(blocks))
            blocked_s.add_metric([feed.name, reader], feed.blockage.seconds if blocks else 0.0)
    yield from (readers, confirmed, lag, blocked, blocked_s)
