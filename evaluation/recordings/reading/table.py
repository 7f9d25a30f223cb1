"""A table of raw values from a CSV or JSON file, compressed or not."""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from evaluation.recordings.errors import RecordingError

SUFFIXES = (".csv", ".csv.gz", ".json", ".json.gz")
MAX_BYTES = 512 * 1024 * 1024
"""Of the uncompressed text: an hour of a busy sky; a larger recording should be cut first."""
MAX_COLUMNS = 1000


@dataclass(frozen=True, slots=True)
class Unread:
    """A value that is not a row, in the place of one: its number, and its content."""

    number: int
    value: str


@dataclass(frozen=True, slots=True)
class Table:
    """Raw values by column name, all of the same length n, None where a value is missing.

    `numbers` (n,) are the rows' positions in the file, counted from 1 in the unit `counted_in`.
    """

    columns: Mapping[str, Sequence[object]]
    numbers: npt.NDArray[np.int64]
    counted_in: str
    unread: tuple[Unread, ...]


def read_table(path: Path) -> Table:
    """Read a file whose name ends in one of `SUFFIXES`; raises `RecordingError`."""
    if not path.name.lower().endswith(SUFFIXES):
        raise RecordingError(f"{path}: the name should end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    text = _read_text(path)
    try:
        if path.name.lower().removesuffix(".gz").endswith(".csv"):
            return _from_csv(text)
        return _from_json(text)
    except RecordingError as error:
        raise RecordingError(f"{path}: {error}") from None


def _read_text(path: Path) -> str:
    """Return the text; bytes that are not UTF-8 become U+FFFD, so that only their row is rejected."""
    try:
        with _open(path) as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise RecordingError(f"{path}: there is no such file") from None
    except (OSError, EOFError, zlib.error) as error:
        raise RecordingError(f"{path}: cannot be read: {error}") from None
    if len(raw) > MAX_BYTES:
        raise RecordingError(f"{path}: larger than {MAX_BYTES} bytes; cut it first")
    return raw.decode("utf-8-sig", errors="replace")


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb")) if path.name.lower().endswith(".gz") else path.open("rb")


def _from_csv(text: str) -> Table:
    reader = csv.reader(io.StringIO(text, newline=""))
    rows: list[list[str]] = []
    numbers: list[int] = []
    unread: list[Unread] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        for fields in reader:
            if len(fields) == len(header):
                rows.append(fields)
                numbers.append(reader.line_num)
            elif fields:  # an empty line is no row
                unread.append(Unread(reader.line_num, f"{len(fields)} fields instead of {len(header)}"))
    except csv.Error as error:
        raise RecordingError(f"line {reader.line_num}: not CSV: {error}") from None
    return _table(_by_name(header, rows), numbers, "line", unread)


def _from_json(text: str) -> Table:
    """Read a list of objects, or pandas' orients `columns` (also of lists) and `split`."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise RecordingError(f"line {error.lineno}, column {error.colno}: not JSON: {error.msg}") from None
    except (RecursionError, ValueError) as error:  # nested too deeply, or a number of thousands of digits
        raise RecordingError(f"not JSON of ours: {error}") from None
    if isinstance(document, list):
        return _from_records(document)
    if isinstance(document, dict) and isinstance(document.get("columns"), list):
        return _from_split(document)
    if isinstance(document, dict):
        return _from_columns(document)
    raise RecordingError("should be a list of objects, or an object of columns")


def _from_records(records: list[Any]) -> Table:
    rows, numbers, unread = [], [], []
    for number, record in enumerate(records, start=1):
        if isinstance(record, dict):
            rows.append(record)
            numbers.append(number)
        else:
            unread.append(Unread(number, str(record)))
    names = _check_names(dict.fromkeys(name for row in rows for name in row))
    return _table({name: [row.get(name) for row in rows] for name in names}, numbers, "row", unread)


def _from_split(document: dict[str, Any]) -> Table:
    data = document.get("data")
    if not isinstance(data, list):
        raise RecordingError("should have a list `data` beside `columns`")
    header = [str(name) for name in document["columns"]]
    rows, numbers, unread = [], [], []
    for number, row in enumerate(data, start=1):
        if isinstance(row, list) and len(row) == len(header):
            rows.append(row)
            numbers.append(number)
        else:
            unread.append(Unread(number, str(row)))
    return _table(_by_name(header, rows), numbers, "row", unread)


def _from_columns(document: dict[str, Any]) -> Table:
    columns: dict[str, Sequence[object]] = {}
    index = list(next((column for column in document.values() if isinstance(column, dict)), ()))
    for name in _check_names(document):
        column = document[name]
        if isinstance(column, dict):
            if column.keys() - set(index):
                raise RecordingError(f"column {name!r} has rows that others have not")
            columns[name] = [column.get(key) for key in index]
        elif isinstance(column, list):
            columns[name] = column
        else:
            raise RecordingError(f"column {name!r} should be a list or an object of values")
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        raise RecordingError(f"the columns differ in length: from {min(lengths)} to {max(lengths)}")
    return _table(columns, range(1, max(lengths, default=0) + 1), "row", ())


def _by_name(header: Sequence[str], rows: Sequence[Sequence[object]]) -> dict[str, Sequence[object]]:
    seen: set[str] = set()
    for name in _check_names(header):
        if name in seen:
            raise RecordingError(f"column {name!r} is there twice")
        seen.add(name)
    return dict(zip(header, zip(*rows, strict=True) if rows else ((),) * len(header), strict=True))


def _check_names(names: Iterable[str]) -> list[str]:
    found = list(names)
    if len(found) > MAX_COLUMNS:
        raise RecordingError(f"more than {MAX_COLUMNS} columns")
    return found


def _table(
    columns: Mapping[str, Sequence[object]], numbers: Sequence[int], counted_in: str, unread: Sequence[Unread]
) -> Table:
    return Table(columns, np.asarray(numbers, dtype=np.int64), counted_in, tuple(unread))
