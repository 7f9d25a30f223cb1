"""Traces and metrics of one process: made once, passed to their users, flushed within a time limit at the end."""

import logging
from threading import Thread

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import NoOpTracerProvider, Tracer
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from mesh.telemetry.spans import PlannedIds, WorkSpans

_LOG = logging.getLogger(__name__)


class Telemetry:
    """The tracer and the metrics registry of a service. Without an endpoint nothing is traced, at no cost."""

    def __init__(self, service: str, otlp_endpoint: str, sample_ratio: float) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._provider: TracerProvider | None = None
        self.tracer: Tracer = NoOpTracerProvider().get_tracer(service)
        self.spans = WorkSpans(sample_ratio)
        if otlp_endpoint:
            ids = PlannedIds()
            self._provider = TracerProvider(
                id_generator=ids,
                resource=Resource.create({"service.name": service, "service.namespace": "qiki"}),
                sampler=ParentBasedTraceIdRatio(sample_ratio),
            )
            exporter = OTLPSpanExporter(endpoint=otlp_endpoint, insecure=True, timeout=2)
            self._provider.add_span_processor(BatchSpanProcessor(exporter))
            self.tracer = self._provider.get_tracer(service)
            self.spans = WorkSpans(sample_ratio, self.tracer, ids)

    def shutdown(self, timeout_s: float) -> None:
        """Export the remaining spans; give up after `timeout_s`, so that an absent collector delays no stop."""
        if self._provider is None:
            return
        worker = Thread(target=self._provider.shutdown, name="telemetry-shutdown", daemon=True)
        worker.start()
        worker.join(timeout_s)
        if worker.is_alive():
            _LOG.warning("spans were not handed over in time", extra={"timeout_s": timeout_s})
