"""Queries of a trace store: which traces hold an id, which are the newest or the slowest, what a trace consists of."""

import difflib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cli.errors import CliError
from cli.views.trace.collector.store import DATABASE, SCHEMA_VERSION, SEPARATOR
from cli.views.trace.span import Span, fields_of_body

MAX_TRACE_SPANS: Final = 5_000
MAX_MATCHES: Final = 1_000
MIN_PREFIX: Final = 4  # characters of a trace, span or other id
MAX_ID: Final = 256
# Ids close to another are searched for in the spans with a value of the same start or end, and in the newest.
CANDIDATE_SPANS: Final = 1_000
SAME_CHARACTERS: Final = 8
CLOSE_IDS: Final = 3
CLOSENESS: Final = 0.75
READ_WAIT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Extent:
    """Number of spans in the store, and when the oldest and the newest began; None while there are none."""

    spans: int
    oldest_ns: int | None
    newest_ns: int | None


@dataclass(frozen=True, slots=True)
class Summary:
    """A trace in one line."""

    trace_id: str
    start_ns: int
    end_ns: int
    spans: int
    failed: int
    root: str
    services: tuple[str, ...]

    @property
    def duration_ns(self) -> int:
        """Return the time from the first start to the last end."""
        return self.end_ns - self.start_ns


@dataclass(frozen=True, slots=True)
class Found:
    """Traces that hold an id, the newest first, and the spans that hold it, by trace id and span id.

    `cut` means that there are more than `MAX_MATCHES` such spans, and perhaps more traces.
    """

    trace_ids: tuple[str, ...] = ()
    spans: frozenset[tuple[str, str]] = frozenset()
    cut: bool = False


@contextmanager
def open_traces(directory: Path) -> Iterator["StoredTraces"]:
    """Yield the traces in the directory's store, as of now. Raises CliError where it cannot be read."""
    path = directory / DATABASE
    try:
        uri = f"{path.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=READ_WAIT_S, isolation_level=None)) as database:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version != SCHEMA_VERSION:
                raise CliError(f"The trace store {path} has the layout {version}, and {SCHEMA_VERSION} is readable.")
            database.execute("BEGIN")  # all queries see the same spans
            yield StoredTraces(database)
    except sqlite3.Error as error:
        raise CliError(f"The trace store {path} cannot be read: {error}.") from error


class StoredTraces:
    """The traces in a store; made by `open_traces`."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def extent(self) -> Extent:
        """Return how much the store holds."""
        (first, last), (oldest, newest) = (
            self._database.execute(f"SELECT MIN({column}), MAX({column}) FROM spans").fetchone()
            for column in ("number", "start_ns")
        )
        return Extent(0 if last is None else last - first + 1, oldest, newest)

    def find(self, text: str) -> Found:
        """Return the traces with the id, by the first that applies: a trace id, a span id, the value of an attribute,
        the start of a trace id, of a span id, of a value.
        """
        word = SEPARATOR + text.replace(SEPARATOR, " ")
        lower = text.lower()
        prefix = (lower, f"{lower}g")  # g follows the last hexadecimal digit
        searches: list[tuple[str, tuple[str, ...]]] = [
            ("trace_id = ?", (lower,)),
            ("span_id = ?", (lower,)),
            ("instr(words, ?)", (word + SEPARATOR,)),
            ("trace_id >= ? AND trace_id < ?", prefix),
            ("span_id >= ? AND span_id < ?", prefix),
            ("instr(words, ?)", (word,)),
        ]
        for condition, arguments in searches if len(text) >= MIN_PREFIX else searches[:3]:
            if found := self._found(condition, arguments):
                return found
        return Found()

    def _found(self, condition: str, arguments: Sequence[str]) -> Found | None:
        rows = self._database.execute(
            f"SELECT trace_id, span_id FROM spans WHERE {condition} ORDER BY number DESC LIMIT {MAX_MATCHES + 1}",
            arguments,
        ).fetchall()
        if not rows:
            return None
        whole_trace = condition.startswith("trace_id")
        matched = frozenset() if whole_trace else frozenset(rows)
        return Found(tuple(dict.fromkeys(row[0] for row in rows)), matched, cut=len(rows) > MAX_MATCHES)

    def trace(self, trace_id: str) -> list[Span]:
        """Return the trace's spans by their start, `MAX_TRACE_SPANS` at most."""
        rows = self._database.execute(
            "SELECT trace_id, span_id, parent_id, service, name, start_ns, end_ns, failed, body FROM spans "
            f"WHERE trace_id = ? ORDER BY start_ns, number LIMIT {MAX_TRACE_SPANS}",
            (trace_id,),
        )
        return [_to_span(row) for row in rows]

    def newest(self, limit: int, since_ns: int = 0) -> list[Summary]:
        """Return the traces that began at or after the time, the newest first."""
        return self._summaries("MIN(start_ns) DESC", limit, since_ns)

    def slowest(self, limit: int, since_ns: int = 0) -> list[Summary]:
        """Return the traces that began at or after the time, the slowest first."""
        return self._summaries("MAX(end_ns) - MIN(start_ns) DESC", limit, since_ns)

    def summaries(self, trace_ids: Sequence[str]) -> list[Summary]:
        """Return the summaries of the traces, in their order."""
        query = "SELECT trace_id, MIN(start_ns), MAX(end_ns), COUNT(*), SUM(failed) FROM spans WHERE trace_id = ?"
        return [self._summary(self._database.execute(query, (each,)).fetchone()) for each in trace_ids]

    def _summaries(self, order: str, limit: int, since_ns: int) -> list[Summary]:
        rows = self._database.execute(
            "SELECT trace_id, MIN(start_ns), MAX(end_ns), COUNT(*), SUM(failed) FROM spans GROUP BY trace_id "
            f"HAVING MIN(start_ns) >= ? ORDER BY {order} LIMIT ?",
            (since_ns, limit),
        ).fetchall()
        return [self._summary(row) for row in rows]

    def _summary(self, row: tuple[str, int, int, int, int]) -> Summary:
        names = self._database.execute(
            f"SELECT service, name FROM spans WHERE trace_id = ? ORDER BY start_ns, number LIMIT {MAX_TRACE_SPANS}",
            (row[0],),
        ).fetchall()
        return Summary(*row, " ".join(names[0]), tuple(dict.fromkeys(service for service, _ in names)))

    def close_to(self, text: str) -> list[str]:
        """Return ids in the newest spans that resemble the text, the closest first."""
        start, end = SEPARATOR + text[:SAME_CHARACTERS], text[-SAME_CHARACTERS:] + SEPARATOR
        select, newest = "SELECT trace_id, span_id, words FROM spans", f"ORDER BY number DESC LIMIT {CANDIDATE_SPANS}"
        alike = f"{select} WHERE instr(words, ?) OR instr(words, ?) {newest}"
        rows = [
            *self._database.execute(alike, (start, end)).fetchall(),
            *self._database.execute(f"{select} {newest}").fetchall(),
        ]
        known = {word for trace_id, span_id, words in rows for word in (trace_id, span_id, *words.split(SEPARATOR))}
        candidates = sorted(word for word in known if word and abs(len(word) - len(text)) <= len(text) // 4 + 1)
        return difflib.get_close_matches(text, candidates, CLOSE_IDS, CLOSENESS)


def _to_span(row: tuple[Any, ...]) -> Span:
    *columns, failed, body = row
    trace_id, span_id, parent_id, service, name, start_ns, end_ns = columns
    return Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_id=parent_id,
        service=service,
        name=name,
        start_ns=start_ns,
        end_ns=end_ns,
        failed=bool(failed),
        **fields_of_body(body),
    )
