"""The durable reservation of ticks: what may have been seen before a crash, and so must be computed again after it."""

import logging
from pathlib import Path

from mesh.errors import StartError
from mesh.files import write_atomic

_FILE = "reserved_tick"
_MAX_DIGITS = 18
_LOG = logging.getLogger(__name__)


class Reservation:
    """Before a tick is visible a reservation on disk covers it; they come in blocks, so that few writes are needed.

    It also says how long the command journal was then: all that acts in a reserved tick stands in so many bytes.
    """

    def __init__(self, state_dir: Path, block_ticks: int) -> None:
        self._path = state_dir / _FILE
        self._block_ticks = block_ticks
        self.tick, self.journal_bytes = self._load()

    def covers(self, tick: int) -> bool:
        """Return whether the tick is reserved."""
        return tick <= self.tick

    def extend(self, tick: int, journal_bytes: int = 0) -> None:
        """Reserve a block up to and beyond the tick; durable when this returns. Blocks for the time of a flush."""
        reserved = (tick // self._block_ticks + 1) * self._block_ticks
        write_atomic(self._path, f"{reserved} {journal_bytes}\n".encode())
        self.tick, self.journal_bytes = reserved, journal_bytes

    def _load(self) -> tuple[int, int]:
        if not self._path.exists():
            return 0, 0
        try:
            text = self._path.read_bytes()[: 2 * _MAX_DIGITS + 3].strip()
        except OSError as error:
            raise StartError(f"{self._path} cannot be read: {error.strerror}") from error
        numbers = text.split(b" ")
        if len(numbers) != 2 or not all(number.isdigit() and len(number) <= _MAX_DIGITS for number in numbers):
            raise StartError(
                f"{self._path} is damaged: {text!r} is no tick and length of the journal; "
                "begin anew in an empty directory"
            )
        return int(numbers[0]), int(numbers[1])
