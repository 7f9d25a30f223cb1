"""Rows of an index: the properties by which records are found, 32 bytes a record, in blocks with a summary. Pure."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct

import numpy as np
from numpy.typing import NDArray

# The same layout twice: a row is packed alone and selected by columns.
_PACKED = Struct("<qQQIHBx")
ROW = np.dtype(
    {
        "names": ["recorded_ns", "event_id", "reporter", "offset", "code", "severity"],
        "formats": ["<i8", "<u8", "<u8", "<u4", "<u2", "u1"],
        "offsets": [0, 8, 16, 24, 28, 30],
        "itemsize": _PACKED.size,
    }
)
ROW_BYTES = _PACKED.size


@dataclass(frozen=True, slots=True)
class Entry:
    """Properties of an event."""

    event_id: bytes
    code: int
    severity: int
    reporter: str


@dataclass(frozen=True, slots=True)
class Row:
    """The index row of a record: `offset` is where its line starts in its segment; ids and reporters are hashes."""

    recorded_ns: int
    event_id: int
    reporter: int
    offset: int
    code: int
    severity: int


@dataclass(frozen=True, slots=True)
class Query:
    """Criteria of a selection: events that meet all of them. Empty codes or reporters mean all, as 0 does for a code.

    The index knows no text: who selects by `text` reads the events that meet the rest.
    """

    codes: frozenset[int] = frozenset()
    min_severity: int = 0
    reporters: frozenset[str] = frozenset()
    recorded_from_ns: int | None = None
    recorded_before_ns: int | None = None
    min_code: int = 0
    max_code: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """The properties that occur in a block of rows: a block that cannot hold a match is not read."""

    first_ns: int
    last_ns: int
    max_severity: int
    codes: frozenset[int]
    reporters: frozenset[int]

    @classmethod
    def of(cls, rows: NDArray[np.void]) -> "Summary":
        """Return the summary of at least one row."""
        return cls(
            int(rows["recorded_ns"].min()),
            int(rows["recorded_ns"].max()),
            int(rows["severity"].max()),
            frozenset(np.unique(rows["code"]).tolist()),
            frozenset(np.unique(rows["reporter"]).tolist()),
        )


def short_hash(data: bytes) -> int:
    """Return 64 bits of a hash, by which the index finds an id or a reporter."""
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


def pack(entry: Entry, offset: int, recorded_ns: int) -> bytes:
    """Return the row of a record."""
    reporter = short_hash(entry.reporter.encode())
    return _PACKED.pack(recorded_ns, short_hash(entry.event_id), reporter, offset, entry.code, entry.severity)


def unpack(data: bytes) -> Row:
    """Return the row that these bytes hold."""
    return Row(*_PACKED.unpack(data))


class Matcher:
    """Decides which rows and blocks meet a query."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._codes = sorted(query.codes)
        self._reporters = sorted(short_hash(name.encode()) for name in query.reporters)
        self.takes_all = query == Query()

    def may_match(self, block: Summary) -> bool:
        """Return whether a row of the block may meet the query."""
        query = self._query
        return (
            block.max_severity >= query.min_severity
            and (not query.codes or not query.codes.isdisjoint(block.codes))
            and query.min_code <= max(block.codes)
            and (not query.max_code or query.max_code >= min(block.codes))
            and (not self._reporters or not block.reporters.isdisjoint(self._reporters))
            and (query.recorded_from_ns is None or block.last_ns >= query.recorded_from_ns)
            and (query.recorded_before_ns is None or block.first_ns < query.recorded_before_ns)
        )

    def accepts(self, row: Row) -> bool:
        """Return whether a row meets the query."""
        query = self._query
        return (
            row.severity >= query.min_severity
            and (not query.codes or row.code in query.codes)
            and row.code >= query.min_code
            and (not query.max_code or row.code <= query.max_code)
            and (not self._reporters or row.reporter in self._reporters)
            and (query.recorded_from_ns is None or row.recorded_ns >= query.recorded_from_ns)
            and (query.recorded_before_ns is None or row.recorded_ns < query.recorded_before_ns)
        )

    def select(self, rows: NDArray[np.void]) -> NDArray[np.intp]:
        """Return the positions of the rows that meet the query."""
        query = self._query
        mask: NDArray[np.bool_] = rows["severity"] >= query.min_severity
        if query.codes:
            mask &= np.isin(rows["code"], self._codes)
        if query.min_code:
            mask &= rows["code"] >= query.min_code
        if query.max_code:
            mask &= rows["code"] <= query.max_code
        if query.reporters:
            mask &= _is_one_of(rows["reporter"], self._reporters)
        if query.recorded_from_ns is not None:
            mask &= rows["recorded_ns"] >= query.recorded_from_ns
        if query.recorded_before_ns is not None:
            mask &= rows["recorded_ns"] < query.recorded_before_ns
        return np.flatnonzero(mask)


def _is_one_of(column: NDArray[np.uint64], values: Sequence[int]) -> NDArray[np.bool_]:
    return np.isin(column, np.array(values, np.uint64))  # as uint64: a list of large integers would become floats
