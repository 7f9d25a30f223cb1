"""Pictures of a bot's graph: Mermaid text, which code hosts render, and SVG, which every browser shows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Final

from botspec.derived.graph import COLUMNS, Edge, Graph, Node

_BOX_WIDTH: Final = 230
_BOX_HEIGHT: Final = 40
_GAP: Final = 14
_COLUMN_STEP: Final = 350
_MARGIN: Final = 110
_TOP: Final = 84
_MAX_TEXT_CHARACTERS: Final = 32
_COLOURS: Final = ("#e8eef7", "#e6f4ea", "#fff4e0", "#f3e8f7", "#fbe9e7")
_STYLE: Final = (
    "text{font-family:sans-serif;fill:#1c2733}.t{font-size:13px;font-weight:600}.d{font-size:10.5px;fill:#52606d}"
    ".h{font-size:14px;font-weight:600}.n{font-size:19px;font-weight:600}.l{font-size:10px;fill:#52606d}"
    "rect{stroke:#8796a5}path{fill:none;stroke:#7b8794;stroke-opacity:.65}"
)


@dataclass(frozen=True, slots=True)
class _Place:
    """The position of a node's box: its left edge, and its middle."""

    x: int
    y: int


def mermaid(graph: Graph) -> str:
    """Return the graph as a Mermaid flowchart, one subgraph a column."""
    ids = {node.id: f"n{number}" for number, node in enumerate(graph.nodes)}
    lines = ["---", f"title: {graph.title}", "---", "flowchart LR"]
    for column, heading in enumerate(COLUMNS):
        lines.append(f'  subgraph c{column}["{heading}"]')
        own = [node for node in graph.nodes if node.column == column]
        lines += [f'    {ids[node.id]}["{_quoted(node.title)}<br/><i>{_quoted(node.detail)}</i>"]' for node in own]
        lines.append("  end")
    for edge in graph.edges:
        label = f"|{edge.label}|" if edge.label else ""
        lines.append(f"  {ids[edge.source]} -->{label} {ids[edge.target]}")
    return "\n".join(lines) + "\n"


def svg(graph: Graph) -> str:
    """Return the graph as a self-contained SVG document, one column each for `COLUMNS`."""
    places = _places(graph)
    rows = max((sum(node.column == column for node in graph.nodes) for column in range(len(COLUMNS))), default=0)
    width = 2 * _MARGIN + (len(COLUMNS) - 1) * _COLUMN_STEP + _BOX_WIDTH
    height = _TOP + rows * (_BOX_HEIGHT + _GAP) + _MARGIN // 2
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<title>{escape(graph.title)}</title><style>{_STYLE}</style>",
        '<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" style="fill:#7b8794;stroke:none"/></marker></defs>',
        f'<rect width="{width}" height="{height}" style="fill:#ffffff;stroke:none"/>',
        f'<text class="n" x="{_MARGIN}" y="32">{escape(graph.title)}</text>',
        *(f'<text class="h" x="{_left(column)}" y="66">{name}</text>' for column, name in enumerate(COLUMNS)),
        *(line for edge in graph.edges for line in _edge(edge, places)),
        *(line for node in graph.nodes for line in _box(node, places[node.id])),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _places(graph: Graph) -> dict[str, _Place]:
    rows = [0] * len(COLUMNS)
    places: dict[str, _Place] = {}
    for node in graph.nodes:
        middle = _TOP + rows[node.column] * (_BOX_HEIGHT + _GAP) + _BOX_HEIGHT // 2
        places[node.id] = _Place(_left(node.column), middle)
        rows[node.column] += 1
    return places


def _left(column: int) -> int:
    return _MARGIN + column * _COLUMN_STEP


def _box(node: Node, place: _Place) -> Iterator[str]:
    top = place.y - _BOX_HEIGHT // 2
    yield (
        f'<g><title>{escape(node.title)}: {escape(node.detail)}</title><rect x="{place.x}" y="{top}" '
        f'width="{_BOX_WIDTH}" height="{_BOX_HEIGHT}" rx="5" style="fill:{_COLOURS[node.column]}"/>'
    )
    yield f'<text class="t" x="{place.x + 10}" y="{top + 17}">{_short(node.title)}</text>'
    yield f'<text class="d" x="{place.x + 10}" y="{top + 32}">{_short(node.detail)}</text></g>'


def _edge(edge: Edge, places: Mapping[str, _Place]) -> Iterator[str]:
    """Yield a curve: from column to column rightwards or leftwards, within a column around its left side."""
    source, target = places[edge.source], places[edge.target]
    if source.x == target.x:
        bend = source.x - min(95, 20 + abs(source.y - target.y) // 6)
        path = f"M{source.x} {source.y}C{bend} {source.y} {bend} {target.y} {target.x} {target.y}"
    else:
        forward = source.x < target.x
        start, end = (source.x + _BOX_WIDTH, target.x) if forward else (source.x, target.x + _BOX_WIDTH)
        middle = (start + end) // 2
        path = f"M{start} {source.y}C{middle} {source.y} {middle} {target.y} {end} {target.y}"
    title = f"<title>{escape(edge.label)}</title>" if edge.label else ""
    yield f'<path d="{path}" marker-end="url(#a)">{title}</path>'


def _short(text: str) -> str:
    return escape(text if len(text) <= _MAX_TEXT_CHARACTERS else text[: _MAX_TEXT_CHARACTERS - 3] + "...")


def _quoted(text: str) -> str:
    return escape(text).replace("#", "#35;").replace("&#35;", "#")
