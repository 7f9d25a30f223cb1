"""The log: appended to, flushed to the disk before any receipt, read by index, proved by its tree."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from threading import RLock
from typing import Self

from mesh import failpoints
from mesh.serving.errors import StartError
from mesh.storage.append_log import AppendLog
from svc_registrar.domain.index import Entry
from svc_registrar.domain.lines import Line, encode, parse, time_text
from svc_registrar.domain.merkle import leaf_hash
from svc_registrar.domain.notes import Checkpoint, NoteError, Signer
from svc_registrar.log import identity
from svc_registrar.log.checkpoints import CheckpointFile, Kept
from svc_registrar.log.errors import RecordUnreadableError
from svc_registrar.log.identity import Head
from svc_registrar.log.index import Index
from svc_registrar.log.migration import prepare
from svc_registrar.log.recovery import MAX_LINE_BYTES, Recovered, Recovery
from svc_registrar.log.segments import Segments
from svc_registrar.log.tree_file import TreeFile

# A line of the usual length is read at once; a longer one with a second read.
_READ_BYTES = 2_048
_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a segment is complete: at this size, or this long after its first record."""

    bytes: int = 64 * 1024 * 1024
    age_s: float = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Codec:
    """The log's view of an event: `content` of a line from serialized bytes, `entry` of the index from a line."""

    content: Callable[[bytes], bytes]
    entry: Callable[[Line], Entry]


@dataclass(frozen=True, slots=True)
class Append:
    """Appended records: the first one's index, the leaf hash of each, and the time."""

    first_index: int
    leaves: tuple[bytes, ...]
    recorded_ns: int


class Log:
    """One log with one writer. `append`, `checkpoint` and `probe` may run in another thread than `read`.

    `on_flush` is called with the seconds that each flush of a segment took, in the thread of the write.
    """

    def __init__(self, directory: Path, head: Head, signer: Signer, rotation: Rotation) -> None:
        self.path = directory
        self.head = head
        self.writing = RLock()
        self.tree = TreeFile(directory / identity.TREE)
        self.index = Index(directory / identity.INDEX)
        self.checkpoints = CheckpointFile(directory, signer)
        self.verifier = signer.verifier
        self.cut_bytes = 0
        self.on_flush: Callable[[float], object] = lambda _seconds: None
        self._rotation = rotation
        self.segments: Segments

    @classmethod
    def open(cls, state_dir: Path, bot_id: str, codec: Codec, rotation: Rotation | None = None) -> Self:
        """Open the state directory's log, or make a new one.

        An unfinished tail is cut off, logged, and kept beside the log as `audit.cut`.

        Raises:
            LogDamagedError: a record is damaged.
            LogLostError: the log, or the end of it, is gone.
            StartError: the directory cannot be used, or the log is another bot's.
        """
        try:
            directory = prepare(state_dir, bot_id, codec.content)
            head = identity.read_head(directory)
            if head.bot_id != bot_id:
                raise StartError(f"{directory} is the log of bot {head.bot_id}, not of {bot_id}")
            log = cls(directory, head, identity.read_signer(directory, head), rotation or Rotation())
            log._recover(codec.entry)
        except OSError as error:
            raise StartError(f"the state directory {state_dir} cannot be used: {error.strerror or error}") from error
        except NoteError as error:
            raise StartError(f"the log in {state_dir} is damaged: {error}; {identity.ADVICE}") from error
        return log

    @property
    def last_index(self) -> int:
        """Index of the newest record; 0 before the first."""
        return self.index.last

    @property
    def size_bytes(self) -> int:
        """Bytes of the segments that are on the disk."""
        return self.segments.size_bytes

    @property
    def oldest_index(self) -> int:
        """Index of the oldest record that is kept."""
        return self.segments.oldest

    def close(self) -> None:
        """Close the files, after a write in progress."""
        with self.writing:
            self.segments.close()
            for file in (self.tree, self.index, self.checkpoints):
                file.close()

    # -- writing ------------------------------------------------------------------------------------------------------

    def append(self, contents: Sequence[bytes], entries: Sequence[Entry]) -> Append:
        """Append records, each of a line's content and its index entry; when this returns they are on the disk.

        Raises:
            OSError: none of them is, and the log is as it was before.
        """
        with self.writing:
            recorded_ns, last = time.time_ns(), self.index.last
            self._rotate(recorded_ns)
            at = time_text(recorded_ns)
            lines = [encode(content, index, last, at) for index, content in enumerate(contents, last + 1)]
            leaves = [leaf_hash(line) for line in lines]
            offsets = list(accumulate(map(len, lines), initial=self.segments.active.end))[:-1]
            # Tree and index first: a failure after the flush would deny a receipt to records that are on the disk.
            self.tree.write(last, leaves)
            self.index.write(entries, offsets, [recorded_ns] * len(lines))
            failpoints.reach("log.write")
            self.segments.active.append(b"".join(lines))
            failpoints.reach("log.synced")
            self.index.count(entries)
            return Append(last + 1, tuple(leaves), recorded_ns)

    def checkpoint(self) -> Kept | None:
        """Sign the log as it is, and keep the checkpoint; None for an empty log, the newest if nothing was added.

        From then on the log is refused if one of these records is changed or missing.

        Raises:
            OSError: it cannot be written.
        """
        with self.writing:
            size, newest = self.index.last, self.checkpoints.newest
            if size == (newest.checkpoint.size if newest else 0):
                return newest
            self.tree.sync()
            self.index.sync()
            return self.checkpoints.append(Checkpoint(self.head.origin, size, self.tree.root(size)))

    def probe(self) -> None:
        """Test whether a record of any size can be written; raises OSError if not. The log does not change."""
        self.segments.active.probe(MAX_LINE_BYTES)

    def _rotate(self, now_ns: int) -> None:
        """Begin a new segment if the last one is large or old enough."""
        segments, last = self.segments, self.index.last
        if segments.last.first > last:
            return
        age_ns = now_ns - self.index.row(segments.last.first).recorded_ns
        if segments.active.end >= self._rotation.bytes or age_ns >= self._rotation.age_s * _NS_PER_S:
            segments.rotate(last + 1)

    # -- reading ------------------------------------------------------------------------------------------------------

    def read(self, index: int) -> Line:
        """Return the record of an index.

        Raises:
            RecordUnreadableError: it is not as it was written.
            LookupError: it is no longer kept, or there is none.
            OSError: the disk fails.
        """
        offset = self.index.row(index).offset
        data = self.segments.read(index, offset, _READ_BYTES)
        end = data.find(b"\n") + 1
        if not end:
            data = self.segments.read(index, offset, MAX_LINE_BYTES)
            end = data.find(b"\n") + 1
        line = parse(data[:end])
        if line is None or line.index != index or leaf_hash(line.data) != self.tree.leaves(index - 1, 1):
            raise RecordUnreadableError(index)
        return line

    # -- opening ------------------------------------------------------------------------------------------------------

    def _recover(self, describe: Callable[[Line], Entry]) -> None:
        newest = self.checkpoints.newest
        recovery = Recovery(self.path, self.head, self.tree, self.index, describe)
        found: Recovered = recovery.run(newest.checkpoint if newest else None)
        self.cut_bytes = found.cut_bytes
        self.segments = Segments(self.path / identity.SEGMENTS, found.segments, self._append_log)
        self.segments.open_last(found.end, torn=found.cut_bytes > 0)

    def _append_log(self, path: Path, end: int, torn: bool) -> AppendLog:
        return AppendLog(path, end, torn=torn, before_flush=_written, after_flush=self._flushed)

    def _flushed(self, seconds: float) -> None:
        self.on_flush(seconds)


def _written() -> None:
    failpoints.reach("log.written")
