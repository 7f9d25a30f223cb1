"""Length of the log at its last seal, in a small file beside it: reveals that a log has lost its end."""

import re
from dataclasses import dataclass
from pathlib import Path

from mesh.serving.errors import StartError
from mesh.storage.files import read_checked, write_checked

_FILE = "audit.end"
_ADVICE = (
    "put back an undamaged copy of the whole directory, "
    f"or move {_FILE} away to go on with what audit.log holds, or with a new log where there is none"
)
_CONTENT = re.compile(rb"([0-9a-f-]{36}) ([0-9]{1,18}) ([0-9]{1,18})\n")


@dataclass(frozen=True, slots=True)
class LogEnd:
    """A log's id, its length in bytes and its last sequence, at one time."""

    log_id: str
    end: int
    last_sequence: int

    def write(self, state_dir: Path) -> None:
        """Write it beside the log; durable when this returns. Raises OSError."""
        write_checked(state_dir / _FILE, f"{self.log_id} {self.end} {self.last_sequence}\n".encode())


class LogLostError(StartError):
    """Recorded events are missing from the log; an operator decides."""

    def __init__(self, path: Path, known: LogEnd, why: str) -> None:
        super().__init__(
            f"{path} {why}: log {known.log_id} had {known.end} bytes and events up to {known.last_sequence}; {_ADVICE}"
        )


def read_end(state_dir: Path) -> LogEnd | None:
    """Return the log's end when it was last sealed, or None if it never was.

    Raises:
        StartError: the file is damaged.
    """
    body = read_checked(state_dir / _FILE, _ADVICE)
    if body is None:
        return None
    content = _CONTENT.fullmatch(body)
    if content is None:
        raise StartError(f"{state_dir / _FILE} holds no end of a log: {body!r}; {_ADVICE}")
    return LogEnd(content[1].decode(), int(content[2]), int(content[3]))
