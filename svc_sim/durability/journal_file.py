"""File format of the command journal: layout of its records, and recovery of the whole ones after any crash. Pure."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from mesh.storage.log_records import MAGIC_START, LogDamagedError, RecordLayout, later_record, whole_records

MAX_BODY_BYTES = 4096
# The one field is the record's offset in the file: each record is written once the one before it is on the disk.
LAYOUT = RecordLayout(
    MAGIC_START + b"QJ",
    "Q",
    durable_field=0,
    min_body_bytes=1,
    max_body_bytes=MAX_BODY_BYTES,
    at_durable_end=True,
)
_ADVICE = "put back an undamaged copy, or begin a new run in an empty directory"


@dataclass(frozen=True, slots=True)
class Contents:
    """Contents of a file: bodies of its whole records, at least one, their end, and the number of bytes after it."""

    bodies: tuple[bytes, ...]
    end: int
    torn_bytes: int


def encode(offset: int, body: bytes) -> bytes:
    """Return the record at an offset in the file; raises ValueError if the body is too short or too long."""
    return LAYOUT.encode(body, offset)


def parse(path: Path, data: bytes, committed_bytes: int) -> Contents:
    """Return the contents of the file's bytes; the first `committed_bytes` of them are known to have been whole.

    The first record is written together with the file, and each further record once the previous one is on the disk. A
    record that is not whole is therefore an unfinished write if no whole record follows it, and damage if one does.

    Raises:
        LogDamagedError: a record differs from what was written, or is missing.
    """
    file = BytesIO(data)
    records = list(whole_records(file, LAYOUT))
    if not records:
        raise LogDamagedError(path, 0, "its head cannot be read", _ADVICE)
    end = records[-1].offset + LAYOUT.header_bytes + len(records[-1].body)
    if end < committed_bytes:
        why = f"{committed_bytes} bytes were whole when the last ticks were reserved"
        raise LogDamagedError(path, end, why, _ADVICE)
    proof = later_record(file, LAYOUT, end, len(data))
    if proof is not None:
        raise LogDamagedError(path, end, f"the record at byte {proof.offset} was written after it", _ADVICE)
    return Contents(tuple(record.body for record in records), end, len(data) - end)
