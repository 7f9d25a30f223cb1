"""Index of the log in files: where each record is, and which records match a query; memory stays nearly the same.

In memory are summaries of blocks, a few bytes for thousands of records, and the newest ids.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from svc_registrar.domain.index import ROW, ROW_BYTES, Entry, Matcher, Query, Row, Summary, pack, short_hash, unpack
from svc_registrar.log.derived_file import DerivedFile, make_directory
from svc_registrar.log.ids import IdFile

BLOCK_ROWS = 4_096
# Rows that one selection reads: some milliseconds. A page ends there, and the next one goes on.
MAX_ROWS_A_PAGE = 64 * BLOCK_ROWS


class Selection(NamedTuple):
    """Indexes of matching records in their order; the search has `covered` all records up to that index."""

    indexes: list[int]
    covered: int
    complete: bool


class Index:
    """The index of one log; `last` is the newest record that counts.

    `row`, `accepts`, `candidates` and `select` may run in other threads than the writer: a row that counts is never
    changed.
    """

    def __init__(self, directory: Path, block_rows: int = BLOCK_ROWS) -> None:
        """Open the files, or create empty ones; raises OSError."""
        make_directory(directory)
        self._rows = DerivedFile(directory / "rows")
        self._ids = IdFile(directory / "ids")
        self._block_rows = block_rows
        self._summaries: list[Summary] = []
        self._known: dict[frozenset[int], frozenset[int]] = {}  # equal sets of different blocks are one object
        self.last = 0

    @property
    def stored_rows(self) -> int:
        """Number of rows in the file."""
        return self._rows.size_bytes // ROW_BYTES

    def open(self, trusted: int) -> None:
        """Use the first `trusted` rows, which are as they were written; raises OSError."""
        in_runs = self._ids.open(trusted)
        self._count(trusted)
        for first in range(in_runs, trusted, self._block_rows):
            rows = self._read(first, min(first + self._block_rows, trusted))
            for number, id_hash in enumerate(rows["event_id"].tolist(), first + 1):
                self._ids.add(id_hash, number)
            self._ids.settle()

    def write(self, entries: Sequence[Entry], offsets: Sequence[int], recorded_ns: Sequence[int]) -> None:
        """Write the rows of the next records, which do not count before `count`; raises OSError."""
        self._ids.settle()
        rows = b"".join(map(pack, entries, offsets, recorded_ns))
        self._rows.write(rows, self.last * ROW_BYTES)

    def count(self, entries: Sequence[Entry]) -> None:
        """Count the next records, whose rows are written."""
        first = self.last
        self._count(first + len(entries))
        for number, entry in enumerate(entries, first + 1):
            self._ids.add(short_hash(entry.event_id), number)

    def row(self, index: int) -> Row:
        """Return the row of a record; raises IndexError, OSError."""
        if not 1 <= index <= self.last:
            raise IndexError(f"no record has index {index}")
        return unpack(self._rows.read(ROW_BYTES, (index - 1) * ROW_BYTES))

    def candidates(self, event_id: bytes) -> Iterator[int]:
        """Yield the indexes that an event of this id may have."""
        return self._ids.candidates(short_hash(event_id))

    def accepts(self, index: int, matcher: Matcher) -> bool:
        """Return whether a record meets a query."""
        return matcher.accepts(self.row(index))

    def select(self, query: Query, *, after: int, before: int, most: int, newest_first: bool) -> Selection:
        """Return matching records in the open interval (after, before): the first `most`, in the order.

        The search ends after `MAX_ROWS_A_PAGE` rows, or with the first `most` matches: then it is not complete.
        """
        low, high = max(0, after), min(self.last, before - 1)
        matcher, found, scanned = Matcher(query), [0][:0], 0
        covered = high + 1 if newest_first else low
        for first, end in self._parts(low, high, matcher, newest_first=newest_first):
            if len(found) >= most or scanned >= MAX_ROWS_A_PAGE:
                return Selection(found, covered, complete=False)
            matching = matcher.select(self._read(first, end)) + first + 1
            found += (matching[::-1] if newest_first else matching)[: most - len(found)].tolist()
            scanned += end - first
            covered = first + 1 if newest_first else end
        return Selection(found, covered, complete=True)

    def sync(self) -> None:
        """Flush the files to the disk; raises OSError."""
        self._rows.sync()
        self._ids.sync()

    def clear(self) -> None:
        """Remove all rows and ids; raises OSError."""
        self._rows.cut(0)
        self._ids.clear()

    def close(self) -> None:
        """Close the files."""
        self._rows.close()
        self._ids.close()

    def _parts(self, low: int, high: int, matcher: Matcher, *, newest_first: bool) -> Iterator[tuple[int, int]]:
        """Yield the parts of the rows [low, high) that may hold a match, block by block."""
        if low >= high:
            return
        numbers = range(low // self._block_rows, (high - 1) // self._block_rows + 1)
        for number in reversed(numbers) if newest_first else numbers:
            if number >= len(self._summaries) or matcher.may_match(self._summaries[number]):
                begin = number * self._block_rows
                yield max(low, begin), min(high, begin + self._block_rows)

    def _count(self, last: int) -> None:
        """Count rows up to `last`, and summarise the blocks that are now complete."""
        for block in range(len(self._summaries), last // self._block_rows):
            found = Summary.of(self._read(block * self._block_rows, (block + 1) * self._block_rows))
            codes = self._known.setdefault(found.codes, found.codes)
            reporters = self._known.setdefault(found.reporters, found.reporters)
            self._summaries.append(Summary(found.first_ns, found.last_ns, found.max_severity, codes, reporters))
        self.last = last

    def _read(self, first: int, end: int) -> NDArray[np.void]:
        return np.frombuffer(self._rows.read((end - first) * ROW_BYTES, first * ROW_BYTES), ROW)
