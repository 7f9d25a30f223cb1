"""The log's file: append-only, flushed to the disk before any receipt, read by offset, recovered after any crash."""

import json
import logging
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from mesh import failpoints
from mesh.serving.errors import StartError
from mesh.storage.append_log import AppendLog
from mesh.storage.files import write_atomic
from mesh.storage.log_records import SEARCH_BYTES, later_record
from svc_registrar.log_end import LogEnd, LogLostError, read_end
from svc_registrar.records import LAYOUT, Record, damaged, encode, records

FORMAT = 1
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

    `append` and `probe` may run in another thread than `read`, one at a time. `on_flush` is called with the seconds
    that each flush took, in the thread of the write.
    """

    def __init__(self, path: Path, head: Head) -> None:
        self.path = path
        self.head = head
        self.last_sequence = 0
        self.cut_bytes = 0
        self.on_flush: Callable[[float], object] = lambda _seconds: None
        self._log = self._file(0, torn=False)

    @property
    def end(self) -> int:
        """Length of the log that is safely on the disk, in bytes."""
        return self._log.end

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
            state_dir.mkdir(parents=True, exist_ok=True)
            known = read_end(state_dir)
            if not path.exists():
                if known is not None:
                    raise LogLostError(path, known, "is gone")
                write_atomic(path, _new_head(bot_id))
            with path.open("rb", buffering=SEARCH_BYTES) as file:
                log = cls(path, _read_head(path, file))
                log._check_bot(bot_id)
                log._recover(file, visit, known)
        except OSError as error:
            raise StartError(f"the state directory {state_dir} cannot be used: {error.strerror or error}") from error
        return log

    def close(self) -> None:
        """Close the file, after a write in progress."""
        self._log.close()

    # -- writing ------------------------------------------------------------------------------------------------------

    def append(self, bodies: Sequence[bytes]) -> Append:
        """Append records; when this returns they are on the disk.

        Raises:
            OSError: none of them is, and the log is as it was before.
        """
        with self._log.writing:
            recorded_ns, durable, first = time.time_ns(), self.end, self.last_sequence + 1
            frames = [encode(first + number, durable, recorded_ns, body) for number, body in enumerate(bodies)]
            offsets, place = [], durable
            for frame in frames:
                offsets.append(place)
                place += len(frame)
            self._append(b"".join(frames))
            self.last_sequence = first + len(bodies) - 1
            return Append(first, tuple(offsets), recorded_ns)

    def seal(self) -> None:
        """Append a mark that proves that all records before it were whole; raises OSError if that fails.

        Every write proves it for the earlier ones; the mark does for the last. Damage there is then distinguishable
        from an unfinished tail. A file cannot show that it was once longer: `LogEnd` keeps that length beside it.
        """
        with self._log.writing:
            self._append(encode(self.last_sequence, self.end, time.time_ns(), _MARK))
            LogEnd(self.head.log_id, self.end, self.last_sequence).write(self.path.parent)

    def probe(self) -> None:
        """Test whether a record of any size can be written; raises OSError if not. The log does not change."""
        self._log.probe(LAYOUT.max_record_bytes)

    def _append(self, data: bytes) -> None:
        failpoints.reach("log.write")
        self._log.append(data)
        failpoints.reach("log.synced")

    # -- reading ------------------------------------------------------------------------------------------------------

    def read(self, offset: int, sequence: int) -> Record:
        """Return the record at an offset.

        Raises:
            RecordUnreadableError: it is not as it was written.
        """
        data = self._log.read(LAYOUT.header_bytes, offset)
        header = LAYOUT.header(data)
        if header is None or header.fields[0] != sequence:
            raise RecordUnreadableError(offset, sequence)
        body = self._log.read(header.length, offset + LAYOUT.header_bytes)
        if not LAYOUT.is_whole(offset, data, header, body):
            raise RecordUnreadableError(offset, sequence)
        return Record(offset, sequence, header.fields[2], body)

    # -- opening ------------------------------------------------------------------------------------------------------

    def _check_bot(self, bot_id: str) -> None:
        if self.head.bot_id != bot_id:
            raise StartError(f"{self.path} is the log of bot {self.head.bot_id}, not of {bot_id}")

    def _recover(self, file: BinaryIO, visit: Callable[[Record], object], known: LogEnd | None) -> None:
        """Read the records after the head, and open the file for more of them after its last whole one."""
        if known is not None and known.log_id != self.head.log_id:
            raise LogLostError(self.path, known, f"is of another log, {self.head.log_id}")
        end, size = file.tell(), self.path.stat().st_size
        for record in records(file):
            following = self.last_sequence + (record.body != _MARK)
            if record.sequence != following:
                raise damaged(self.path, record.offset, following, f"it is {record.sequence}")
            if record.body != _MARK:
                visit(record)
                self.last_sequence = record.sequence
            end = record.end
        if known is not None and end < known.end:
            if size >= known.end:
                raise damaged(self.path, end, self.last_sequence + 1, f"{known.end} bytes were whole once")
            raise LogLostError(self.path, known, f"has lost its end and has {size} bytes")
        if size > end:
            self._keep_tail(file, end, size)
        self._log = self._file(end, torn=size > end)
        self._log.open()
        self._log.mend()

    def _file(self, end: int, *, torn: bool) -> AppendLog:
        return AppendLog(self.path, end, torn=torn, before_flush=_written, after_flush=self._flushed)

    def _flushed(self, seconds: float) -> None:
        self.on_flush(seconds)

    def _keep_tail(self, file: BinaryIO, end: int, size: int) -> None:
        """Keep an unfinished tail beside the log, which cuts it off, unless a later record proves it was once whole."""
        proof = later_record(file, LAYOUT, end, size)
        if proof is not None:
            why = f"record {proof.header.fields[0]} shows it was whole"
            raise damaged(self.path, end, self.last_sequence + 1, why)
        self.cut_bytes = size - end
        _LOG.warning("the log's tail is cut off", extra={"offset": end, "cut_bytes": self.cut_bytes})
        file.seek(end)
        try:
            write_atomic(self.path.with_name(_CUT), file.read(SEARCH_BYTES * 64))
        except OSError as error:
            _LOG.warning("the tail could not be kept beside the log", extra={"why": str(error)})


def _written() -> None:
    failpoints.reach("log.written")


def _new_head(bot_id: str) -> bytes:
    now_ns = time.time_ns()
    head = {"format": FORMAT, "log_id": str(uuid.uuid4()), "created_ns": now_ns, "bot_id": bot_id}
    return encode(_HEAD_SEQUENCE, 0, now_ns, json.dumps(head).encode())


def _read_head(path: Path, file: BinaryIO) -> Head:
    record = next(records(file), None)
    if record is None or record.sequence != _HEAD_SEQUENCE:
        raise damaged(path, 0, _HEAD_SEQUENCE, "the log's head cannot be read")
    head = json.loads(record.body)
    if head["format"] != FORMAT:
        raise StartError(f"{path} has format {head['format']}, known here is {FORMAT}")
    file.seek(record.end)
    return Head(head["log_id"], head["created_ns"], head["bot_id"])
