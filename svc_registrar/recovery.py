"""Contents of a log's file after a crash: whole records, then nothing, an unfinished tail, or damage."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mesh.serving.errors import StartError
from qiki_sdk.codes import MAX_EVENT_BYTES
from svc_registrar.domain.frame import HEADER_BYTES, MAGIC, Record, decode_header, is_whole

MAX_RECORD_BYTES = HEADER_BYTES + MAX_EVENT_BYTES
SEARCH_BYTES = 1024 * 1024


class LogDamagedError(StartError):
    """A record that was once safely on the disk is damaged; nothing is skipped, an operator decides."""

    def __init__(self, path: Path, offset: int, sequence: int, why: str) -> None:
        super().__init__(
            f"{path} is damaged at byte {offset}, where record {sequence} stands: {why}; "
            "put back an undamaged copy of the whole directory, or use an empty one to begin a new log"
        )
        self.path = path
        self.offset = offset
        self.sequence = sequence


def records(file: BinaryIO) -> Iterator[Record]:
    """Yield whole records from the file's position on, up to the first that is not whole."""
    while True:
        offset = file.tell()
        head = file.read(HEADER_BYTES)
        header = decode_header(head)
        if header is None or header.length > MAX_EVENT_BYTES:
            return
        body = file.read(header.length)
        if not is_whole(head, header, body):
            return
        yield Record(offset, header.sequence, header.recorded_ns, body)


def whole_once(file: BinaryIO, offset: int, size: int) -> int | None:
    """Return the sequence of a later whole record that proves that `offset` was once durable, or None."""
    place = offset + 1
    while place < size:
        file.seek(place)
        block = file.read(SEARCH_BYTES + MAX_RECORD_BYTES)
        at = block.find(MAGIC)
        while 0 <= at < SEARCH_BYTES:
            head = block[at : at + HEADER_BYTES]
            header = decode_header(head)
            if header is not None and header.durable > offset:
                body = block[at + HEADER_BYTES : at + HEADER_BYTES + header.length]
                if header.length <= MAX_EVENT_BYTES and is_whole(head, header, body):
                    return header.sequence
            at = block.find(MAGIC, at + 1)
        place += SEARCH_BYTES
    return None
