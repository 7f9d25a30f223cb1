"""Trace context of the caller's span, where the program uses OpenTelemetry; the SDK itself does not require it."""

import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import grpc

_TRACEPARENT = "traceparent"
_Continuation: TypeAlias = Callable[[grpc.aio.ClientCallDetails, Any], Awaitable[Any]]


def current_traceparent() -> str:
    """Return the W3C trace context of the current span; empty without OpenTelemetry, or outside of any span."""
    trace = sys.modules.get("opentelemetry.trace")
    return "" if trace is None else traceparent_of(trace.get_current_span())


def traceparent_of(span: Any) -> str:
    """Return the W3C trace context of an OpenTelemetry span; empty where nothing is traced."""
    context = span.get_span_context()
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


class TraceContextInterceptor(grpc.aio.UnaryUnaryClientInterceptor):
    """Sends the caller's trace context with each unary call, so that the server's span is a child of the caller's."""

    async def intercept_unary_unary(
        self, continuation: _Continuation, client_call_details: grpc.aio.ClientCallDetails, request: Any
    ) -> Any:
        """Add `traceparent` to the call's metadata, unless it is there already or there is no span."""
        own, given = current_traceparent(), tuple(client_call_details.metadata or ())
        if own and all(key != _TRACEPARENT for key, _value in given):
            client_call_details = grpc.aio.ClientCallDetails(
                client_call_details.method,
                client_call_details.timeout,
                grpc.aio.Metadata(*given, (_TRACEPARENT, own)),
                client_call_details.credentials,
                client_call_details.wait_for_ready,
            )
        return await continuation(client_call_details, request)
