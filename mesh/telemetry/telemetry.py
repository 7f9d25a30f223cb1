"""Traces and metrics of one process: made once, passed to their users, flushed within a time limit at the end."""

import logging
import os
from collections.abc import Iterable
from importlib.metadata import version
from threading import Thread

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import NoOpTracerProvider, Tracer
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from mesh.telemetry.exporters import QuietExporter, make_exporter
from mesh.telemetry.spans import PlannedIds, WorkSpans
from mesh.telemetry.trace_settings import TraceSettings

# However long draining may take, spans delay no stop longer than this.
SHUTDOWN_S = 2.0
_LOG = logging.getLogger(__name__)
_NOT_TRACED = TraceSettings(exporter="none")


class Telemetry:
    """The tracer and the metrics registry of a service. Without an exporter nothing is traced, at no cost."""

    def __init__(self, service: str, traces: TraceSettings = _NOT_TRACED) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.traces = traces
        self._provider: TracerProvider | None = None
        self.tracer: Tracer = NoOpTracerProvider().get_tracer(service)
        self.spans = WorkSpans(traces.sample_ratio)
        if traces.enabled:
            ids = PlannedIds()
            self._provider = TracerProvider(
                id_generator=ids,
                resource=_resource(service),
                sampler=ParentBasedTraceIdRatio(traces.sample_ratio),
                shutdown_on_exit=False,  # at exit it would wait for an absent collector, without a limit of ours
            )
            exporter = make_exporter(traces)
            if isinstance(exporter, QuietExporter):
                self.registry.register(_SpanCollector(exporter))
            self._provider.add_span_processor(BatchSpanProcessor(exporter))
            self.tracer = self._provider.get_tracer(service)
            self.spans = WorkSpans(traces.sample_ratio, self.tracer, ids)

    def shutdown(self, timeout_s: float) -> None:
        """Export the remaining spans; give up after `timeout_s`, so that an absent collector delays no stop."""
        if self._provider is None:
            return
        limit_s = min(timeout_s, SHUTDOWN_S)
        worker = Thread(target=self._provider.shutdown, name="telemetry-shutdown", daemon=True)
        worker.start()
        worker.join(limit_s)
        if worker.is_alive():
            _LOG.warning("spans were not exported in time", extra={"timeout_s": limit_s})


def _resource(service: str) -> Resource:
    """Return the resource; OTEL_RESOURCE_ATTRIBUTES adds to it, and OTEL_SERVICE_NAME replaces the service's name."""
    attributes = {"service.namespace": "qiki", "service.version": version("qiki-mesh")}
    if not os.environ.get("OTEL_SERVICE_NAME"):
        attributes["service.name"] = service
    return Resource.create(attributes)


class _SpanCollector(Collector):
    def __init__(self, exporter: QuietExporter) -> None:
        self._exporter = exporter

    def collect(self) -> Iterable[Metric]:
        """Yield the number of spans by outcome."""
        spans = CounterMetricFamily("qiki_spans", "Spans handed to the exporter, by outcome.", labels=["outcome"])
        spans.add_metric(["exported"], self._exporter.exported)
        spans.add_metric(["lost"], self._exporter.lost)
        yield spans
