"""The log's checkpoints: a file of signed notes, one a line, on the disk before anything relies on them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mesh.storage.append_log import AppendLog
from svc_registrar.domain.notes import Checkpoint, NoteError, Signer, Verifier

FILE = "checkpoints.jsonl"
# No line is longer: an origin of at most 300 characters twice, a root, a signature.
MAX_LINE_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class Kept:
    """A checkpoint as kept, with its signed note."""

    checkpoint: Checkpoint
    note: str


class CheckpointFile:
    """The checkpoints of one log, oldest first."""

    def __init__(self, directory: Path, signer: Signer) -> None:
        """Open the file, or create an empty one; an unfinished last line is removed. Raises OSError, NoteError."""
        self.path = directory / FILE
        self._signer = signer
        end = self.path.stat().st_size if self.path.exists() else 0
        whole = _whole_bytes(self.path, end)
        self._log = AppendLog(self.path, whole, torn=whole < end)
        self._log.open(bytes)
        self._log.mend()
        self.newest = _newest(self.path, whole, signer.verifier)

    def append(self, checkpoint: Checkpoint) -> Kept:
        """Sign a checkpoint and keep it; it is on the disk on return. Raises OSError."""
        note = self._signer.sign(checkpoint)
        self._log.append(_line(note))
        self.newest = Kept(checkpoint, note)
        return self.newest

    def close(self) -> None:
        """Close the file, after a write in progress."""
        self._log.close()


def read_checkpoints(path: Path, verifier: Verifier) -> Iterator[Kept]:
    """Yield the checkpoints of a file, each larger than the one before; an unfinished last line is left out.

    Raises:
        NoteError: a line is not one, or its signature is false.
        OSError: the file cannot be read.
    """
    size = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            kept = _parse(line, verifier, number)
            if kept.checkpoint.size <= size:
                raise NoteError(f"line {number} of {FILE} is of size {kept.checkpoint.size}, after one of size {size}")
            size = kept.checkpoint.size
            yield kept


def _newest(path: Path, end: int, verifier: Verifier) -> Kept | None:
    if not end:
        return None
    with path.open("rb") as file:
        file.seek(max(0, end - MAX_LINE_BYTES))
        lines = file.read(end - file.tell()).splitlines(keepends=True)
    return _parse(lines[-1], verifier, 0)


def _whole_bytes(path: Path, size: int) -> int:
    """Return the length of the file up to its last newline."""
    if not size:
        return 0
    start = max(0, size - MAX_LINE_BYTES)
    with path.open("rb") as file:
        file.seek(start)
        place = file.read().rfind(b"\n")
    return start + place + 1


def _parse(line: bytes, verifier: Verifier, number: int) -> Kept:
    where = f"line {number}" if number else "the last line"
    try:
        note = str(json.loads(line)["note"])
    except (ValueError, KeyError, TypeError) as error:
        raise NoteError(f"{where} of {FILE} is not a checkpoint: {error}") from None
    if line != _line(note):
        raise NoteError(f"{where} of {FILE} is not as it was written")
    try:
        return Kept(verifier.open(note), note)
    except NoteError as error:
        raise NoteError(f"{where} of {FILE}: {error}") from None


def _line(note: str) -> bytes:
    return json.dumps({"note": note}, ensure_ascii=False).encode() + b"\n"
