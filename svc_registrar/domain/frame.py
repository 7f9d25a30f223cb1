"""Layout of a record in the log: a header with a checksum, then the bytes exactly as submitted. Pure."""

import zlib
from dataclasses import dataclass
from struct import Struct

# 0xF5 and 0xFF never occur in UTF-8 text, so that no text in a record looks like the start of another.
MAGIC = b"\xf5\xffQA"
# magic, CRC-32 of all following bytes, length of the body, sequence, durable, recorded time
_LAYOUT = Struct(">4sIIQQq")
_CHECKED = Struct(">IQQq")
HEADER_BYTES = _LAYOUT.size
_CHECKED_FROM = HEADER_BYTES - _CHECKED.size


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a record.

    `durable` is the length of the log that was safely on the disk before this record was written. It distinguishes
    damage from an unfinished write: everything before the `durable` of any whole record was once whole.
    """

    checksum: int
    length: int
    sequence: int
    durable: int
    recorded_ns: int


@dataclass(frozen=True, slots=True)
class Record:
    """One record and the offset in the file where its header starts."""

    offset: int
    sequence: int
    recorded_ns: int
    body: bytes


def encode(sequence: int, durable: int, recorded_ns: int, body: bytes) -> bytes:
    """Return a record's header and body."""
    checked = _CHECKED.pack(len(body), sequence, durable, recorded_ns)
    checksum = zlib.crc32(body, zlib.crc32(checked))
    return _LAYOUT.pack(MAGIC, checksum, len(body), sequence, durable, recorded_ns) + body


def decode_header(data: bytes) -> Header | None:
    """Return the header at the start of the data, unverified, or None if there is none."""
    if len(data) < HEADER_BYTES or data[: len(MAGIC)] != MAGIC:
        return None
    return Header(*_LAYOUT.unpack_from(data)[1:])


def is_whole(header_bytes: bytes, header: Header, body: bytes) -> bool:
    """Return whether header and body are unchanged since they were written."""
    checked = header_bytes[_CHECKED_FROM:HEADER_BYTES]
    return len(body) == header.length and zlib.crc32(body, zlib.crc32(checked)) == header.checksum
