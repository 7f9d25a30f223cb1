"""Metrics of the registrar: events recorded, groups written together, the disk, and the log's length."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from mesh.telemetry.labelled_counter import LabelledCounter
from svc_registrar.log.log import Log

_GROUP_BUCKETS = (1, 2, 5, 10, 25, 50, 100, 200, 500, 1_000, 5_000)
_FSYNC_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class RegistrarMetrics:
    """The metrics of one log."""

    def __init__(self, registry: CollectorRegistry, log: Log) -> None:
        self.events = LabelledCounter("qiki_registrar_events", "Events recorded, by code.", "code", registry)
        self.group_events = Histogram(
            "qiki_registrar_group_events",
            "Events written and flushed together.",
            registry=registry,
            buckets=_GROUP_BUCKETS,
        )
        self.write_failures = Counter(
            "qiki_registrar_write_failures", "Writes to the log that failed, retries included.", registry=registry
        )
        flushes = Histogram(
            "qiki_registrar_fsync_duration_seconds",
            "Duration of a flush of the log to the disk.",
            registry=registry,
            buckets=_FSYNC_BUCKETS,
        )
        log.on_flush = flushes.observe
        length = Gauge("qiki_registrar_log_bytes", "Length of the log.", registry=registry)
        length.set_function(lambda: log.size_bytes)
