"""Traces as JSON documents for other programs."""

import json
from collections.abc import Sequence
from typing import Any

from cli.views.trace.span import Span
from cli.views.trace.viewer.reader import Summary
from cli.views.trace.viewer.tree import Row, Trace


def trace_json(trace: Trace) -> str:
    """Return a trace: its spans as in the waterfall, times in nanoseconds since 1970."""
    document = {
        "trace_id": trace.trace_id,
        "start_ns": trace.start_ns,
        "duration_ns": trace.duration_ns,
        "services": trace.services,
        "spans": [_span(row.span) | _place(row) for row in trace.rows],
        "gaps": [{"start_ns": gap.start_ns, "duration_ns": gap.duration_ns} for gap in trace.gaps],
    }
    return json.dumps(document, indent=2)


def summaries_json(summaries: Sequence[Summary]) -> str:
    """Return a list of traces."""
    return json.dumps(
        [
            {
                "trace_id": each.trace_id,
                "start_ns": each.start_ns,
                "duration_ns": each.duration_ns,
                "spans": each.spans,
                "failed": each.failed,
                "root": each.root,
                "services": each.services,
            }
            for each in summaries
        ],
        indent=2,
    )


def _place(row: Row) -> dict[str, Any]:
    return {"depth": row.depth, "note": row.note, "matched": row.matched}


def _span(span: Span) -> dict[str, Any]:
    return {
        "span_id": span.span_id,
        "parent_span_id": span.parent_id,
        "service": span.service,
        "name": span.name,
        "kind": span.kind,
        "start_ns": span.start_ns,
        "duration_ns": span.duration_ns,
        "failed": span.failed,
        "status": span.status,
        "attributes": span.attributes,
        "resource": span.resource,
        "events": [{"name": each.name, "time_ns": each.time_ns, "attributes": each.attributes} for each in span.events],
        "links": [
            {"trace_id": each.trace_id, "span_id": each.span_id, "attributes": each.attributes} for each in span.links
        ],
        "omitted": span.omitted,
    }
