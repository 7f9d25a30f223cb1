"""A trace as a waterfall of text: from 60 columns up, with or without colours, in UTF-8 or ASCII."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from cli.views.trace.span import Span, value_text
from cli.views.trace.units import duration_text, offset_text, printable, time_text
from cli.views.trace.viewer.listing import ID_WIDTH
from cli.views.trace.viewer.reader import MAX_TRACE_SPANS
from cli.views.trace.viewer.tree import Gap, Row, Trace

MIN_WIDTH: Final = 60
MAX_WIDTH: Final = 160
TIME_WIDTH: Final = 9  # such as `+999 ms` or `-1.23 ms`
MARK_WIDTH: Final = 2
BAR_SHARE: Final = 0.22  # of the width, at least
TAIL_SHARE: Final = 0.35  # of a name that is too long: its end tells most
MAX_INDENT: Final = 16
MAX_VALUE: Final = 200
_STYLES: Final = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_green", "bright_magenta")


@dataclass(frozen=True, slots=True)
class Symbols:
    """Characters of the picture."""

    bar: str
    moment: str
    gap: str
    mark: str
    cut: str
    link: str


UNICODE: Final = Symbols(bar="█", moment="▏", gap="·", mark="▶", cut="…", link="↗")
ASCII: Final = Symbols(bar="#", moment="|", gap=".", mark=">", cut="~", link="->")


def waterfall(trace: Trace, width: int, symbols: Symbols = UNICODE, *, details: bool = False) -> Iterator[Text]:
    """Yield the lines of the picture, none wider than `width` (60 at least); `details` adds every attribute."""
    picture = _Picture(trace, max(MIN_WIDTH, min(MAX_WIDTH, width)), symbols)
    yield from picture.head()
    for place, row in enumerate(trace.rows):
        yield from picture.gaps_before(place)
        yield picture.line(row)
        yield from picture.remarks(row)
        if details:
            yield from picture.details(row)
    yield from picture.foot()


class _Picture:
    def __init__(self, trace: Trace, width: int, symbols: Symbols) -> None:
        self._trace = trace
        self._width = width
        self._symbols = symbols
        longest = max(_indent(row) + cell_len(label(row.span)) for row in trace.rows)
        fixed = MARK_WIDTH + 2 * (1 + TIME_WIDTH) + 1
        self._name_width = min(longest, width - fixed - int(width * BAR_SHARE))
        self._bar_width = width - fixed - self._name_width
        self._styles = {service: _STYLES[place % len(_STYLES)] for place, service in enumerate(trace.services)}
        self._gaps: Mapping[int, list[Gap]] = _by_row(trace.gaps)
        self._gap_cells = {cell for gap in trace.gaps for cell in self._cells(gap.start_ns, gap.end_ns)}

    def head(self) -> Iterator[Text]:
        trace = self._trace
        yield self._line(f"trace {trace.trace_id}  {time_text(trace.zero_ns)}", "bold")
        yield self._line(" " * MARK_WIDTH + _columns("span", "start", "duration", self._name_width), "dim")

    def line(self, row: Row) -> Text:
        span = row.span
        text = Text(f"{self._symbols.mark if row.matched else '':{MARK_WIDTH}}", style="bold")
        style = "bold red" if span.failed else self._styles[span.service]
        name = self._cut_within(" " * _indent(row) + label(span), self._name_width)
        start, duration = offset_text(span.start_ns - self._trace.zero_ns), duration_text(span.duration_ns)
        text.append(_columns(name, start, duration, self._name_width) + " ", "bold red" if span.failed else "")
        text.append_text(self._bar(span, style))
        text.rstrip()
        return text

    def gaps_before(self, place: int) -> Iterator[Text]:
        for gap in self._gaps.get(place, ()):
            remark = f"{self._symbols.gap * 3} {duration_text(gap.duration_ns)} without an active span"
            yield self._line(" " * (MARK_WIDTH + _indent(self._trace.rows[place])) + remark, "dim")

    def remarks(self, row: Row) -> Iterator[Text]:
        indent = " " * (MARK_WIDTH + _indent(row) + 2)
        if row.note:
            yield self._line(f"{indent}({row.note})", "dim")
        if row.span.failed:
            yield self._line(f"{indent}error: {row.span.status or 'without a description'}", "red")
        for link in row.span.links:
            where = "" if link.trace_id == row.span.trace_id else f" of trace {link.trace_id[:ID_WIDTH]}"
            yield self._line(f"{indent}{self._symbols.link} linked to span {link.span_id}{where}", "dim")

    def details(self, row: Row) -> Iterator[Text]:
        span, indent = row.span, " " * (MARK_WIDTH + _indent(row) + 4)
        yield self._line(f"{indent}span {span.span_id}, kind {span.kind}", "dim")
        for key, value in sorted(span.attributes.items()):
            yield self._line(f"{indent}{key} = {value_text(value)[:MAX_VALUE]}", "dim")
        for event in span.events:
            texts = (f"{key}={value_text(value)[:MAX_VALUE]}" for key, value in event.attributes.items())
            moment = offset_text(event.time_ns - self._trace.zero_ns)
            yield self._line(f"{indent}{moment} {event.name} {' '.join(texts)}", "dim")

    def foot(self) -> Iterator[Text]:
        trace = self._trace
        spans, services = len(trace.rows), len(trace.services)
        text = f"{_count(spans, 'span')} of {_count(services, 'service')} in {duration_text(trace.duration_ns)}"
        yield self._line(text + (f"; {_count(trace.failed, 'error')}" if trace.failed else ""), "bold")
        if spans >= MAX_TRACE_SPANS:
            yield self._line(f"Only the first {MAX_TRACE_SPANS} spans are shown.", "yellow")

    def _bar(self, span: Span, style: str) -> Text:
        """Return the row's part of the picture: the span's time as a bar, gaps of the trace as dots."""
        active = self._cells(span.start_ns, span.end_ns)
        text = Text()
        for cell in range(self._bar_width):
            if cell in active:
                text.append(self._symbols.bar if span.duration_ns else self._symbols.moment, style)
            else:
                text.append(self._symbols.gap if cell in self._gap_cells else " ", "dim")
        return text

    def _cells(self, start_ns: int, end_ns: int) -> range:
        """Return the columns of the bar that a time covers, one at least."""
        first = min(int(self._trace.fraction(start_ns) * self._bar_width), self._bar_width - 1)
        return range(first, max(first + 1, math.ceil(self._trace.fraction(end_ns) * self._bar_width)))

    def _line(self, text: str, style: str) -> Text:
        return Text(self._cut(printable(text), self._width), style=style)

    def _cut(self, text: str, width: int) -> str:
        cut = self._symbols.cut
        return text if cell_len(text) <= width else set_cell_size(text, width - len(cut)) + cut

    def _cut_within(self, text: str, width: int) -> str:
        if cell_len(text) <= width:
            return text
        tail = text[-int(width * TAIL_SHARE) :]
        while cell_len(tail) > width * TAIL_SHARE:
            tail = tail[1:]
        cut = self._symbols.cut
        return set_cell_size(text, width - cell_len(tail) - len(cut)) + cut + tail


def label(span: Span) -> str:
    """Return service and name of the span, printable."""
    return printable(f"{span.service} {span.name}")


def _columns(name: str, start: str, duration: str, name_width: int) -> str:
    return f"{set_cell_size(name, name_width)} {start:>{TIME_WIDTH}} {duration:>{TIME_WIDTH}}"


def _indent(row: Row) -> int:
    return min(2 * row.depth, MAX_INDENT)


def _by_row(gaps: tuple[Gap, ...]) -> dict[int, list[Gap]]:
    found = defaultdict(list)
    for gap in gaps:
        found[gap.row].append(gap)
    return dict(found)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
