"""Records of the registrar's log: layout, and the bytes exactly as submitted."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mesh.storage.log_records import MAGIC_START, LogDamagedError, RecordLayout, whole_records
from qiki_sdk.codes import MAX_EVENT_BYTES

# The fields: sequence, length of the log that was durable before the record was written, recorded time. A mark has an
# empty body.
LAYOUT = RecordLayout(MAGIC_START + b"QA", "QQq", durable_field=1, min_body_bytes=0, max_body_bytes=MAX_EVENT_BYTES)
_ADVICE = "put back an undamaged copy of the whole directory, or use an empty one to begin a new log"


@dataclass(frozen=True, slots=True)
class Record:
    """One record and the offset in the file where its header starts."""

    offset: int
    sequence: int
    recorded_ns: int
    body: bytes

    @property
    def end(self) -> int:
        """Offset in the file where the record ends."""
        return self.offset + LAYOUT.header_bytes + len(self.body)


def encode(sequence: int, durable: int, recorded_ns: int, body: bytes) -> bytes:
    """Return a record's header and body."""
    return LAYOUT.encode(body, sequence, durable, recorded_ns)


def records(file: BinaryIO) -> Iterator[Record]:
    """Yield whole records from the file's position on, up to the first that is not whole."""
    for found in whole_records(file, LAYOUT):
        sequence, _durable, recorded_ns = found.header.fields
        yield Record(found.offset, sequence, recorded_ns, found.body)


def damaged(path: Path, offset: int, sequence: int, why: str) -> LogDamagedError:
    """Return the refusal of a log whose record at this offset differs from what was written."""
    return LogDamagedError(path, offset, why, _ADVICE, sequence=sequence)
