"""Records of an append-only log: layout with a checksum, and the distinction of damage from an unfinished write."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import BinaryIO

from mesh.serving.errors import StartError

SEARCH_BYTES = 1024 * 1024
# 0xF5 and 0xFF never occur in UTF-8 text, so that no text in a record looks like the start of another.
MAGIC_START = b"\xf5\xff"


class LogDamagedError(StartError):
    """A durable record of a log differs from what was written; no record is skipped, an operator decides.

    `offset` is where the damaged record starts; `sequence` is its sequence, None in a log without sequences.
    """

    def __init__(self, path: Path, offset: int, why: str, advice: str, *, sequence: int | None = None) -> None:
        record = "" if sequence is None else f", where record {sequence} stands"
        super().__init__(f"{path} is damaged at byte {offset}{record}: {why}; {advice}")
        self.path = path
        self.offset = offset
        self.sequence = sequence


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a record, not verified: checksum, length of the body in bytes, and the fields of the log's own."""

    checksum: int
    length: int
    fields: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A whole record, and the offset in the file where its header starts."""

    offset: int
    header: Header
    body: bytes


class RecordLayout:
    """Layout of a log's records: magic, CRC-32 of all that follows, length of the body, fields of the log's own, body.

    One of the fields is the length of the log that was durable before the record was written. It distinguishes damage
    from an unfinished write: everything before the durable length of any whole record was once whole. In a log that
    makes each record durable alone, that length is the record's own offset: with `at_durable_end`, a record at any
    other offset is not whole.
    """

    def __init__(
        self,
        magic: bytes,
        fields: str,
        *,
        durable_field: int,
        min_body_bytes: int,
        max_body_bytes: int,
        at_durable_end: bool = False,
    ) -> None:
        """Define a layout; `fields` is their format as of `struct`, `durable_field` the index of the durable length."""
        self.magic = magic
        self._layout = Struct(f">{len(magic)}sII{fields}")
        self._checked = Struct(f">I{fields}")
        self.header_bytes = self._layout.size
        self.max_record_bytes = self.header_bytes + max_body_bytes
        self._checked_from = self.header_bytes - self._checked.size
        self._durable_field = durable_field
        self._min_body_bytes = min_body_bytes
        self._max_body_bytes = max_body_bytes
        self._at_durable_end = at_durable_end

    def encode(self, body: bytes, *fields: int) -> bytes:
        """Return a record's header and body; raises ValueError if the body is too short or too long."""
        length = len(body)
        if not self._min_body_bytes <= length <= self._max_body_bytes:
            allowed = f"{self._min_body_bytes} to {self._max_body_bytes}"
            raise ValueError(f"a record of {length} bytes, {allowed} are possible")
        checksum = zlib.crc32(body, zlib.crc32(self._checked.pack(length, *fields)))
        return self._layout.pack(self.magic, checksum, length, *fields) + body

    def header(self, data: bytes) -> Header | None:
        """Return the header at the start of the data, not verified, or None if there is none."""
        if len(data) < self.header_bytes or not data.startswith(self.magic):
            return None
        values = self._layout.unpack_from(data)
        possible = self._min_body_bytes <= values[2] <= self._max_body_bytes
        return Header(values[1], values[2], values[3:]) if possible else None

    def is_whole(self, offset: int, data: bytes, header: Header, body: bytes) -> bool:
        """Return whether header and body of the record at this offset, which `data` starts with, are as written."""
        if self._at_durable_end and self.durable(header) != offset:
            return False
        checked = data[self._checked_from : self.header_bytes]
        return len(body) == header.length and zlib.crc32(body, zlib.crc32(checked)) == header.checksum

    def durable(self, header: Header) -> int:
        """Return the length of the log that was durable before the record was written."""
        return header.fields[self._durable_field]


def whole_records(file: BinaryIO, layout: RecordLayout) -> Iterator[LogRecord]:
    """Yield whole records from the file's position on, up to the first that is not whole."""
    while True:
        offset = file.tell()
        data = file.read(layout.header_bytes)
        header = layout.header(data)
        if header is None:
            return
        body = file.read(header.length)
        if not layout.is_whole(offset, data, header, body):
            return
        yield LogRecord(offset, header, body)


def later_record(file: BinaryIO, layout: RecordLayout, offset: int, size: int) -> LogRecord | None:
    """Return a later whole record that proves that the record at `offset` was once durable, or None.

    None means that the bytes from `offset` to `size` are an unfinished write, a record that proves it means damage.
    """
    start = offset + 1
    while start < size:
        file.seek(start)
        block = file.read(SEARCH_BYTES + layout.max_record_bytes)
        at = block.find(layout.magic)
        while 0 <= at < SEARCH_BYTES:
            body_at = at + layout.header_bytes
            header = layout.header(block[at:body_at])
            if header is not None and layout.durable(header) > offset:
                body = block[body_at : body_at + header.length]
                if layout.is_whole(start + at, block[at:body_at], header, body):
                    return LogRecord(start + at, header, body)
            at = block.find(layout.magic, at + 1)
        start += SEARCH_BYTES
    return None
