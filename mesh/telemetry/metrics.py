"""Metrics computed when they are scraped: the position of each feed, the lag of its readers, the audit counts."""

from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mesh.feeds.feed import Feed
from qiki_sdk.audit import AuditReporter


def watch_feeds(registry: CollectorRegistry, feeds: Sequence[Feed]) -> None:
    """Export the feeds on `/metrics`."""
    if feeds:
        registry.register(_FeedCollector(feeds))


def watch_audit(registry: CollectorRegistry, audit: AuditReporter) -> None:
    """Export on `/metrics` the counts of audit events."""
    registry.register(_AuditCollector(audit))


class _AuditCollector(Collector):
    def __init__(self, audit: AuditReporter) -> None:
        self._audit = audit

    def collect(self) -> Iterable[Metric]:
        """Yield the number of events reported, and of each outcome."""
        counts = self._audit.counts()
        ended = CounterMetricFamily("qiki_audit_events", "Reported events by what became of them.", labels=["outcome"])
        ended.add_metric(["delivered"], counts.delivered)
        ended.add_metric(["rejected"], counts.rejected)
        ended.add_metric(["dropped"], counts.dropped)
        waiting = GaugeMetricFamily("qiki_audit_waiting_events", "Reported events that wait for the registrar.")
        waiting.add_metric([], counts.waiting)
        yield from (ended, waiting)


class _FeedCollector(Collector):
    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._feeds = feeds

    def collect(self) -> Iterable[Metric]:
        """Yield the metric families; a feed without a run has none."""
        last = CounterMetricFamily("qiki_feed_events", "Events of the run so far: the last sequence.", labels=["feed"])
        kept = GaugeMetricFamily("qiki_feed_ring_events", "Events kept in the ring.", labels=["feed"])
        size = GaugeMetricFamily("qiki_feed_ring_bytes", "Bytes kept in the ring.", labels=["feed"])
        readers = GaugeMetricFamily("qiki_feed_open_readers", "Streams open.", labels=["feed"])
        confirmed = GaugeMetricFamily(
            "qiki_feed_confirmed_sequence", "Sequence that a required reader has confirmed.", labels=["feed", "reader"]
        )
        held = GaugeMetricFamily(
            "qiki_feed_held", "1 for the required reader that a lossless producer waits for.", labels=["feed", "reader"]
        )
        blocked = GaugeMetricFamily(
            "qiki_feed_blocked_seconds",
            "For how long a lossless producer has waited for the required reader.",
            labels=["feed", "reader"],
        )
        for feed in self._feeds:
            if feed.run is None:
                continue
            store = feed.store
            last.add_metric([feed.name], store.last_sequence)
            kept.add_metric([feed.name], store.last_sequence - store.oldest_sequence + 1)
            size.add_metric([feed.name], store.size_bytes)
            readers.add_metric([feed.name], feed.open_readers)
            for reader, sequence in feed.readers.confirmed.items():
                confirmed.add_metric([feed.name, reader], sequence)
                held.add_metric([feed.name, reader], int(reader == feed.blocked_by))
                blocked.add_metric([feed.name, reader], feed.blockage.seconds if reader == feed.blocked_by else 0.0)
        yield from (last, kept, size, readers, confirmed, held, blocked)
