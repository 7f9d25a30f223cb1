"""Span exporters: OTLP by gRPC or HTTP, or the console; one line in the log when the collector goes away or returns."""

import logging
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter, SpanExportResult

from mesh.serving.errors import StartError
from mesh.telemetry.trace_settings import TraceSettings

# One try of a batch, retries included. It also bounds how long a stop waits for an absent collector.
EXPORT_TIMEOUT_S = 1.5
_HTTP_PATH = "/v1/traces"
_LOG = logging.getLogger(__name__)


def make_exporter(settings: TraceSettings) -> SpanExporter:
    """Return the exporter that the settings ask for.

    Raises:
        StartError: `http/protobuf` without the extra `otlp-http`.
    """
    if settings.exporter == "console":
        return ConsoleSpanExporter(out=sys.stderr)
    # Both libraries log each failed batch several times; `QuietExporter` reports the change instead.
    logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
    logging.getLogger("opentelemetry.sdk").setLevel(logging.ERROR)
    if settings.protocol == "http/protobuf":
        return QuietExporter(_http_exporter(settings.endpoint), settings.endpoint)
    insecure = urlsplit(settings.endpoint).scheme != "https"
    grpc_exporter = OTLPSpanExporter(endpoint=settings.endpoint, insecure=insecure, timeout=EXPORT_TIMEOUT_S)
    return QuietExporter(grpc_exporter, settings.endpoint)


def _http_exporter(endpoint: str) -> SpanExporter:
    try:
        from opentelemetry.exporter.otlp.proto.http import trace_exporter  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise StartError(
            "OTLP over HTTP needs the extra: pip install 'qiki-mesh[otlp-http]'; or set otlp_protocol to grpc"
        ) from error
    url = endpoint if urlsplit(endpoint).path.strip("/") else f"{endpoint.rstrip('/')}{_HTTP_PATH}"
    exporter: SpanExporter = trace_exporter.OTLPSpanExporter(endpoint=url, timeout=EXPORT_TIMEOUT_S)
    return exporter


class QuietExporter(SpanExporter):
    """Exporter that counts what another one exports, and logs only when the collector goes away or returns."""

    def __init__(self, exporter: SpanExporter, endpoint: str) -> None:
        self._exporter = exporter
        self._endpoint = endpoint
        self._away = False
        self._lost_since = 0
        self.exported = 0
        self.lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export a batch; a failed one is counted and not tried again."""
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self.exported += len(spans)
            self._returned()
        else:
            self._lost(len(spans))
        return result

    def shutdown(self) -> None:
        """Close the connection."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush what the exporter itself keeps."""
        return self._exporter.force_flush(timeout_millis)

    def _lost(self, spans: int) -> None:
        if not self._away:
            self._away, self._lost_since = True, self.lost
            _LOG.warning("the trace collector does not answer; spans are dropped", extra={"endpoint": self._endpoint})
        self.lost += spans

    def _returned(self) -> None:
        if self._away:
            self._away = False
            facts = {"endpoint": self._endpoint, "spans_lost": self.lost - self._lost_since}
            _LOG.info("the trace collector answers again", extra=facts)
