"""Files of a spool: events and what became of them, appended to segments, so that a restarted reporter goes on.

A record is written before `append` returns: it survives the death of the process. It survives a power failure once
`sync` has returned. Every segment begins with the whole state, so that an older one is needed for its events alone.
"""

import errno
import json
import os
import re
import struct
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from qiki_sdk.spool.sequence_ranges import Range, covers, joined

SEGMENT_BYTES: Final = 1024 * 1024
_LOCK_FILE: Final = "lock"
_NAME: Final = re.compile(r"([0-9]{12})\.spool")
# Kind, length of the body, checksum of what follows it, sequence.
_HEADER: Final = struct.Struct("<cIIQ")
_LAST: Final = struct.Struct("<Q")
_STATE, _EVENT, _ANSWERED, _DROPPED = b"S", b"E", b"A", b"D"
_MAX_BODY_BYTES: Final = 1024 * 1024


class SpoolInUseError(Exception):
    """Another process uses the spool's directory."""

    def __init__(self, directory: Path) -> None:
        super().__init__(f"the spool directory {directory} is in use by another process: give each reporter its own")


@dataclass(slots=True)
class SpoolState:
    """The numbering and the outcomes: events up to `answered` are done, those in `dropped` were dropped unreported."""

    epoch: str = field(default_factory=lambda: str(uuid.uuid4()))
    last: int = 0
    answered: int = 0
    dropped: list[Range] = field(default_factory=list)

    def is_done(self, sequence: int) -> bool:
        """Return whether an event need not be delivered any more."""
        return sequence <= self.answered or covers(self.dropped, sequence)


@dataclass(slots=True)
class _Segment:
    path: Path
    first_event: int = 0
    last_event: int = 0

    def note(self, sequence: int) -> None:
        self.first_event, self.last_event = self.first_event or sequence, sequence

    def is_done(self, state: SpoolState) -> bool:
        first = max(self.first_event, state.answered + 1)
        return self.last_event < first or any(low <= first and self.last_event <= high for low, high in state.dropped)


class SpoolFiles:
    """The segments of one directory, used by one process at a time."""

    def __init__(self, directory: Path) -> None:
        """Open the directory, which is made if it is missing, and read its state and events.

        Raises:
            SpoolInUseError: another process uses it.
            OSError: it cannot be used.
        """
        import fcntl  # noqa: PLC0415 - not on every system; a reporter without a directory needs none

        directory.mkdir(parents=True, exist_ok=True)
        self._lock = (directory / _LOCK_FILE).open("a+b")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise SpoolInUseError(directory) from None
        self._directory = directory
        self._segments: list[_Segment] = []
        self._file: int | None = None
        self._size = 0
        self.state = SpoolState()
        self.events: list[tuple[int, bytes]] = []
        self._load()

    def append(self, sequence: int, body: bytes) -> None:
        """Write an event. Raises OSError; then it is in no file, and a later restart shows a gap."""
        self.state.last = sequence
        self._write(_EVENT, sequence, body)
        self._segments[-1].note(sequence)

    def answered(self, sequence: int) -> None:
        """Write that everything up to a sequence is done, and remove the segments of which all is. Raises OSError."""
        self._write(_ANSWERED, sequence, b"")
        self._remove_done()

    def dropped(self, sequence: int) -> None:
        """Write that an event was dropped. Raises OSError."""
        self._write(_DROPPED, sequence, _LAST.pack(sequence))
        self._remove_done()

    def sync(self) -> None:
        """Make durable what was written; may run in a thread. Raises OSError."""
        if (file := self._file) is not None:
            copy = os.dup(file)  # the segment may be closed meanwhile
            try:
                os.fsync(copy)
            finally:
                os.close(copy)

    def close(self) -> None:
        """Release the directory."""
        self._close_segment()
        self._lock.close()

    # -- writing ------------------------------------------------------------------------------------------------------

    def _write(self, kind: bytes, sequence: int, body: bytes) -> None:
        if self._file is None or self._size >= SEGMENT_BYTES:
            self._begin_segment()
        self._write_record(kind, sequence, body)

    def _write_record(self, kind: bytes, sequence: int, body: bytes) -> None:
        record = _encode(kind, sequence, body)
        assert self._file is not None, "a segment is open"
        try:
            _write_whole(self._file, record)
        except OSError:
            self._close_segment()  # what follows a torn record is not read: the next record begins another segment
            raise
        self._size += len(record)

    def _begin_segment(self) -> None:
        self._close_segment()
        number = int(self._segments[-1].path.stem) + 1 if self._segments else 1
        path = self._directory / f"{number:012d}.spool"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._segments.append(_Segment(path))
        self._size = 0
        state = self.state
        body = {"epoch": state.epoch, "last": state.last, "answered": state.answered, "dropped": state.dropped}
        self._write_record(_STATE, 0, json.dumps(body).encode())

    def _close_segment(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _remove_done(self) -> None:
        for segment in [each for each in self._segments[:-1] if each.is_done(self.state)]:
            segment.path.unlink(missing_ok=True)
            self._segments.remove(segment)

    # -- reading ------------------------------------------------------------------------------------------------------

    def _load(self) -> None:
        events: list[tuple[int, bytes]] = []
        for path in sorted(each for each in self._directory.iterdir() if _NAME.fullmatch(each.name)):
            segment = _Segment(path)
            self._segments.append(segment)
            for kind, sequence, body in _records(path.read_bytes()):
                if kind == _STATE:
                    self._take_state(body)
                elif kind == _EVENT:
                    events.append((sequence, body))
                    segment.note(sequence)
                    self.state.last = max(self.state.last, sequence)
                elif kind == _ANSWERED:
                    self.state.answered = max(self.state.answered, sequence)
                else:
                    self.state.dropped.append((sequence, _LAST.unpack(body)[0]))
        self.state.dropped = joined(self.state.dropped, self.state.answered)
        self.events = [(sequence, body) for sequence, body in events if not self.state.is_done(sequence)]

    def _take_state(self, body: bytes) -> None:
        found = json.loads(body)
        dropped = [(first, last) for first, last in found["dropped"]]
        self.state = SpoolState(found["epoch"], found["last"], found["answered"], dropped)


def _write_whole(file: int, record: bytes) -> None:
    if os.write(file, record) != len(record):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _encode(kind: bytes, sequence: int, body: bytes) -> bytes:
    checksum = zlib.crc32(kind + _LAST.pack(sequence) + body)
    return _HEADER.pack(kind, len(body), checksum, sequence) + body


def _records(data: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """Yield the whole records of a segment, up to the first that is torn or damaged."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        kind, length, checksum, sequence = _HEADER.unpack_from(data, offset)
        body = data[offset + _HEADER.size : offset + _HEADER.size + length]
        if length > _MAX_BODY_BYTES or len(body) != length:
            return
        if zlib.crc32(kind + _LAST.pack(sequence) + body) != checksum:
            return
        yield kind, sequence, body
        offset += _HEADER.size + length
