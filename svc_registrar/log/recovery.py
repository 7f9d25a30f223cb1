"""Recovery of a log at the start: what the last checkpoint covers is compared, what follows it is read again."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from mesh.serving.errors import StartError
from mesh.storage.files import read_checked, write_atomic, write_checked
from svc_registrar.domain.index import Entry
from svc_registrar.domain.lines import Line, parse
from svc_registrar.domain.merkle import leaf_hash
from svc_registrar.domain.notes import Checkpoint
from svc_registrar.log.errors import LogLostError, damaged
from svc_registrar.log.identity import ADVICE, SEGMENTS, Head
from svc_registrar.log.index import Index
from svc_registrar.log.segments import Segment, list_segments
from svc_registrar.log.tree_file import TreeFile

# An event has at most 64 KiB; as JSON, with its unknown fields beside it, at most four times as many.
MAX_LINE_BYTES = 256 * 1024
CUT_FILE, OLDEST_FILE = "audit.cut", "oldest"
_MAX_CUT_BYTES = 64 * 1024 * 1024
_BATCH = 4_096
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class Recovered:
    """The log as found: its segments, the length of the last one, and the bytes of an unfinished write beyond it."""

    segments: list[Segment]
    end: int = 0
    cut_bytes: int = 0


@dataclass(slots=True)
class _Batch:
    """Records that are read again, on their way into tree and index."""

    entries: list[Entry] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)


class Recovery:
    """The start of one log. `describe` gives the index entry of a line."""

    def __init__(
        self, directory: Path, head: Head, tree: TreeFile, index: Index, describe: Callable[[Line], Entry]
    ) -> None:
        self._directory = directory
        self._head = head
        self._tree = tree
        self._index = index
        self._describe = describe
        self._batch = _Batch()
        self._known = 0  # records that the last checkpoint covers
        self._following = 0  # index of the next record, 0 before the first segment that is read

    def run(self, checkpoint: Checkpoint | None) -> Recovered:
        """Compare the files with the last checkpoint, and read what follows it.

        Raises:
            LogDamagedError: a record differs from what was written.
            LogLostError: the log, or the end of it, is gone.
            StartError: tree and index cannot be made again.
            OSError: a file cannot be used.
        """
        self._known = checkpoint.size if checkpoint else 0
        found = Recovered(self._list_segments())
        trusted = self._known if checkpoint is None or self._agrees(checkpoint) else self._begin_again(found)
        self._index.open(trusted)
        scanned = max((place for place, item in enumerate(found.segments) if item.first <= trusted), default=0)
        for segment, following in zip(found.segments[:scanned], found.segments[1:], strict=False):
            self._check_end(segment, following.first - 1)
        for segment in found.segments[scanned:]:
            self._scan(segment, found)
        self._flush()
        if checkpoint is not None and not self._agrees(checkpoint):
            raise StartError(
                f"{self._directory} is damaged: its first {self._known} records do not give the root of the last "
                f"checkpoint; run `qiki audit verify {self._directory}`; {ADVICE}"
            )
        return found

    # -- what the checkpoint covers -----------------------------------------------------------------------------------

    def _list_segments(self) -> list[Segment]:
        directory, oldest = self._directory / SEGMENTS, read_oldest(self._directory)
        segments = list_segments(directory) if directory.exists() else []
        while len(segments) > 1 and segments[1].first <= oldest:  # its removal was decided, and interrupted
            segments.pop(0).path.unlink()
        if not segments and not self._known:
            directory.mkdir(exist_ok=True)
            segments = [Segment(1, directory / f"{1:018}.jsonl")]
            write_atomic(segments[0].path, b"")
        if not segments:
            raise LogLostError(directory, self._known, self._head.log_id, "is gone or empty")
        if segments[0].first != oldest:
            path = directory / f"{oldest:018}.jsonl"
            raise LogLostError(path, self._known, self._head.log_id, "is gone")
        return segments

    def _agrees(self, checkpoint: Checkpoint) -> bool:
        if min(self._tree.stored_leaves, self._index.stored_rows) < checkpoint.size:
            return False
        try:
            return self._tree.root(checkpoint.size) == checkpoint.root
        except LookupError:
            return False

    def _begin_again(self, found: Recovered) -> int:
        if found.segments[0].first != 1:
            raise StartError(
                f"{self._directory}: tree or index are damaged and cannot be made again without the segments before "
                f"record {found.segments[0].first}, which retention has removed; put back a copy of the directory"
            )
        _LOG.warning("tree and index are made again from the segments", extra={"path": str(self._directory)})
        self._tree.clear()
        self._index.clear()
        return 0

    def _check_end(self, segment: Segment, last: int) -> None:
        """Check that a closed segment ends with its last record; its content is checked where it is read."""
        offset, size = self._index.row(last).offset, segment.path.stat().st_size
        with segment.path.open("rb") as file:
            file.seek(offset)
            data = file.read(MAX_LINE_BYTES)
        if size != offset + len(data) or not self._is_recorded(data, last):
            raise damaged(segment.path, offset, last, "it is not as it was written")

    # -- what follows it ----------------------------------------------------------------------------------------------

    def _scan(self, segment: Segment, found: Recovered) -> None:
        """Read a segment's records; those that tree and index do not hold are added."""
        following, offset, size = segment.first, 0, segment.path.stat().st_size
        if self._following not in (0, segment.first):
            raise damaged(segment.path, 0, self._following, f"the segment begins with record {segment.first}")
        with segment.path.open("rb", buffering=1024 * 1024) as file:
            while data := file.readline(MAX_LINE_BYTES):
                line = parse(data)
                if line is None or line.index != following or not self._take(line, offset):
                    break
                following, offset = following + 1, offset + len(data)
            if segment is not found.segments[-1] and offset < size:
                raise damaged(
                    segment.path, offset, following, "it is not as it was written, and a later segment exists"
                )
            if segment is found.segments[-1]:
                self._check_tail(file, segment, offset, following)
        self._following = following
        found.end, found.cut_bytes = offset, size - offset

    def _take(self, line: Line, offset: int) -> bool:
        """Return whether the line is recorded as it is; one after the recorded ones is added."""
        if line.index <= self._index.last:
            return self._is_recorded(line.data, line.index)
        batch = self._batch
        batch.entries.append(self._describe(line))
        batch.offsets.append(offset)
        batch.times.append(line.recorded_ns)
        batch.leaves.append(leaf_hash(line.data))
        if len(batch.leaves) >= _BATCH:
            self._flush()
        return True

    def _flush(self) -> None:
        batch, self._batch = self._batch, _Batch()
        if batch.leaves:
            self._tree.write(self._index.last, batch.leaves)
            self._index.write(batch.entries, batch.offsets, batch.times)
            self._index.count(batch.entries)

    def _is_recorded(self, data: bytes, index: int) -> bool:
        return leaf_hash(data) == self._tree.leaves(index - 1, 1)

    def _check_tail(self, file: BinaryIO, segment: Segment, offset: int, following: int) -> None:
        """Accept bytes after the last whole record as an unfinished write, unless something shows that they were more.

        A checkpoint shows it, and so does a later line that was written when the broken one was on the disk already.
        """
        file.seek(offset)
        broken = file.readline(MAX_LINE_BYTES)
        if following <= self._known and not broken.endswith(b"\n"):
            raise LogLostError(segment.path, self._known, self._head.log_id, f"has lost its end, record {following} on")
        if following <= self._known:
            raise damaged(segment.path, offset, following, "it is not as it was written")
        file.seek(offset)
        while data := file.readline(MAX_LINE_BYTES):
            later = parse(data)
            if later is not None and later.synced >= following:
                raise damaged(segment.path, offset, following, f"record {later.index} shows it was whole")
        self._keep_tail(file, segment, offset)

    def _keep_tail(self, file: BinaryIO, segment: Segment, offset: int) -> None:
        """Keep an unfinished tail beside the log, which cuts it off."""
        file.seek(offset)
        tail = file.read(_MAX_CUT_BYTES)
        if not tail:
            return
        _LOG.warning("the log's tail is cut off", extra={"path": str(segment.path), "offset": offset})
        try:
            write_atomic(self._directory / CUT_FILE, tail)
        except OSError as error:
            _LOG.warning("the tail could not be kept beside the log", extra={"why": str(error)})


def read_oldest(directory: Path) -> int:
    """Return the index of the oldest record that is kept; raises StartError if its file is damaged."""
    body = read_checked(directory / OLDEST_FILE, ADVICE)
    return int(body) if body is not None else 1


def write_oldest(directory: Path, index: int) -> None:
    """Keep the index of the oldest record that is kept; durable when this returns. Raises OSError."""
    write_checked(directory / OLDEST_FILE, str(index).encode())
