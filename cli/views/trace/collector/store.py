"""Store of spans in one SQLite file, bounded by number and by bytes: the oldest are deleted first.

SQLite's write-ahead log makes it safe to kill the collector at any moment: after that the file holds every export that
was confirmed. All calls block: they belong in a thread, one at a time.
"""

import logging
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from cli.local_mesh.storage.disk_space import free_bytes
from cli.views.trace.span import Span, body_of

DATABASE: Final = "traces.sqlite3"
SCHEMA_VERSION: Final = 1
# More than a mesh needs to continue after a full disk (`ROOM_BYTES`): traces never take the last space.
MIN_FREE_BYTES: Final = 64 * 1024 * 1024
# The hard limit of the file, in units of the limit at which the oldest spans are deleted: room for one export.
HARD_LIMIT_FACTOR: Final = 2
# Share of the spans deleted at once where the bytes are too many.
DELETED_SHARE: Final = 0.1
MAX_DELETIONS: Final = 64
JOURNAL_BYTES: Final = 4 * 1024 * 1024
LOCK_WAIT_S: Final = 5.0
# Separates the values in the column `words`, which is searched for whole values: no value contains it.
SEPARATOR: Final = "\n"
_LOG = logging.getLogger(__name__)
_SCHEMA: Final = """
CREATE TABLE spans (
    number INTEGER PRIMARY KEY,
    trace_id TEXT NOT NULL, span_id TEXT NOT NULL, parent_id TEXT NOT NULL, service TEXT NOT NULL, name TEXT NOT NULL,
    start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, failed INTEGER NOT NULL,
    words TEXT NOT NULL, body TEXT NOT NULL
);
CREATE UNIQUE INDEX span_once ON spans (trace_id, span_id, start_ns);
CREATE INDEX span_by_id ON spans (span_id);
CREATE INDEX span_by_trace ON spans (trace_id, start_ns, end_ns, failed);
CREATE INDEX span_by_start ON spans (start_ns);
"""


class StoreUnavailableError(Exception):
    """The store cannot take spans now; the text says why."""


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """Limits of the store: spans, and bytes of the file's used part."""

    spans: int = 200_000
    size_bytes: int = 128 * 1024 * 1024


class TraceStore:
    """The store, open for writing; made by `open_store`."""

    def __init__(self, path: Path, limits: StoreLimits) -> None:
        self._directory = path.parent
        self._limits = limits
        # Calls come from several threads, one at a time.
        self._database = sqlite3.connect(path, timeout=LOCK_WAIT_S, isolation_level=None, check_same_thread=False)
        self.spans = 0
        self.size_bytes = 0

    def prepare(self) -> Self:
        """Set the file up, and create its tables if it is new. Raises sqlite3.Error where it cannot be used."""
        run = self._database.execute
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = NORMAL")
        run(f"PRAGMA journal_size_limit = {JOURNAL_BYTES}")
        run(f"PRAGMA max_page_count = {HARD_LIMIT_FACTOR * self._limits.size_bytes // self._page_bytes()}")
        (version,) = run("PRAGMA user_version").fetchone()
        if version not in (0, SCHEMA_VERSION):
            raise sqlite3.DatabaseError(f"it has the layout {version}, this program reads {SCHEMA_VERSION}")
        if version == 0:
            self._database.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
        with self._transaction():
            self._delete_oldest()
        return self

    def add(self, spans: Iterable[Span]) -> int:
        """Store the spans, all or none, and delete the oldest beyond the limits; return how many were new.

        Raises:
            StoreUnavailableError: the disk or the file cannot take them.
        """
        try:
            if (free := free_bytes(self._directory)) < MIN_FREE_BYTES:
                raise StoreUnavailableError(
                    f"{free} bytes are free at {self._directory}, and traces leave {MIN_FREE_BYTES}: free some space"
                )
            with self._transaction():
                before = self._database.total_changes
                self._database.executemany(_INSERT, map(_row, spans))
                added = self._database.total_changes - before
                self._delete_oldest()
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailableError(f"the spans cannot be stored in {self._directory}: {error}") from error
        return added

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _delete_oldest(self) -> None:
        """Delete the oldest spans until both limits are met."""
        # Numbers are contiguous: SQLite gives the last one plus one, and deletion takes the first ones.
        first, last = self._database.execute("SELECT MIN(number), MAX(number) FROM spans").fetchone()
        if last is None:
            self.spans, self.size_bytes = 0, self._used_bytes()
            return
        kept_from = max(first, last - self._limits.spans + 1)
        self._delete_below(kept_from)
        for _ in range(MAX_DELETIONS):
            if self._used_bytes() <= self._limits.size_bytes:
                break
            kept_from += max(1, int((last - kept_from + 1) * DELETED_SHARE))
            self._delete_below(kept_from)
        self.spans, self.size_bytes = max(0, last - kept_from + 1), self._used_bytes()

    def _delete_below(self, number: int) -> None:
        self._database.execute("DELETE FROM spans WHERE number < ?", (number,))

    def _used_bytes(self) -> int:
        (pages,) = self._database.execute("PRAGMA page_count").fetchone()
        (free,) = self._database.execute("PRAGMA freelist_count").fetchone()
        return int(pages - free) * self._page_bytes()

    def _page_bytes(self) -> int:
        return int(self._database.execute("PRAGMA page_size").fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._database.in_transaction:  # SQLite ends it itself after some errors
                self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


def open_store(directory: Path, limits: StoreLimits) -> TraceStore:
    """Open the store in the directory; a damaged file, or one of another layout, is moved to `<file>.damaged`.

    Raises:
        StoreUnavailableError: no usable file can be made there.
    """
    path = directory / DATABASE
    try:
        directory.mkdir(parents=True, exist_ok=True)
        try:
            return TraceStore(path, limits).prepare()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # such as a full disk: the file itself is not at fault
                raise
            _LOG.warning("the trace store cannot be read and is replaced", extra={"path": str(path), "why": str(error)})
        path.replace(path.with_name(f"{DATABASE}.damaged"))
        for suffix in ("-wal", "-shm"):
            path.with_name(DATABASE + suffix).unlink(missing_ok=True)
        return TraceStore(path, limits).prepare()
    except (sqlite3.Error, OSError) as error:
        raise StoreUnavailableError(f"the trace store {path} cannot be used: {error}") from error


_INSERT: Final = (
    "INSERT OR IGNORE INTO spans (trace_id, span_id, parent_id, service, name, start_ns, end_ns, failed, words, body) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def _row(span: Span) -> tuple[str, str, str, str, str, int, int, bool, str, str]:
    words = dict.fromkeys(value.replace(SEPARATOR, " ") for value in span.values())
    return (
        *(span.trace_id, span.span_id, span.parent_id, span.service, span.name),
        *(span.start_ns, span.end_ns, span.failed),
        SEPARATOR + "".join(word + SEPARATOR for word in words),
        body_of(span),
    )
