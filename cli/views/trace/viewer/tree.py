"""A trace as a tree: spans below their parents in order of time, and the gaps in which no span was active. Pure."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from cli.views.trace.span import Span

# Share of a trace's duration from which on a pause between spans is a gap, and the number of gaps reported.
MIN_GAP_SHARE: Final = 0.01
MAX_GAPS: Final = 20

ORPHAN: Final = "its parent is not stored"
REPEATED: Final = "computed again"
CIRCULAR: Final = "its parents form a circle"


@dataclass(frozen=True, slots=True)
class Row:
    """A span and its place in the tree: `depth` 0 is a root, `note` a remark on the place; `matched` holds the id."""

    span: Span
    depth: int
    note: str
    matched: bool
    has_children: bool


@dataclass(frozen=True, slots=True)
class Gap:
    """Time in which no span was active, ended by the start of the span in row `row`."""

    start_ns: int
    end_ns: int
    row: int

    @property
    def duration_ns(self) -> int:
        """Return the length."""
        return self.end_ns - self.start_ns


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace: its rows from top to bottom, its gaps in order of time, and the times of its root and of its ends."""

    trace_id: str
    rows: tuple[Row, ...]
    gaps: tuple[Gap, ...]
    zero_ns: int
    start_ns: int
    end_ns: int

    @property
    def duration_ns(self) -> int:
        """Return the time from the first start to the last end."""
        return self.end_ns - self.start_ns

    @property
    def services(self) -> tuple[str, ...]:
        """Return the services in order of appearance."""
        return tuple(dict.fromkeys(row.span.service for row in self.rows))

    @property
    def failed(self) -> int:
        """Return the number of spans with an error."""
        return sum(row.span.failed for row in self.rows)

    def fraction(self, time_ns: int) -> float:
        """Return where the time lies between the trace's start (0) and end (1)."""
        return (time_ns - self.start_ns) / self.duration_ns if self.duration_ns else 0.0


def build_trace(spans: Sequence[Span], matched: Collection[tuple[str, str]] = ()) -> Trace:
    """Return the tree of at least one span, all of one trace; `matched` has trace id and span id of spans to mark.

    Times are relative to the start of the first root, or of the first span where no root is stored.
    """
    ordered = sorted(spans, key=lambda span: (span.start_ns, -span.end_ns))
    rows = _rows(ordered, matched)
    roots = [span for span in ordered if not span.parent_id]
    return Trace(
        trace_id=ordered[0].trace_id,
        rows=rows,
        gaps=_gaps(rows),
        zero_ns=(roots or ordered)[0].start_ns,
        start_ns=ordered[0].start_ns,
        end_ns=max(span.end_ns for span in ordered),
    )


def _rows(ordered: Sequence[Span], matched: Collection[tuple[str, str]]) -> tuple[Row, ...]:
    """Return the rows: roots and orphans by their start, each followed by its children."""
    known = {span.span_id for span in ordered}
    children: dict[str, list[int]] = defaultdict(list)
    tops = []
    for place, span in enumerate(ordered):
        if span.parent_id in known:
            children[span.parent_id].append(place)
        else:
            tops.append(place)
    rows: list[Row] = []
    placed: set[int] = set()
    expanded: set[str] = set()  # span ids: the children of work that was computed again follow the first computation

    def place_below(top: int) -> None:
        waiting = [(top, 0)]
        while waiting:
            place, depth = waiting.pop()
            if place in placed:
                continue
            placed.add(place)
            span = ordered[place]
            first = span.span_id not in expanded
            below = children[span.span_id] if first else []
            expanded.add(span.span_id)
            note = _note(span, known, depth) if first else REPEATED
            is_matched = (span.trace_id, span.span_id) in matched
            rows.append(Row(span, depth, note, is_matched, has_children=bool(below)))
            waiting.extend((child, depth + 1) for child in reversed(below))

    for top in (*tops, *range(len(ordered))):  # the second are in a circle, if they have not been placed yet
        place_below(top)
    return tuple(rows)


def _note(span: Span, known: Collection[str], depth: int) -> str:
    if depth or not span.parent_id:
        return ""
    return CIRCULAR if span.parent_id in known else ORPHAN


def _gaps(rows: Sequence[Row]) -> tuple[Gap, ...]:
    """Return the longest pauses between spans, in order of time."""
    by_start = sorted(range(len(rows)), key=lambda place: (rows[place].span.start_ns, place))
    reached_ns = rows[by_start[0]].span.start_ns
    started_ns = reached_ns
    found = []
    for place in by_start:
        span = rows[place].span
        if span.start_ns > reached_ns:
            found.append(Gap(reached_ns, span.start_ns, place))
        reached_ns = max(reached_ns, span.end_ns)
    shortest_ns = (reached_ns - started_ns) * MIN_GAP_SHARE
    longest = sorted((gap for gap in found if gap.duration_ns >= shortest_ns), key=lambda gap: -gap.duration_ns)
    return tuple(sorted(longest[:MAX_GAPS], key=lambda gap: gap.start_ns))
