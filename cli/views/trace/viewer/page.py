"""A trace as one HTML file that loads nothing: styles and the script are in it, and its policy forbids all else.

Everything from spans passes through `html.escape`, and the policy allows this one script by its hash: text in a span
cannot become code.
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from importlib.resources import files
from textwrap import shorten
from typing import Final

from cli.views.trace.span import Attributes, Span, value_text
from cli.views.trace.units import duration_text, offset_text, time_text
from cli.views.trace.viewer.reader import MAX_TRACE_SPANS
from cli.views.trace.viewer.tree import Gap, Row, Trace

COLOURS: Final = 8
TICKS: Final = 5
MAX_DEPTH: Final = 20
MAX_NOTE: Final = 80


def page(trace: Trace, looked_for: str) -> str:
    """Return the document; `looked_for` is the id that led to this trace, or empty."""
    style, script = _resource("page.css"), _resource("page.js")
    colours = {service: f"var(--s{place % COLOURS})" for place, service in enumerate(trace.services)}
    return "".join(
        [
            *_start(f"Trace {trace.trace_id}", style, script),
            *_header(trace, looked_for),
            *_legend(colours),
            '<div class="tools"><button id="open" type="button">Open all</button>'
            '<button id="close" type="button">Close all</button>'
            "<span><kbd>&uarr;</kbd> <kbd>&darr;</kbd> choose a span, <kbd>&rarr;</kbd> <kbd>&larr;</kbd> or "
            "<kbd>Enter</kbd> open and close it</span></div>",
            f'<main style="--gaps: {_gap_stripes(trace)}">{_axis(trace)}',
            *(part for row in trace.rows for part in _row(trace, row, colours[row.span.service])),
            "</main>",
            *_gap_list(trace),
            "<footer>Times are relative to the root. Shaded: no span was active.</footer>",
            f"<script>{script}</script></body></html>\n",
        ]
    )


def _start(title: str, style: str, script: str) -> Iterator[str]:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:"
    yield '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f'<link rel="icon" href="data:,"><title>{escape(title)}</title><style>{style}</style></head><body>'


def _header(trace: Trace, looked_for: str) -> Iterator[str]:
    first = trace.rows[0].span
    yield f"<header><h1>{escape(first.service)} {escape(first.name)}</h1>"
    yield f"<p>trace <code>{trace.trace_id}</code>"
    if looked_for not in ("", trace.trace_id):
        yield f", found by <code>{escape(looked_for)}</code>"
    yield f"</p><p>{time_text(trace.zero_ns)} &middot; <strong>{duration_text(trace.duration_ns)}</strong> &middot; "
    yield f"{len(trace.rows)} spans &middot; {len(trace.services)} services"
    if trace.failed:
        yield f' &middot; <span class="failed">errors: {trace.failed}</span>'
    if len(trace.rows) >= MAX_TRACE_SPANS:
        yield f" &middot; only the first {MAX_TRACE_SPANS} spans are shown"
    yield "</p></header>"


def _legend(colours: Mapping[str, str]) -> Iterator[str]:
    yield '<ul class="legend" aria-label="services">'
    for service, colour in colours.items():
        yield f'<li style="--colour: {colour}">{escape(service)}</li>'
    yield "</ul>"


def _gap_stripes(trace: Trace) -> str:
    """Return the background of every lane, in which the gaps are shaded."""
    edges = ((trace.fraction(gap.start_ns), trace.fraction(gap.end_ns)) for gap in trace.gaps)
    stops = (
        f"transparent {start:.4%}, var(--gap) {start:.4%} {end:.4%}, transparent {end:.4%}" for start, end in edges
    )
    return f"linear-gradient(to right, {', '.join(['transparent 0%', *stops, 'transparent 100%'])})"


def _axis(trace: Trace) -> str:
    times = (trace.start_ns + trace.duration_ns * place // (TICKS - 1) for place in range(TICKS))
    ticks = "".join(f"<span>{offset_text(each - trace.zero_ns)}</span>" for each in times)
    return (
        "<div class='grid axis'><span>span</span><span>start</span><span>duration</span>"
        f"<span class='ticks'>{ticks}</span></div>"
    )


def _row(trace: Trace, row: Row, colour: str) -> Iterator[str]:
    span = row.span
    classes = " ".join(name for name, holds in (("matched", row.matched), ("bad", span.failed)) if holds)
    depth = min(row.depth, MAX_DEPTH)
    yield f'<details class="{classes}" style="--colour: {colour}; --depth: {depth}"><summary class="grid">'
    yield f'<span class="name"><span class="service">{escape(span.service)}</span>{escape(span.name)}'
    for note in _notes(row):
        yield f'<span class="note">{escape(note)}</span>'
    yield f'</span><span class="number">{offset_text(span.start_ns - trace.zero_ns)}</span>'
    yield f'<span class="number">{duration_text(span.duration_ns)}</span><span class="lane" aria-hidden="true">'
    yield f'<span class="bar" style="{_extent(trace, span.start_ns, span.end_ns)}"></span></span></summary>'
    yield from _details(trace, span)
    yield "</details>"


def _notes(row: Row) -> Iterator[str]:
    if row.note:
        yield row.note
    if row.span.failed:
        yield f"error: {shorten(row.span.status, MAX_NOTE, placeholder=' ...') or 'without a description'}"
    if row.span.links:
        yield "1 link" if len(row.span.links) == 1 else f"{len(row.span.links)} links"


def _extent(trace: Trace, start_ns: int, end_ns: int) -> str:
    start, end = trace.fraction(start_ns), trace.fraction(end_ns)
    # At the right edge the smallest bar still lies within the picture.
    return f"left: min({start:.4%}, 100% - 3px); width: {end - start:.4%}"


def _details(trace: Trace, span: Span) -> Iterator[str]:
    yield '<div class="more">'
    if span.failed:
        yield f'<p class="status">{escape(span.status or "an error without a description")}</p>'
    yield _table("Attributes", span.attributes)
    for event in span.events:
        yield _table(f"Event at {offset_text(event.time_ns - trace.zero_ns)}: {event.name}", event.attributes)
    for link in span.links:
        yield _table("Link", {"trace id": link.trace_id, "span id": link.span_id, **link.attributes})
    own: dict[str, str | int] = {"span id": span.span_id, "parent span id": span.parent_id or "none"}
    own |= {"kind": span.kind, "start": time_text(span.start_ns), "duration in ns": span.duration_ns}
    if span.omitted:
        own["attributes, events and links omitted"] = span.omitted
    yield _table("Span", own)
    yield _table("Resource", span.resource)
    yield "</div>"


def _table(title: str, pairs: Attributes) -> str:
    if not pairs:
        return ""
    lines = (
        f"<tr><td>{escape(key)}</td><td>{escape(value_text(value))}</td></tr>" for key, value in sorted(pairs.items())
    )
    return f"<section><h2>{escape(title)}</h2><table>{''.join(lines)}</table></section>"


def _gap_list(trace: Trace) -> Iterable[str]:
    if not trace.gaps:
        return
    yield '<section class="gaps">Gaps, in which no span was active:<ul>'
    yield from (_gap_item(trace, gap) for gap in trace.gaps)
    yield "</ul></section>"


def _gap_item(trace: Trace, gap: Gap) -> str:
    span = trace.rows[gap.row].span
    return (
        f"<li><strong>{duration_text(gap.duration_ns)}</strong> from {offset_text(gap.start_ns - trace.zero_ns)}, "
        f"until {escape(span.service)} {escape(span.name)}</li>"
    )


def _resource(name: str) -> str:
    return files("cli.views.trace.viewer").joinpath(name).read_text(encoding="utf-8")
