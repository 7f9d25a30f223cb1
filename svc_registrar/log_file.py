"""The log's file: append-only, flushed to the disk before any receipt, read by offset, recovered after any crash."""

import json
import logging
import os
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Self

from mesh import failpoints
from mesh.serving.errors import StartError
from mesh.storage.files import write_atomic
from qiki_sdk.codes import MAX_EVENT_BYTES
from svc_registrar.domain.frame import HEADER_BYTES, Record, decode_header, encode, is_whole
from svc_registrar.log_end import LogEnd, LogLostError, read_end
from svc_registrar.recovery import MAX_RECORD_BYTES, SEARCH_BYTES, LogDamagedError, records, whole_once

FORMAT = 1
_CLOSED = -1
_FILE, _CUT = "audit.log", "audit.cut"
_HEAD_SEQUENCE = 0
_MARK = b""  # the body of a mark, whose sequence is that of the record before it; no event is empty
_LOG = logging.getLogger(__name__)


class RecordUnreadableError(Exception):
    """A record can no longer be read as it was written."""

    def __init__(self, offset: int, sequence: int) -> None:
        super().__init__(f"record {sequence} at byte {offset} is not as it was written")
        self.sequence = sequence


@dataclass(frozen=True, slots=True)
class Head:
    """The log's first record: its identity."""

    log_id: str
    created_ns: int
    bot_id: str


@dataclass(frozen=True, slots=True)
class Append:
    """Positions of appended records: the first one's sequence, the offset of each, and the time."""

    first_sequence: int
    offsets: tuple[int, ...]
    recorded_ns: int


class LogFile:
    """One append-only file with one writer; `end` is the length of it that is safely on the disk.

    `append` and `probe` may run in another thread than `read`, one at a time.
    """

    def __init__(self, path: Path, fd: int, head: Head) -> None:
        self.path = path
        self.head = head
        self.end = 0
        self.last_sequence = 0
        self.cut_bytes = 0
        self._fd = fd
        self._torn = False  # whether there may be bytes beyond `end`
        self._writing = Lock()

    @classmethod
    def open(cls, state_dir: Path, bot_id: str, visit: Callable[[Record], object]) -> Self:
        """Open the directory's log, or make a new one, and pass every record to `visit`.

        An unfinished tail is cut off, logged, and kept beside the log as `audit.cut`.

        Raises:
            LogDamagedError: a record in the middle is damaged.
            LogLostError: the log, or the end of it, is gone.
            StartError: the directory cannot be used, or the log is another bot's.
        """
        path = state_dir / _FILE
        try:
            with ExitStack() as opened:
                state_dir.mkdir(parents=True, exist_ok=True)
                known = read_end(state_dir)
                if not path.exists():
                    if known is not None:
                        raise LogLostError(path, known, "is gone")
                    write_atomic(path, _new_head(bot_id))
                fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
                opened.callback(os.close, fd)
                with path.open("rb", buffering=SEARCH_BYTES) as file:
                    log = cls(path, fd, _read_head(path, file))
                    log._check_bot(bot_id)
                    log._recover(file, visit, known)
                opened.pop_all()
        except OSError as error:
            raise StartError(f"the state directory {state_dir} cannot be used: {error.strerror or error}") from error
        return log

    def close(self) -> None:
        """Close the file, after a write in progress."""
        with self._writing:
            os.close(self._fd)
            self._fd = _CLOSED  # a late write must not go to another file with the same number

    # -- writing ------------------------------------------------------------------------------------------------------

    def append(self, bodies: Sequence[bytes]) -> Append:
        """Append records; when this returns they are on the disk.

        Raises:
            OSError: none of them is, and the log is as it was before.
        """
        with self._writing:
            return self._append(bodies)

    def seal(self) -> None:
        """Append a mark that proves that all records before it were whole; raises OSError if that fails.

        Every write proves it for the earlier ones; the mark does for the last. Damage there is then distinguishable
        from an unfinished tail. A file cannot show that it was once longer: `LogEnd` keeps that length beside it.
        """
        with self._writing:
            frame = encode(self.last_sequence, self.end, time.time_ns(), _MARK)
            self._write_durably(frame)
            self.end += len(frame)
            LogEnd(self.head.log_id, self.end, self.last_sequence).write(self.path.parent)

    def probe(self) -> None:
        """Test whether a record of any size can be written; raises OSError if not. The log does not change."""
        with self._writing:
            self._write_durably(bytes(MAX_RECORD_BYTES))
            self._torn = True
            self._take_back()

    def _append(self, bodies: Sequence[bytes]) -> Append:
        recorded_ns, durable, first = time.time_ns(), self.end, self.last_sequence + 1
        frames = [encode(first + number, durable, recorded_ns, body) for number, body in enumerate(bodies)]
        offsets, place = [], durable
        for frame in frames:
            offsets.append(place)
            place += len(frame)
        self._write_durably(b"".join(frames))
        self.end, self.last_sequence = place, first + len(bodies) - 1
        return Append(first, tuple(offsets), recorded_ns)

    def _write_durably(self, data: bytes) -> None:
        if self._torn:
            self._take_back()
        self._torn = True
        failpoints.reach("log.write")
        try:
            view, done = memoryview(data), 0
            while done < len(data):
                done += os.pwrite(self._fd, view[done:], self.end + done)
            failpoints.reach("log.written")
            os.fsync(self._fd)
            failpoints.reach("log.synced")
        except OSError:
            try:
                self._take_back()
            except OSError as error:
                _LOG.warning("the log's tail cannot be cut off yet", extra={"why": str(error)})
            raise
        self._torn = False

    def _take_back(self) -> None:
        """Cut off the bytes beyond the end: the rest of an older attempt must not follow a shorter new one."""
        os.ftruncate(self._fd, self.end)
        self._torn = False

    # -- reading ------------------------------------------------------------------------------------------------------

    def read(self, offset: int, sequence: int) -> Record:
        """Return the record at an offset.

        Raises:
            RecordUnreadableError: it is not as it was written.
        """
        head = os.pread(self._fd, HEADER_BYTES, offset)
        header = decode_header(head)
        if header is None or header.sequence != sequence or header.length > MAX_EVENT_BYTES:
            raise RecordUnreadableError(offset, sequence)
        body = os.pread(self._fd, header.length, offset + HEADER_BYTES)
        if not is_whole(head, header, body):
            raise RecordUnreadableError(offset, sequence)
        return Record(offset, sequence, header.recorded_ns, body)

    # -- opening ------------------------------------------------------------------------------------------------------

    def _check_bot(self, bot_id: str) -> None:
        if self.head.bot_id != bot_id:
            raise StartError(f"{self.path} is the log of bot {self.head.bot_id}, not of {bot_id}")

    def _recover(self, file: BinaryIO, visit: Callable[[Record], object], known: LogEnd | None) -> None:
        if known is not None and known.log_id != self.head.log_id:
            raise LogLostError(self.path, known, f"is of another log, {self.head.log_id}")
        self.end = file.tell()
        for record in records(file):
            following = self.last_sequence + (record.body != _MARK)
            if record.sequence != following:
                raise LogDamagedError(self.path, record.offset, following, f"it is {record.sequence}")
            if record.body != _MARK:
                visit(record)
                self.last_sequence = record.sequence
            self.end = record.offset + HEADER_BYTES + len(record.body)
        size = os.fstat(self._fd).st_size
        if known is not None and self.end < known.end:
            if size >= known.end:
                following = self.last_sequence + 1
                raise LogDamagedError(self.path, self.end, following, f"{known.end} bytes were whole once")
            raise LogLostError(self.path, known, f"has lost its end and has {size} bytes")
        if size > self.end:
            self._cut_tail(file, size)

    def _cut_tail(self, file: BinaryIO, size: int) -> None:
        """Cut off an unfinished tail, unless a later record proves that it was once whole."""
        proof = whole_once(file, self.end, size)
        if proof is not None:
            raise LogDamagedError(self.path, self.end, self.last_sequence + 1, f"record {proof} shows it was whole")
        self.cut_bytes = size - self.end
        _LOG.warning("the log's tail is cut off", extra={"offset": self.end, "cut_bytes": self.cut_bytes})
        file.seek(self.end)
        try:
            write_atomic(self.path.with_name(_CUT), file.read(SEARCH_BYTES * 64))
        except OSError as error:
            _LOG.warning("the tail could not be kept beside the log", extra={"why": str(error)})
        os.ftruncate(self._fd, self.end)
        os.fsync(self._fd)


def _new_head(bot_id: str) -> bytes:
    now_ns = time.time_ns()
    head = {"format": FORMAT, "log_id": str(uuid.uuid4()), "created_ns": now_ns, "bot_id": bot_id}
    return encode(_HEAD_SEQUENCE, 0, now_ns, json.dumps(head).encode())


def _read_head(path: Path, file: BinaryIO) -> Head:
    record = next(records(file), None)
    if record is None or record.sequence != _HEAD_SEQUENCE:
        raise LogDamagedError(path, 0, _HEAD_SEQUENCE, "the log's head cannot be read")
    head = json.loads(record.body)
    if head["format"] != FORMAT:
        raise StartError(f"{path} has format {head['format']}, known here is {FORMAT}")
    file.seek(HEADER_BYTES + len(record.body))
    return Head(head["log_id"], head["created_ns"], head["bot_id"])
