"""How a record lies in the log: a header with a checksum, then the bytes exactly as they were given. Pure."""

import zlib
from dataclasses import dataclass
from struct import Struct

# 0xF5 and 0xFF never stand in UTF-8 text, so that no text in a record looks like the start of another.
MAGIC = b"\xf5\xffQA"
# magic, CRC-32 of all that follows, length of the body, sequence, durable, recorded time
_LAYOUT = Struct(">4sIIQQq")
_CHECKED = Struct(">IQQq")
HEADER_BYTES = _LAYOUT.size
_CHECKED_FROM = HEADER_BYTES - _CHECKED.size


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before a record's bytes.

    `durable` is the length of the log that was safely on the disk before this record was written. It tells a damaged
    place from one that was never finished: what lies before the `durable` of any whole record was once whole.
    """

    checksum: int
    length: int
    sequence: int
    durable: int
    recorded_ns: int


@dataclass(frozen=True, slots=True)
class Record:
    """One record and the place in the file where its header begins."""

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
    """Return the header that the data begins with, unverified, or None where there is none."""
    if len(data) < HEADER_BYTES or data[: len(MAGIC)] != MAGIC:
        return None
    return Header(*_LAYOUT.unpack_from(data)[1:])


def is_whole(header_bytes: bytes, header: Header, body: bytes) -> bool:
    """Tell whether header and body are as they were written."""
    checked = header_bytes[_CHECKED_FROM:HEADER_BYTES]
    return len(body) == header.length and zlib.crc32(body, zlib.crc32(checked)) == header.checksum
