"""OTLP receiver: TraceService.Export over gRPC; an export is confirmed once it is stored, or refused and counted."""

import asyncio
import logging
from collections import Counter as Tally
from typing import Any, Final, NoReturn

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from prometheus_client import CollectorRegistry, Counter

from cli.views.trace.collector.otlp import MAX_EXPORT_BYTES, MalformedExportError, decode
from cli.views.trace.collector.store import StoreUnavailableError, TraceStore
from mesh.threads import finish_in_thread

SERVICE_NAME: Final = pb.DESCRIPTOR.services_by_name["TraceService"].full_name
# Exports that wait for the store. A mesh has one at a time from each service.
MAX_WAITING_EXPORTS: Final = 32
_LOG = logging.getLogger(__name__)


class TraceReceiver:
    """Receiver of exports. They are decoded and stored in a thread, one at a time."""

    def __init__(self, store: TraceStore, registry: CollectorRegistry) -> None:
        self._store = store
        self._one_at_a_time = asyncio.Lock()
        self._waiting = 0
        self._problem = ""
        self._tally: Tally[str] = Tally()
        self._exports = Counter("qiki_collector_exports", "Export requests by outcome.", ["outcome"], registry=registry)
        self._spans = Counter("qiki_collector_spans", "Spans received by outcome.", ["outcome"], registry=registry)

    async def export(
        self, request: bytes, context: "grpc.aio.ServicerContext[bytes, Any]"
    ) -> pb.ExportTraceServiceResponse:
        """Store the spans of an encoded ExportTraceServiceRequest.

        RESOURCE_EXHAUSTED: over `MAX_EXPORT_BYTES`, or the store cannot take them. UNAVAILABLE: too many exports wait.
        INVALID_ARGUMENT: the bytes are no such request. Single unusable spans are reported as a partial success.
        """
        if len(request) > MAX_EXPORT_BYTES:
            text = f"the export has {len(request)} bytes, over {MAX_EXPORT_BYTES}: export fewer spans at a time"
            await self._refuse(context, "too_large", grpc.StatusCode.RESOURCE_EXHAUSTED, text)
        if self._waiting >= MAX_WAITING_EXPORTS:
            text = f"{self._waiting} exports wait for the store: try again later"
            await self._refuse(context, "busy", grpc.StatusCode.UNAVAILABLE, text)
        self._waiting += 1
        try:
            async with self._one_at_a_time:
                return await finish_in_thread(self._take, request)
        except MalformedExportError as error:
            await self._refuse(context, "malformed", grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except StoreUnavailableError as error:
            await self._refuse(context, "not_stored", grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))
        finally:
            self._waiting -= 1

    def facts(self) -> dict[str, object]:
        """Return the size of the store, the counts of refusals that are not zero, and the last refusal's reason."""
        facts: dict[str, object] = {"spans": self._store.spans, "bytes": self._store.size_bytes}
        return facts | dict(self._tally) | ({"last_refusal": self._problem} if self._problem else {})

    def _take(self, request: bytes) -> pb.ExportTraceServiceResponse:
        export = decode(request)
        added = self._store.add(export.spans)
        self._exports.labels("stored").inc()
        self._spans.labels("stored").inc(added)
        self._spans.labels("repeated").inc(len(export.spans) - added)
        response = pb.ExportTraceServiceResponse()
        if export.refused:
            self._note("refused_spans", export.refused, export.problem)
            self._spans.labels("refused").inc(export.refused)
            response.partial_success.rejected_spans = export.refused
            response.partial_success.error_message = export.problem
        return response

    async def _refuse(self, context: Any, outcome: str, code: grpc.StatusCode, text: str) -> NoReturn:
        self._exports.labels(outcome).inc()
        self._note("refused_exports", 1, text)
        await context.abort(code, text)
        raise AssertionError("abort always raises")

    def _note(self, name: str, count: int, problem: str) -> None:
        self._tally[name] += count
        if problem != self._problem:  # one line for a reason that repeats
            self._problem = problem
            _LOG.warning("an export was refused", extra={"refused": name, "why": problem})


def add_receiver(receiver: TraceReceiver, server: grpc.aio.Server) -> None:
    """Register the receiver. It gets the encoded request, so that decoding does not block the server's loop."""
    export = grpc.unary_unary_rpc_method_handler(
        receiver.export,
        request_deserializer=bytes,
        response_serializer=pb.ExportTraceServiceResponse.SerializeToString,
    )
    handlers = grpc.method_handlers_generic_handler(SERVICE_NAME, {"Export": export})
    server.add_generic_rpc_handlers((handlers,))
