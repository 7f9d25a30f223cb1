"""Trace context of the caller's span, where the program uses OpenTelemetry; the SDK itself does not require it."""

import sys


def current_traceparent() -> str:
    """Return the W3C trace context of the current span; empty without OpenTelemetry, or outside of any span."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return ""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
