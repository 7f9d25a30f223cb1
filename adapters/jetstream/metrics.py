"""The bridge's metrics: its connection, its channels, the events and commands of others."""

from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from mesh.telemetry.labelled_counter import LabelledCounter

_BATCH_BUCKETS = (1, 2, 5, 10, 25, 50, 100, 200, 500, 1000)


@dataclass(frozen=True, slots=True)
class ChannelMetrics:
    """The metrics of one channel."""

    published: Counter
    resumes: Counter
    missing: Counter
    batch_size: Histogram
    publish_duration: Histogram
    waiting: Gauge
    publishing: Gauge
    unstored_seconds: Gauge
    cursor_lost: Gauge


class BridgeMetrics:
    """Create the metric families once and return each channel's metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._published = self._counter("qiki_bridge_published_messages", "Messages stored.")
        self._resumes = self._counter("qiki_bridge_resumes", "Reads of the subject's tail after an error.")
        self._missing = self._counter("qiki_bridge_missing_events", "Events missing at the source.")
        self._batches = self._histogram("qiki_bridge_batch_messages", "Messages per write.", _BATCH_BUCKETS)
        self._durations = self._histogram(
            "qiki_bridge_publish_duration_seconds", "Time from the sending of a write to its acknowledgement."
        )
        self._waiting = self._gauge("qiki_bridge_waiting_messages", "Events of the source not known to be stored.")
        self._publishing = self._gauge(
            "qiki_bridge_channel_publishing", "1 while events arrive and are stored, else 0."
        )
        self._unstored = self._gauge(
            "qiki_bridge_unstored_seconds",
            "Seconds since the last acknowledgement while messages wait; 0 while none does.",
        )
        self._cursors = self._gauge(
            "qiki_bridge_cursor_lost", "1 once the channel has stopped because its place in the stream is lost, else 0."
        )

    def channel(self, name: str) -> ChannelMetrics:
        """Return the metrics of a channel."""
        return ChannelMetrics(
            self._published.labels(name),
            self._resumes.labels(name),
            self._missing.labels(name),
            self._batches.labels(name),
            self._durations.labels(name),
            self._waiting.labels(name),
            self._publishing.labels(name),
            self._unstored.labels(name),
            self._cursors.labels(name),
        )

    def watch_connection(self, is_connected: Callable[[], bool]) -> None:
        """Export whether the bridge is connected to NATS."""
        connected = Gauge("qiki_bridge_connected", "1 while connected to NATS, else 0.", registry=self._registry)
        connected.set_function(lambda: float(is_connected()))

    def _counter(self, name: str, documentation: str) -> Counter:
        return Counter(name, documentation, ["channel"], registry=self._registry)

    def _gauge(self, name: str, documentation: str) -> Gauge:
        return Gauge(name, documentation, ["channel"], registry=self._registry)

    def _histogram(
        self, name: str, documentation: str, buckets: tuple[float, ...] = Histogram.DEFAULT_BUCKETS
    ) -> Histogram:
        return Histogram(name, documentation, ["channel"], registry=self._registry, buckets=buckets)


class IntakeMetrics:
    """The metrics of foreign events."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.recorded = Counter("qiki_intake_recorded_events", "Events recorded.", registry=registry)
        self.violations = Counter(
            "qiki_intake_violations", "Messages on the audit subject that are not in the log.", registry=registry
        )
        self.dead_lettered = LabelledCounter("qiki_intake_dead_letters", "Messages dead-lettered.", "reason", registry)


class CommandMetrics:
    """The metrics of commands."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.answered = LabelledCounter("qiki_commands_answered", "Commands answered.", "outcome", registry)
        self.returned = Counter("qiki_commands_returned", "Commands returned for redelivery.", registry=registry)
        self.dead_lettered = LabelledCounter(
            "qiki_commands_dead_letters", "Commands dead-lettered.", "reason", registry
        )
        self.exhausted = Counter(
            "qiki_jetstream_max_deliver_exhausted",
            "Messages that exhausted max_deliver, by advisory.",
            registry=registry,
        )
