"""Spans of units of work, with ids derived from their input: an event's trace context is the span that produced it."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from opentelemetry.context import Context
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

_LOW_64_BITS = (1 << 64) - 1
_ODD = frozenset("13579bdf")


# What happened to one object within a unit of work: a name, and the object's id and further facts.
Note: TypeAlias = tuple[str, Mapping[str, str | int]]


class PlannedIds(IdGenerator):
    """Id generator that gives the next span its planned ids, and any other span random ones.

    Spans are planned and started without an await in between, on one event loop: no other span can come first.
    """

    def __init__(self) -> None:
        self.random = RandomIdGenerator()
        self.planned: tuple[int, int] | None = None

    def generate_trace_id(self) -> int:
        """Return the id of a new trace."""
        return self.planned[0] if self.planned else self.random.generate_trace_id()

    def generate_span_id(self) -> int:
        """Return the id of a new span."""
        return self.planned[1] if self.planned else self.random.generate_span_id()


class WorkSpans:
    """Recorder of the spans of a service's units of work; without a tracer it only decides what is sampled."""

    def __init__(self, sample_ratio: float, tracer: Tracer | None = None, ids: PlannedIds | None = None) -> None:
        self._bound = TraceIdRatioBased.get_bound_for_rate(sample_ratio)
        self._tracer = tracer
        self._ids = ids

    @property
    def recording(self) -> bool:
        """Whether spans are recorded at all."""
        return self._tracer is not None

    def flags(self, trace_id: str, cause: str) -> str:
        """Return the trace flags of an event: its cause's, or for an origin by the ratio; `01` is sampled."""
        if cause:
            return cause[-2:]
        return "01" if int(trace_id, 16) & _LOW_64_BITS < self._bound else "00"

    def record(
        self,
        name: str,
        own: str,
        cause: str,
        times_ns: tuple[int, int],
        attributes: Mapping[str, str | int],
        *,
        recomputed: bool = False,
        notes: Sequence[Note] = (),
        links: Sequence[str] = (),
    ) -> None:
        """Record one finished unit of work: `own` is its event's trace context, `cause` its input's.

        `notes` become events of the span, `links` are trace contexts of further causes. `times_ns` are the wall-clock
        times of its begin and its end, in nanoseconds since 1970.

        Work that is `recomputed` after a restart is a span of its own, linked to the first: that one may be exported
        already, and its children have its id.
        """
        if self._tracer is None or self._ids is None or not sampled(own):
            return
        first = _context(own)
        parent = set_span_in_context(NonRecordingSpan(_context(cause)), Context()) if cause else Context()
        span_id = self._ids.random.generate_span_id() if recomputed else first.span_id
        self._ids.planned = first.trace_id, span_id
        try:
            span = self._tracer.start_span(
                name,
                context=parent,
                kind=SpanKind.INTERNAL,
                start_time=times_ns[0],
                attributes={**attributes, "qiki.recomputed": True} if recomputed else dict(attributes),
                links=[*([Link(first)] if recomputed else ()), *(Link(_context(each)) for each in links)],
            )
        finally:
            self._ids.planned = None
        for note, facts in notes:
            span.add_event(note, dict(facts), times_ns[1])
        span.end(times_ns[1])


def sampled(traceparent: str) -> bool:
    """Return whether a trace context is sampled: the lowest bit of its flags (W3C Trace Context, section 3.2.2.5)."""
    return traceparent[-1:] in _ODD


def _context(traceparent: str) -> SpanContext:
    """Return the span context that a `traceparent` of ours encodes."""
    _version, trace_id, span_id, flags = traceparent.split("-")
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
