"""The log's segments: append-only files of lines, each named by the index of its first record."""

import os
import re
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from mesh.storage.append_log import AppendLog

# Read-only descriptors kept open, the least recently used are closed.
MAX_OPEN_FILES = 32
_NAME = re.compile(r"([0-9]{18})\.jsonl")


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of the log; `first` is the index of its first record."""

    first: int
    path: Path


def list_segments(directory: Path) -> list[Segment]:
    """Return a directory's segments by their first index; raises OSError."""
    found = [(name, path) for path in directory.iterdir() if (name := _NAME.fullmatch(path.name))]
    return sorted((Segment(int(name[1]), path) for name, path in found), key=lambda segment: segment.first)


class Segments:
    """The segments of one log; the last one is written, through the project's append log.

    `append` and `rotate` belong to one writer; `read` may run beside them in other threads.
    """

    def __init__(self, directory: Path, segments: list[Segment], make_log: Callable[[Path, int, bool], AppendLog]):
        """Serve these segments; `make_log` describes a segment's append log: path, length, and whether it is torn."""
        self._directory = directory
        self._make_log = make_log
        self._segments = list(segments)
        self._firsts = [segment.first for segment in segments]
        self._readers: OrderedDict[int, int] = OrderedDict()
        self._lock = Lock()
        self._active: AppendLog | None = None
        self.closed_bytes = sum(segment.path.stat().st_size for segment in segments[:-1])

    @property
    def active(self) -> AppendLog:
        """The append log of the last segment."""
        if self._active is None:
            raise OSError("the log has no segment that is written: open one")
        return self._active

    @property
    def second_first(self) -> int:
        """Index of the first record after the oldest segment; 0 while there is one segment alone."""
        return self._segments[1].first if len(self._segments) > 1 else 0

    @property
    def last(self) -> Segment:
        """The segment that is written."""
        return self._segments[-1]

    @property
    def oldest(self) -> int:
        """Index of the first record of the oldest segment."""
        return self._segments[0].first

    @property
    def size_bytes(self) -> int:
        """Bytes of all segments that are on the disk."""
        return self.closed_bytes + (self._active.end if self._active else 0)

    def open_last(self, end: int, *, torn: bool) -> None:
        """Open the last segment for writing at its end, and remove an unfinished write; raises OSError."""
        self._active = self._make_log(self.last.path, end, torn)
        self._active.open(bytes)
        self._active.mend()

    def rotate(self, first: int) -> None:
        """Continue in a new segment, whose first record will have this index; raises OSError."""
        self.active.mend()
        segment = Segment(first, self._directory / f"{first:018}.jsonl")
        following = self._make_log(segment.path, 0, False)
        following.open(bytes)
        closing, self._active = self.active, following
        self.closed_bytes += closing.end
        with self._lock:
            self._segments.append(segment)
            self._firsts.append(first)
        closing.close()

    def read(self, index: int, offset: int, size_bytes: int) -> bytes:
        """Return bytes of the segment that holds the record of this index; raises OSError, LookupError."""
        with self._lock:
            return os.pread(self._reader(index), size_bytes, offset)

    def drop_oldest(self) -> Segment:
        """Remove the oldest closed segment's file; raises OSError."""
        segment = self._segments[0]
        size = segment.path.stat().st_size
        segment.path.unlink()
        with self._lock:
            del self._segments[0], self._firsts[0]
            if (descriptor := self._readers.pop(segment.first, None)) is not None:
                os.close(descriptor)
        self.closed_bytes -= size
        return segment

    def close(self) -> None:
        """Close every file, after a write in progress."""
        if self._active is not None:
            self._active.close()
        with self._lock:
            while self._readers:
                os.close(self._readers.popitem()[1])

    def _reader(self, index: int) -> int:
        place = bisect_right(self._firsts, index) - 1
        if place < 0:
            raise LookupError(f"record {index} is no longer kept")
        segment = self._segments[place]
        descriptor = self._readers.pop(segment.first, None)
        if descriptor is None:
            descriptor = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
        self._readers[segment.first] = descriptor
        while len(self._readers) > MAX_OPEN_FILES:
            os.close(self._readers.popitem(last=False)[1])
        return descriptor
