"""Spans of units of work: only those of sampled events are made."""

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from mesh.telemetry.spans import PlannedIds, WorkSpans, sampled

TRACE, SPAN = f"{7:032x}", f"{9:016x}"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("00", False), ("01", True), ("02", False), ("03", True), ("ff", True), ("0b", True), ("fe", False)],
)
def test_the_lowest_bit_of_the_flags_says_sampled(flags: str, expected: bool) -> None:
    assert sampled(f"00-{TRACE}-{SPAN}-{flags}") is expected


def test_without_a_trace_context_nothing_is_sampled() -> None:
    assert not sampled("")


def test_work_is_recorded_for_sampled_events_alone() -> None:
    exporter, ids = InMemorySpanExporter(), PlannedIds()
    provider = TracerProvider(id_generator=ids, sampler=ALWAYS_ON)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    spans = WorkSpans(1.0, provider.get_tracer("test"), ids)
    spans.record("unsampled", f"00-{TRACE}-{SPAN}-00", "", (1, 2), {})
    spans.record("sampled", f"00-{TRACE}-{SPAN}-01", "", (1, 2), {})
    assert [(span.name, span.context.trace_id, span.context.span_id) for span in exporter.get_finished_spans()] == [
        ("sampled", 7, 9)
    ]
