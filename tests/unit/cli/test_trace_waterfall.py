"""The waterfall fits its width, shows errors, links and gaps, and no text of a span controls the terminal."""

import pytest
from rich.cells import cell_len
from rich.text import Text

from cli.errors import UsageError
from cli.views.trace.span import Span, SpanEvent, SpanLink
from cli.views.trace.units import duration_text, offset_text, parse_last, time_text
from cli.views.trace.viewer.listing import listing
from cli.views.trace.viewer.reader import Summary
from cli.views.trace.viewer.tree import build_trace
from cli.views.trace.viewer.waterfall import ASCII, waterfall
from trace_spans import T0_NS, span, trace_id

SPANS = [
    span(1, name="produce world", ms=10),
    span(2, parent=1, name="produce frames", service="svc_radar", at_ms=50, ms=40),
    span(
        3, parent=2, name="publish qiki.radar.v1.frames", service="bridge", at_ms=95, ms=5, failed=True, status="full"
    ),
]


def lines(spans: list[Span], width: int = 80, **options: bool) -> list[str]:
    return [line.plain for line in waterfall(build_trace(spans, {(trace_id(1), f"{3:016x}")}), width, **options)]


def test_the_picture_at_80_columns() -> None:
    assert lines(SPANS) == [
        f"trace {trace_id(1)}  2026-09-21T14:13:20.000Z",
        "  span                                        start  duration",
        "  svc_sim produce world                           0   10.0 ms ██·······       ··",
        "    ··· 40.0 ms without an active span",
        "    svc_radar produce frames               +50.0 ms   40.0 ms  ········████████·",
        "      ··· 5.00 ms without an active span",
        "▶     bridge publish qiki.radar.v1.frames  +95.0 ms   5.00 ms  ········       ·█",
        "        error: full",
        "3 spans of 3 services in 100 ms; 1 error",
    ]


@pytest.mark.parametrize("width", [1, 60, 80, 100, 132, 400])
@pytest.mark.parametrize("name", ["x" * 500, "\u6f22" * 100, "e\u0301" * 60], ids=["long", "wide", "combining"])
def test_no_line_is_wider_than_its_width(width: int, name: str) -> None:
    deep = [span(number, parent=number - 1, name=name, at_ms=3.0**number) for number in range(2, 25)]
    link = SpanLink("f" * 32, "e" * 16, {})
    spans = [span(1, name=name, failed=True, status=name, attributes={name: name}, links=(link,)), *deep]
    assert max(map(cell_len, lines(spans, width, details=True))) <= max(60, min(width, 160))


def test_an_error_is_red_with_its_description() -> None:
    drawn = list(waterfall(build_trace(SPANS), 80))
    (row,) = (line for line in drawn if "bridge" in line.plain)
    (error,) = (line for line in drawn if "error: full" in line.plain)
    assert "red" in str(error.style)
    assert any("red" in str(part.style) for part in row.spans)
    assert not any("red" in str(part.style) for line in drawn if line not in (row, error) for part in line.spans)


def test_links_repeated_work_and_missing_parents_are_visible() -> None:
    link, far = SpanLink(trace_id(1), "e" * 16, {}), SpanLink("a" * 32, "f" * 16, {})
    drawn = lines([span(1, links=(link, far)), span(1, at_ms=9), span(5, parent=4, at_ms=5)])
    assert f"    ↗ linked to span {'e' * 16}" in drawn
    assert f"    ↗ linked to span {'f' * 16} of trace {'a' * 12}" in drawn
    assert "    (computed again)" in drawn
    assert "    (its parent is not stored)" in drawn


def test_details_are_the_attributes_and_events_of_each_span() -> None:
    event = SpanEvent("retry", T0_NS + 2_000_000, {"attempt": 2})
    drawn = lines([span(1, attributes={"qiki.tick": 7, "text": "a\nb"}, events=(event,))], details=True)
    assert drawn[3:7] == [
        "      span 0000000000000001, kind internal",
        "      qiki.tick = 7",
        "      text = a\N{REPLACEMENT CHARACTER}b",
        "      +2.00 ms retry attempt=2",
    ]


def test_text_of_a_span_cannot_control_the_terminal() -> None:
    evil = "\x1b[2J\x07\r\n\u202e\x9b31m[bold]"
    spans = [span(1, name=evil, service=evil, failed=True, status=evil, attributes={evil: evil})]
    drawn = lines([*spans], details=True)
    assert all(line.isprintable() for line in drawn)
    assert any("[bold]" in line for line in drawn), "markup is text"


def test_without_utf8_the_picture_is_ascii() -> None:
    spans = [*SPANS, span(4, parent=3, at_ms=99, links=(SpanLink(trace_id(2), "f" * 16, {}),), name="y" * 90, ms=0)]
    drawn = [line.plain for line in waterfall(build_trace(spans, {(trace_id(1), f"{3:016x}")}), 80, ASCII)]
    assert all(line.isascii() for line in drawn)
    assert any(line.startswith("> ") for line in drawn)


def test_a_moment_at_the_very_end_is_drawn() -> None:
    last = lines([span(1, ms=100), span(2, parent=1, at_ms=100, ms=0)])[3]
    assert last.endswith("▏")


def test_text_of_the_picture_is_never_markup() -> None:
    assert isinstance(next(waterfall(build_trace(SPANS), 80)), Text)


@pytest.mark.parametrize(
    ("duration_ns", "text"),
    [
        (0, "0"),
        (999, "999 ns"),
        (1_000, "1.00 us"),
        (9_994, "9.99 us"),
        (9_996, "10.0 us"),
        (999_499, "999 us"),
        (999_500, "1.00 ms"),
        (12_345_678, "12.3 ms"),
        (123_456_789, "123 ms"),
        (1_500_000_000, "1.50 s"),
        (999_600_000_000, "16.7 min"),
        (86_400_000_000_000, "24.0 h"),
        (2**63 - 1, "106752 d"),
        (-2_000_000, "-2.00 ms"),
    ],
)
def test_durations_have_three_digits_and_a_unit(duration_ns: int, text: str) -> None:
    assert duration_text(duration_ns) == text


def test_offsets_have_a_sign_and_times_milliseconds() -> None:
    assert [offset_text(each) for each in (0, 1_000, -1_000)] == ["0", "+1.00 us", "-1.00 us"]
    assert time_text(1_234_567_890_123_999_999) == "2009-02-13T23:31:30.123Z"
    assert time_text(2**63 - 1).startswith("2262-04-11")


def test_last_is_a_number_and_a_unit() -> None:
    assert [parse_last(text) for text in ("250ms", "1m", "1.5h", " 30d ")] == [
        250_000_000,
        60_000_000_000,
        5_400_000_000_000,
        2_592_000_000_000_000,
    ]
    for text in ("", "0s", "-1m", "1", "m", "31d", "1e3s", "inf s", "\u0661m"):
        with pytest.raises(UsageError, match="--last"):
            parse_last(text)


@pytest.mark.parametrize("width", [20, 80, 200])
def test_no_line_of_the_list_is_wider_than_its_width(width: int) -> None:
    roots = ("svc_sim tick", "x" * 500, "\u6f22" * 200, "\x1b[2J")
    summaries = [Summary(trace_id(n), T0_NS, T0_NS + 10**n, 5, n % 2, root, ("a",)) for n, root in enumerate(roots)]
    drawn = [line.plain for line in listing(summaries, width)]
    assert len(drawn) == len(roots) + 1
    assert max(map(cell_len, drawn)) <= width
    assert all(line.isprintable() for line in drawn)
    if width == 80:
        assert drawn[2].startswith("000000000000  14:13:20.000      10 ns      5  (1 failed) xxx")
