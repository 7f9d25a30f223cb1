"""Spans become a tree in order of time, whatever is missing, repeated or wrong in them."""

from cli.views.trace.viewer.tree import CIRCULAR, MAX_GAPS, ORPHAN, REPEATED, Trace, build_trace
from trace_spans import MS, T0_NS, span, trace_id


def shape(trace: Trace) -> list[tuple[str, int, str]]:
    return [(row.span.name, row.depth, row.note) for row in trace.rows]


def test_children_follow_their_parent_in_order_of_time_however_the_spans_come() -> None:
    spans = [span(4, parent=2, at_ms=5), span(3, parent=1, at_ms=3), span(2, parent=1, at_ms=2), span(1)]
    expected = [("work 1", 0, ""), ("work 2", 1, ""), ("work 4", 2, ""), ("work 3", 1, "")]
    assert shape(build_trace(spans)) == expected
    assert shape(build_trace(spans[::-1])) == expected


def test_a_span_without_its_parent_is_shown_and_noted() -> None:
    trace = build_trace([span(1, at_ms=5), span(3, parent=2, at_ms=1), span(4, parent=3, at_ms=2)])
    assert shape(trace) == [("work 3", 0, ORPHAN), ("work 4", 1, ""), ("work 1", 0, "")]


def test_times_are_relative_to_the_root_though_an_earlier_span_lacks_its_parent() -> None:
    trace = build_trace([span(1, at_ms=5), span(3, parent=2, at_ms=1)])
    assert (trace.zero_ns, trace.start_ns) == (T0_NS + 5 * MS, T0_NS + MS)
    assert build_trace([span(3, parent=2, at_ms=1)]).zero_ns == T0_NS + MS


def test_work_computed_again_is_noted_and_its_children_follow_the_first_computation() -> None:
    trace = build_trace([span(1), span(2, parent=1, at_ms=1), span(2, parent=1, at_ms=900), span(3, parent=2, at_ms=3)])
    assert shape(trace) == [("work 1", 0, ""), ("work 2", 1, ""), ("work 3", 2, ""), ("work 2", 1, REPEATED)]


def test_parents_in_a_circle_end() -> None:
    trace = build_trace([span(1, parent=2), span(2, parent=1, at_ms=1), span(3, parent=3, at_ms=2)])
    assert shape(trace) == [("work 1", 0, CIRCULAR), ("work 2", 1, ""), ("work 3", 0, CIRCULAR)]


def test_a_chain_deeper_than_the_interpreters_stack_is_a_tree() -> None:
    trace = build_trace([span(1), *(span(number, parent=number - 1, at_ms=number) for number in range(2, 5_001))])
    assert [row.depth for row in trace.rows] == list(range(5_000))


def test_gaps_are_the_times_without_an_active_span_and_name_the_row_that_ends_them() -> None:
    trace = build_trace([span(1, ms=30), span(2, parent=1, at_ms=4, ms=2), span(3, parent=1, at_ms=50, ms=50)])
    (gap,) = trace.gaps
    assert (gap.start_ns, gap.duration_ns) == (T0_NS + 30 * MS, 20 * MS)
    assert trace.rows[gap.row].span.name == "work 3"
    assert (trace.duration_ns, trace.fraction(gap.start_ns)) == (100 * MS, 0.3)


def test_short_pauses_are_no_gaps_and_the_longest_are_reported() -> None:
    pause = build_trace([span(1, ms=50), span(2, parent=1, at_ms=50.5, ms=50)])
    assert pause.gaps == ()
    regular = [span(number, at_ms=10 * number + number / 10, ms=1) for number in range(1, MAX_GAPS + 11)]
    gaps = build_trace(regular).gaps
    assert len(gaps) == MAX_GAPS
    assert list(gaps) == sorted(gaps, key=lambda gap: gap.start_ns)


def test_a_trace_of_one_moment_has_no_duration_and_no_gap() -> None:
    trace = build_trace([span(1, ms=0)])
    assert (trace.duration_ns, trace.gaps, trace.fraction(trace.end_ns)) == (0, (), 0.0)


def test_spans_with_the_id_are_marked_and_errors_counted() -> None:
    trace = build_trace(
        [span(1), span(2, parent=1, failed=True, service="bridge")], {(trace_id(1), f"{2:016x}"), (trace_id(2), "1")}
    )
    assert [row.matched for row in trace.rows] == [False, True]
    assert (trace.failed, trace.services) == (1, ("svc_sim", "bridge"))
