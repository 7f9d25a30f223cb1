"""The durable reservation of ticks: those possibly visible before a crash, and so recomputed after it."""

import re
from pathlib import Path
from typing import Self

from mesh import failpoints
from mesh.serving.errors import StartError
from mesh.storage.files import read_checked, write_checked
from mesh.storage.runs import RUN_ADVICE

_FILE = "reserved_tick"
_MAX_DIGITS = 18
# run id, last reserved tick, length of the command journal at that time
_CONTENT = re.compile(rb"([0-9a-f-]{36}) ([0-9]{1,%d}) ([0-9]{1,%d})\n" % (_MAX_DIGITS, _MAX_DIGITS))


class Reservation:
    """Reservation of ticks on disk, made before they become visible, in blocks to keep writes few.

    It also holds the length of the command journal at that time: that part contains every command that acts in a
    reserved tick.
    """

    def __init__(self, path: Path, run_id: str, block_ticks: int, tick: int, journal_bytes: int) -> None:
        self._path = path
        self._run_id = run_id
        self._block_ticks = block_ticks
        self.tick = tick
        self.journal_bytes = journal_bytes

    @classmethod
    def open(cls, state_dir: Path, run_id: str, block_ticks: int) -> Self:
        """Read the run's reservation.

        Raises:
            StartError: it is damaged, missing, or belongs to another run.
        """
        path = state_dir / _FILE
        found = _read(path)
        if found is None:
            raise StartError(f"{path} is gone: nobody knows which ticks of run {run_id} were seen; {RUN_ADVICE}")
        if found[0] != run_id:
            raise StartError(f"{path} is of run {found[0]}, the directory holds run {run_id}; {RUN_ADVICE}")
        return cls(path, run_id, block_ticks, found[1], found[2])

    def covers(self, tick: int) -> bool:
        """Return whether the tick is reserved."""
        return tick <= self.tick

    def extend(self, tick: int, journal_bytes: int = 0) -> None:
        """Reserve a block up to and beyond the tick; durable on return. Blocks for the time of a flush."""
        failpoints.reach("reservation.write")
        self._write((tick // self._block_ticks + 1) * self._block_ticks, journal_bytes)
        failpoints.reach("reservation.written")

    def keep(self, journal_bytes: int) -> None:
        """Record the journal's current length without reserving ticks; durable on return."""
        self._write(self.tick, journal_bytes)

    def _write(self, tick: int, journal_bytes: int) -> None:
        write_checked(self._path, b"%s %d %d\n" % (self._run_id.encode(), tick, journal_bytes))
        self.tick, self.journal_bytes = tick, journal_bytes


def prepare(state_dir: Path, run_id: str) -> None:
    """Create the first reservation of a new run, of no tick; durable on return.

    Raises:
        StartError: the directory holds a reservation of another run without that run's file.
        OSError: it cannot be written.
    """
    path = state_dir / _FILE
    found = _read(path)
    if found is not None and found[1]:
        raise StartError(f"{state_dir} has lost run {found[0]}, of which {found[1]} ticks are reserved; {RUN_ADVICE}")
    write_checked(path, b"%s 0 0\n" % run_id.encode())


def _read(path: Path) -> tuple[str, int, int] | None:
    body = read_checked(path, RUN_ADVICE)
    if body is None:
        return None
    content = _CONTENT.fullmatch(body)
    if content is None:
        raise StartError(f"{path} holds no reservation: {body!r}; {RUN_ADVICE}")
    return content[1].decode(), int(content[2]), int(content[3])
