"""The command journal: the outcome of every command of a run, on the disk before any caller sees it."""

import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Self

from google.protobuf.message import DecodeError

from mesh import failpoints
from mesh.serving.errors import StartError
from mesh.storage.files import write_atomic
from qiki.common.v1.stream_pb2 import Run
from qiki.sim.v1.commands_pb2 import CommandRecord
from svc_sim.durability.journal_file import HEADER_BYTES, MAX_BODY_BYTES, encode, parse

MAX_COMMANDS = 100_000
# Far more than this many commands need: a longer file is not a journal, and is not read into memory.
MAX_FILE_BYTES = (MAX_COMMANDS + 1) * (HEADER_BYTES + MAX_BODY_BYTES)
_FILE = "commands.journal"
_NOT_OPEN, _CLOSED = -1, -2
# The fields of a run that determine the world, apart from the commands. Two runs that agree in these and in the journal
# have the same history.
_WORLD = ("run_id", "start_time", "seed", "bot_id", "tick_ns", "last_tick", "scenario_digest", "bot_spec_digest")


class Journal:
    """One run's journal in its state directory; the first record creates the file.

    `end` is the length of the durable part of the file, `cut_bytes` the length of the unfinished write cut off at
    opening.
    """

    def __init__(self, path: Path, run: Run, records: Sequence[CommandRecord], end: int, torn_bytes: int) -> None:
        self.path = path
        self.records = tuple(records)
        self.end = end
        self.cut_bytes = torn_bytes
        self._run = run
        self._fd = _NOT_OPEN
        self._torn = torn_bytes > 0  # whether the file may hold bytes beyond `end`
        self._writing = Lock()

    @classmethod
    def open(cls, state_dir: Path, run: Run, settled: int) -> Self:
        """Read the run's journal; `settled` is its length at the last reservation of ticks.

        Raises:
            JournalDamagedError: a record differs from what was written.
            StartError: the file cannot be read, or belongs to another run.
        """
        path = state_dir / _FILE
        if not path.exists() and not settled:
            return cls(path, run, [], 0, 0)
        contents = parse(path, _read(path), settled)
        return cls(path, run, _decode(path, contents.bodies, run), contents.end, contents.torn_bytes)

    def append(self, record: CommandRecord) -> None:
        """Append a record; it is on the disk on return. Blocks for the time of a flush.

        Raises:
            OSError: it is not on the disk; `mend` must succeed before the journal's end can be relied on again.
        """
        with self._writing:
            self._open_file()
            data = encode(self.end, record.SerializeToString(deterministic=True))
            failpoints.reach("journal.write")
            self._write(data)
            failpoints.reach("journal.appended")
            self.end += len(data)
            self._torn = False

    def mend(self) -> None:
        """Truncate the remains of a failed write. Raises OSError if that fails."""
        with self._writing:
            self._mend()

    def probe(self) -> None:
        """Test whether a record of any size can be written; raise OSError if not. The journal does not change."""
        with self._writing:
            self._open_file()
            self._write(bytes(HEADER_BYTES + MAX_BODY_BYTES))
            self._mend()

    def close(self) -> None:
        """Close the file after any write in progress; no write may follow."""
        with self._writing:
            if self._fd >= 0:
                os.close(self._fd)
            self._fd = _CLOSED

    def _open_file(self) -> None:
        if self._fd == _CLOSED:
            raise OSError(errno.EBADF, "the journal is closed")
        if self._fd == _NOT_OPEN:
            if self.end == 0:
                head = encode(0, self._run.SerializeToString(deterministic=True))
                write_atomic(self.path, head)
                self.end = len(head)
            self._fd = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC)

    def _write(self, data: bytes) -> None:
        """Write bytes to the disk at the end, without moving `end`."""
        self._mend()
        self._torn = True
        try:
            view, done = memoryview(data), 0
            while done < len(data):
                done += os.pwrite(self._fd, view[done:], self.end + done)
            os.fsync(self._fd)
        except OSError:
            with suppress(OSError):  # retried before the next write
                self._mend()
            raise

    def _mend(self) -> None:
        if self._torn:
            self._open_file()
            os.ftruncate(self._fd, self.end)
            os.fsync(self._fd)
            self._torn = False


def adopt(source: Path, state_dir: Path, run: Run) -> None:
    """Copy another run's journal to this run, so that both have the same history; repeating has no effect.

    Raises:
        StartError: the journal cannot be read, belongs to a run with a different world, or the directory holds a
            journal that does not begin with it.
    """
    data = _read(source)
    contents = parse(source, data, 0)
    _decode(source, contents.bodies, run)
    whole = data[: contents.end]  # an unfinished record was never answered, and had no effect
    path = state_dir / _FILE
    if path.exists():
        if _read(path)[: len(whole)] != whole:
            raise StartError(f"{path} holds a history of its own: use an empty state directory to replay {source}")
        return
    try:
        write_atomic(path, whole)
    except OSError as error:
        raise StartError(f"the state directory {state_dir} cannot be used: {error.strerror}") from error


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise StartError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > MAX_FILE_BYTES:
        raise StartError(f"{path} is no command journal: it is longer than {MAX_FILE_BYTES} bytes")
    return data


def _decode(path: Path, bodies: Sequence[bytes], run: Run) -> list[CommandRecord]:
    try:
        head = Run.FromString(bodies[0])
        records = [CommandRecord.FromString(body) for body in bodies[1:]]
    except DecodeError as error:
        raise StartError(f"{path} is no command journal: {error}") from error
    differing = [name for name in _WORLD if getattr(head, name) != getattr(run, name)]
    if differing:
        raise StartError(
            f"{path} is the journal of run {head.run_id}, which differs from this one, {run.run_id}, "
            f"in {', '.join(differing)}"
        )
    return records
