"""Interceptor of every RPC: a refusal becomes a status, the call is counted, a unary call is a span."""

from __future__ import annotations  # grpc's classes are generic only in their stubs

import inspect
import logging
import time
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any, NoReturn, TypeAlias

import grpc
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from mesh.serving.errors import MeshError, RequestMalformedError, to_status
from mesh.serving.requests import check_decoded, decoded, tolerant
from mesh.serving.rpc_metrics import RpcMetrics
from mesh.telemetry.telemetry import Telemetry

_LOG = logging.getLogger(__name__)
_PROPAGATOR = TraceContextTextMapPropagator()
_UNTRACED = trace.NoOpTracer()
# The statuses that are the server's fault by OpenTelemetry's conventions; any other one is the caller's.
_SERVER_FAULTS = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})
_UNARY_ANSWER = ("unary_unary", "stream_unary")
_KINDS = (*_UNARY_ANSWER, "unary_stream", "stream_stream")
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class MeshInterceptor(grpc.aio.ServerInterceptor):
    """Wraps the handlers of every service on a server: the mesh's completely, others against malformed requests."""

    def __init__(self, metrics: RpcMetrics, telemetry: Telemetry) -> None:
        self._metrics = metrics
        self._telemetry = telemetry

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Return the handler, wrapped."""
        handler: Any = await continuation(handler_call_details)
        method = handler_call_details.method.lstrip("/")
        if handler is None:
            return None
        kind = next(each for each in _KINDS if getattr(handler, each))
        call = getattr(handler, kind)
        if not method.startswith("qiki."):  # health and reflection keep their own behaviour
            wrapped = _refusing(call)
        elif kind in _UNARY_ANSWER:
            wrapped = self._unary(method, call)
        else:
            wrapped = self._stream(method, call)
        deserializer = tolerant(handler.request_deserializer)
        return handler._replace(request_deserializer=deserializer, **{kind: wrapped})  # type: ignore[no-any-return]

    def _unary(self, method: str, call: Callable[[Any, _Context], Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        metrics = self._metrics.method(method)
        tracer = self._telemetry.tracer if self._telemetry.traces.traces_rpc(method) else _UNTRACED

        async def handle(request: Any, context: _Context) -> Any:
            started, code = time.perf_counter(), "CANCELLED"
            with _server_span(tracer, method, context) as span:
                try:
                    response = await call(_checked(request), context)
                    code = "OK"
                except Exception as error:  # noqa: BLE001 (the one place where any exception becomes a status)
                    status = _describe(method, error)
                    code = status.code.name
                    if code in _SERVER_FAULTS:
                        span.set_status(StatusCode.ERROR, status.message)
                    await _abort(context, status)
                finally:
                    span.set_attribute("rpc.response.status_code", code)
                    if code not in ("OK", "CANCELLED"):
                        span.set_attribute("error.type", code)
                    metrics.duration.observe(time.perf_counter() - started)
                    metrics.handled(code).inc()
                return response

        return handle

    def _stream(self, method: str, call: Callable[[Any, _Context], AsyncIterator[Any]]) -> Callable[..., Any]:
        metrics = self._metrics.method(method)

        async def handle(request: Any, context: _Context) -> AsyncIterator[Any]:
            metrics.open_streams.inc()
            code = "CANCELLED"
            try:
                async for response in call(_checked(request), context):
                    metrics.sent.inc()
                    yield response
                code = "OK"
            except Exception as error:  # noqa: BLE001 (the one place where any exception becomes a status)
                status = _describe(method, error)
                code = status.code.name
                await _abort(context, status)
            finally:
                metrics.open_streams.dec()
                metrics.handled(code).inc()

        return handle


def _server_span(tracer: trace.Tracer, method: str, context: _Context) -> AbstractContextManager[trace.Span]:
    """Return the span of a unary call, a child of the caller's. An exception sets nothing on it: the status does."""
    return tracer.start_as_current_span(
        method,
        context=_PROPAGATOR.extract({str(k): str(v) for k, v in context.invocation_metadata() or ()}),
        kind=SpanKind.SERVER,
        attributes={"rpc.system.name": "grpc", "rpc.method": method},
        record_exception=False,
        set_status_on_exception=False,
    )


def _refusing(call: Callable[[Any, _Context], Any]) -> Callable[..., Any]:
    """Return a handler of the same kind that only refuses requests which cannot be decoded."""

    async def handle(request: Any, context: _Context) -> Any:
        try:
            return await call(_checked(request), context)
        except RequestMalformedError as error:
            await _abort(context, error)

    async def handle_stream(request: Any, context: _Context) -> AsyncIterator[Any]:
        try:
            async for response in call(_checked(request), context):
                yield response
        except RequestMalformedError as error:
            await _abort(context, error)

    return handle_stream if inspect.isasyncgenfunction(call) else handle


def _checked(request: Any) -> Any:
    """Return the decoded request, or a stream that raises at the first one that could not be decoded."""
    if isinstance(request, AsyncIterable):
        return decoded(request)
    check_decoded(request)
    return request


async def _abort(context: _Context, error: MeshError) -> NoReturn:
    details = (("grpc-status-details-bin", to_status(error).SerializeToString()),)
    await context.abort(error.code, error.message, details)


def _describe(method: str, error: Exception) -> MeshError:
    if isinstance(error, MeshError):
        return error
    error_id = uuid.uuid4().hex
    _LOG.error("unexpected error", extra={"method": method, "error_id": error_id}, exc_info=error)
    return MeshError(f"a fault of the server; its log tells more under {error_id}", error_id=error_id)
