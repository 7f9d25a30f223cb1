"""Logs of format 1, one binary file `audit.log`: read once, to go on as a log of lines with the same identity."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mesh.serving.errors import StartError
from mesh.storage.files import read_checked
from mesh.storage.log_records import MAGIC_START, LogDamagedError, RecordLayout, later_record, whole_records
from qiki_sdk.codes import MAX_EVENT_BYTES
from svc_registrar.log.identity import ADVICE, Head

LOG_FILE, END_FILE = "audit.log", "audit.end"
# The fields: sequence, length of the log that was durable before the record was written, recorded time. A mark has an
# empty body.
LAYOUT = RecordLayout(MAGIC_START + b"QA", "QQq", durable_field=1, min_body_bytes=0, max_body_bytes=MAX_EVENT_BYTES)
_END = re.compile(rb"([0-9a-f-]{36}) ([0-9]{1,18}) ([0-9]{1,18})\n")


@dataclass(frozen=True, slots=True)
class OldRecord:
    """A record of the old log: its index, when it was recorded, and the event's serialized bytes."""

    index: int
    recorded_ns: int
    body: bytes


class OldLog:
    """An old log's file, open for reading from its first record on."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        """Read the log's identity; raises StartError if that is damaged."""
        self._path = path
        self._file = file
        record = next(whole_records(file, LAYOUT), None)
        if record is None or record.header.fields[0] != 0:
            raise self._damaged(0, 0, "the log's head cannot be read")
        found = json.loads(record.body)
        self.head = Head(found["log_id"], found["created_ns"], found["bot_id"])
        file.seek(record.offset + LAYOUT.header_bytes + len(record.body))

    def records(self) -> Iterator[OldRecord]:
        """Yield every record; an unfinished tail is left out.

        Raises:
            StartError: a record is damaged, or the log has lost its end.
        """
        index, end, size = 0, self._file.tell(), self._path.stat().st_size
        for record in whole_records(self._file, LAYOUT):
            sequence, _durable, recorded_ns = record.header.fields
            if sequence != index + bool(record.body):
                raise self._damaged(record.offset, index + 1, f"it is {sequence}")
            if record.body:
                index = sequence
                yield OldRecord(index, recorded_ns, record.body)
            end = record.offset + LAYOUT.header_bytes + len(record.body)
        if end < self._sealed_bytes():
            raise self._damaged(end, index + 1, f"{self._sealed_bytes()} bytes were whole once")
        proof = later_record(self._file, LAYOUT, end, size) if size > end else None
        if proof is not None:
            raise self._damaged(end, index + 1, f"record {proof.header.fields[0]} shows it was whole")

    def _sealed_bytes(self) -> int:
        """Return how long the log once was."""
        path = self._path.with_name(END_FILE)
        body = read_checked(path, ADVICE)
        found = _END.fullmatch(body) if body is not None else None
        if body is not None and (found is None or found[1].decode() != self.head.log_id):
            raise StartError(f"{path} is not of this log: {body!r}; {ADVICE}")
        return int(found[2]) if found else 0

    def _damaged(self, offset: int, index: int, why: str) -> LogDamagedError:
        return LogDamagedError(self._path, offset, why, ADVICE, sequence=index)
