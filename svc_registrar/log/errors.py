"""Refusals of a log whose files are not as they were written."""

from pathlib import Path

from mesh.serving.errors import StartError
from mesh.storage.log_records import LogDamagedError
from svc_registrar.log.identity import ADVICE


class RecordUnreadableError(Exception):
    """A record can no longer be read as it was written."""

    def __init__(self, index: int, why: str = "is not as it was written") -> None:
        super().__init__(f"record {index} {why}")
        self.index = index


class LogLostError(StartError):
    """Recorded events are missing from the log; an operator decides."""

    def __init__(self, path: Path, size: int, log_id: str, why: str) -> None:
        super().__init__(
            f"{path} {why}: log {log_id} had {size} events at its last checkpoint; {ADVICE}; to go on with what is "
            "there, move checkpoints.jsonl, tree and index away"
        )


def damaged(path: Path, offset: int, index: int, why: str) -> LogDamagedError:
    """Return the refusal of a log whose record at this offset differs from what was written."""
    return LogDamagedError(path, offset, why, ADVICE, sequence=index)
