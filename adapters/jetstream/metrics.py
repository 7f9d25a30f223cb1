"""The bridge's metrics, by channel."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


@dataclass(frozen=True, slots=True)
class ChannelMetrics:
    """The metrics of one channel."""

    published: Counter
    resumes: Counter
    gaps: Counter
    batch_size: Histogram
    write_seconds: Histogram
    waiting: Gauge
    carrying: Gauge
    unstored_seconds: Gauge


class BridgeMetrics:
    """Create the metric families once and return each channel's metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["channel"]
        self._published = Counter("qiki_bridge_published", "Messages stored.", labels, registry=registry)
        self._resumes = Counter(
            "qiki_bridge_resumes", "Reads of the subject's tail after an error.", labels, registry=registry
        )
        self._gaps = Counter("qiki_bridge_missing", "Events missing at the source.", labels, registry=registry)
        buckets = (1, 2, 5, 10, 25, 50, 100, 200, 500, 1000)
        self._batches = Histogram(
            "qiki_bridge_batch_messages", "Messages per write.", labels, registry=registry, buckets=buckets
        )
        self._seconds = Histogram(
            "qiki_bridge_write_seconds", "Duration of a write in seconds.", labels, registry=registry
        )
        self._waiting = Gauge(
            "qiki_bridge_waiting", "Messages read and not known to be stored.", labels, registry=registry
        )
        self._carrying = Gauge(
            "qiki_bridge_carrying", "1 while events arrive and are stored, else 0.", labels, registry=registry
        )
        self._unstored = Gauge(
            "qiki_bridge_unstored_seconds",
            "Seconds since the last acknowledgement while messages wait; 0 while none does.",
            labels,
            registry=registry,
        )

    def channel(self, name: str) -> ChannelMetrics:
        """Return the metrics of a channel."""
        return ChannelMetrics(
            self._published.labels(name),
            self._resumes.labels(name),
            self._gaps.labels(name),
            self._batches.labels(name),
            self._seconds.labels(name),
            self._waiting.labels(name),
            self._carrying.labels(name),
            self._unstored.labels(name),
        )


class IntakeMetrics:
    """The metrics of foreign events."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.recorded = Counter("qiki_intake_recorded", "Events recorded.", registry=registry)
        self.dead_lettered = Counter(
            "qiki_intake_dead_letters", "Messages dead-lettered.", ["reason"], registry=registry
        )


class CommandMetrics:
    """The metrics of commands."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.answered = Counter("qiki_commands_answered", "Commands answered.", ["outcome"], registry=registry)
        self.returned = Counter("qiki_commands_given_back", "Commands returned for redelivery.", registry=registry)
        self.dead_lettered = Counter(
            "qiki_commands_dead_letters", "Commands dead-lettered.", ["reason"], registry=registry
        )
        self.exhausted = Counter(
            "qiki_dlq_advisories", "Messages that exhausted max_deliver, by advisory.", registry=registry
        )
