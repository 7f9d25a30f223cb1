"""Metrics of the service as a whole: its version, whether it serves, its state directory, its audit events."""

import os
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mesh.serving.health import Health
from qiki_sdk.audit import AuditReporter


def watch_service(registry: CollectorRegistry, health: Health, state_dir: Path | None) -> None:
    """Export the service's version and health, and the space of its state directory if it has one."""
    build = Gauge("qiki_build_info", "1, labelled with the version.", ["service", "version"], registry=registry)
    build.labels(health.service, version("qiki-mesh")).set(1)
    serving = Gauge(
        "qiki_service_serving",
        "1 while the service serves, as gRPC health and /healthz report; else 0.",
        registry=registry,
    )
    serving.set_function(lambda: float(health.report().serving))
    if state_dir is not None:
        registry.register(_StateDirCollector(state_dir))


def watch_audit(registry: CollectorRegistry, audit: AuditReporter, *, delivers: bool) -> None:
    """Export the counts of audit events; no value where none is delivered, as in a service without a registrar."""
    registry.register(_AuditCollector(audit, delivers))


class _StateDirCollector(Collector):
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Iterable[Metric]:
        """Yield the space of the directory's file system; none where the system cannot be asked."""
        free = GaugeMetricFamily(
            "qiki_state_dir_free_bytes", "Bytes that may still be written on the state directory's file system."
        )
        size = GaugeMetricFamily("qiki_state_dir_size_bytes", "Bytes of the state directory's file system in all.")
        try:
            found = os.statvfs(self._directory)
        except OSError:
            pass
        else:
            free.add_metric([], found.f_bavail * found.f_frsize)
            size.add_metric([], found.f_blocks * found.f_frsize)
        yield from (free, size)


class _AuditCollector(Collector):
    def __init__(self, audit: AuditReporter, delivers: bool) -> None:
        self._audit = audit
        self._delivers = delivers

    def collect(self) -> Iterable[Metric]:
        """Yield the number of events reported, and of each outcome."""
        counts = self._audit.counts()
        ended = CounterMetricFamily("qiki_audit_events", "Reported events by what became of them.", labels=["outcome"])
        waiting = GaugeMetricFamily("qiki_audit_waiting_events", "Reported events that wait for the registrar.")
        if self._delivers:
            ended.add_metric(["delivered"], counts.delivered)
            ended.add_metric(["rejected"], counts.rejected)
            ended.add_metric(["dropped"], counts.dropped)
            waiting.add_metric([], counts.waiting)
        yield from (ended, waiting)
