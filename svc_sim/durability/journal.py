"""The command journal: the outcome and the end of every command of a run, on the disk before anybody sees it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from google.protobuf.message import DecodeError

from mesh import failpoints
from mesh.serving.errors import StartError
from mesh.storage.append_log import AppendLog
from mesh.storage.files import write_atomic
from qiki.common.v1.stream_pb2 import Run
from qiki.sim.v1.commands_pb2 import CommandRecord
from svc_sim.durability.journal_file import LAYOUT, encode, parse

MAX_COMMANDS = 100_000
# Far more than this many commands need, with an end each: a longer file is not a journal, and is not read into memory.
MAX_FILE_BYTES = (2 * MAX_COMMANDS + 1) * LAYOUT.max_record_bytes
JOURNAL_FILE = "commands.journal"
# The fields of a run that determine the world, apart from the commands. Two runs that agree in these and in the journal
# have the same history.
_WORLD = ("run_id", "start_time", "seed", "bot_id", "tick_ns", "last_tick", "scenario_digest", "bot_spec_digest")


class Journal:
    """One run's journal in its state directory; the first record creates the file.

    `cut_bytes` is the length of the unfinished write found at opening; it is removed before the next write.
    """

    def __init__(self, path: Path, run: Run, records: Sequence[CommandRecord], end: int, torn_bytes: int) -> None:
        self.path = path
        self.records = tuple(records)
        self.cut_bytes = torn_bytes
        self._run = run
        self._log = AppendLog(path, end, torn=torn_bytes > 0)

    @classmethod
    def open(cls, state_dir: Path, run: Run, committed_bytes: int) -> Self:
        """Read the run's journal; `committed_bytes` is its length at the last reservation of ticks.

        Raises:
            LogDamagedError: a record differs from what was written.
            StartError: the file cannot be read, or belongs to another run.
        """
        path = state_dir / JOURNAL_FILE
        if not path.exists() and not committed_bytes:
            return cls(path, run, [], 0, 0)
        contents = parse(path, _read(path), committed_bytes)
        return cls(path, run, _decode(path, contents.bodies, run), contents.end, contents.torn_bytes)

    @property
    def end(self) -> int:
        """Length of the durable part of the file, in bytes; 0 before the first record."""
        return self._log.end

    def append(self, record: CommandRecord) -> None:
        """Append a record; it is on the disk on return. Blocks for the time of a flush.

        Raises:
            OSError: it is not on the disk; `mend` must succeed before the journal's end can be relied on again.
        """
        with self._log.writing:
            self._log.open(self._head)
            data = encode(self._log.end, record.SerializeToString(deterministic=True))
            failpoints.reach("journal.write")
            self._log.append(data)
            failpoints.reach("journal.appended")

    def mend(self) -> None:
        """Truncate the remains of a failed write. Raises OSError if that fails."""
        self._log.mend()

    def probe(self) -> None:
        """Test whether a record of any size can be written; raise OSError if not. The journal does not change."""
        with self._log.writing:
            self._log.open(self._head)
            self._log.probe(LAYOUT.max_record_bytes)

    def close(self) -> None:
        """Close the file after any write in progress; no write may follow."""
        self._log.close()

    def _head(self) -> bytes:
        return encode(0, self._run.SerializeToString(deterministic=True))


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
    path = state_dir / JOURNAL_FILE
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
