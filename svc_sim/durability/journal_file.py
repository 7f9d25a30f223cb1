"""File format of the command journal: framed records, and recovery of the valid ones after any crash. Pure."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from struct import Struct

from mesh.serving.errors import StartError

# 0xF5 and 0xFF never occur in UTF-8 text, so that no text in a record looks like the start of another.
MAGIC = b"\xf5\xffQJ"
# magic, CRC-32 of the rest of the record, length of the body, offset in the file
_LAYOUT = Struct(">4sIIQ")
_CHECKED = Struct(">IQ")
HEADER_BYTES = _LAYOUT.size
MAX_BODY_BYTES = 4096


class JournalDamagedError(StartError):
    """A durable record differs from what was written; no record is skipped, an operator decides."""

    def __init__(self, path: Path, offset: int, why: str) -> None:
        super().__init__(
            f"{path} is damaged at byte {offset}: {why}; "
            "put back an undamaged copy, or begin a new run in an empty directory"
        )
        self.path = path
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Contents:
    """Contents of a file: bodies of its valid records, at least one, their end, and the number of bytes after it."""

    bodies: tuple[bytes, ...]
    end: int
    torn_bytes: int


def encode(offset: int, body: bytes) -> bytes:
    """Return the frame of a record at an offset in the file."""
    if not 0 < len(body) <= MAX_BODY_BYTES:
        raise ValueError(f"a record of {len(body)} bytes, 1 to {MAX_BODY_BYTES} are possible")
    checked = _CHECKED.pack(len(body), offset)
    return _LAYOUT.pack(MAGIC, zlib.crc32(body, zlib.crc32(checked)), len(body), offset) + body


def parse(path: Path, data: bytes, settled: int) -> Contents:
    """Return the contents of the file's bytes; the first `settled` of them are known to have been valid.

    The first record is written together with the file, and each further record once the previous one is on the disk. An
    invalid record is therefore an unfinished write if no valid record follows it, and damage if one does.

    Raises:
        JournalDamagedError: a record differs from what was written, or is missing.
    """
    bodies, end = [], 0
    for body in _whole(data):
        bodies.append(body)
        end += HEADER_BYTES + len(body)
    if not bodies:
        raise JournalDamagedError(path, 0, "its head cannot be read")
    if end < settled:
        raise JournalDamagedError(path, end, f"{settled} bytes were whole when the last ticks were reserved")
    proof = _next_whole(data, end)
    if proof is not None:
        raise JournalDamagedError(path, end, f"the record at byte {proof} was written after it")
    return Contents(tuple(bodies), end, len(data) - end)


def _whole(data: bytes) -> Iterator[bytes]:
    offset = 0
    while (body := _body_at(data, offset)) is not None:
        yield body
        offset += HEADER_BYTES + len(body)


def _next_whole(data: bytes, offset: int) -> int | None:
    place = data.find(MAGIC, offset + 1)
    while place >= 0:
        if _body_at(data, place) is not None:
            return place
        place = data.find(MAGIC, place + 1)
    return None


def _body_at(data: bytes, offset: int) -> bytes | None:
    """Return the body of the valid record at exactly this offset, if there is one."""
    if len(data) - offset < HEADER_BYTES or data[offset : offset + len(MAGIC)] != MAGIC:
        return None
    _magic, checksum, length, place = _LAYOUT.unpack_from(data, offset)
    start = offset + HEADER_BYTES
    body = data[start : start + length]
    if place != offset or not 0 < length <= MAX_BODY_BYTES or len(body) != length:
        return None
    return body if zlib.crc32(body, zlib.crc32(_CHECKED.pack(length, place))) == checksum else None
