"""An append-only log's file: complete writes that are on the disk on return, and no trace of those that fail."""

import errno
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import RLock

from mesh.storage.files import write_atomic

_NOT_OPEN, _CLOSED = -1, -2
_LOG = logging.getLogger(__name__)


class AppendLog:
    """One append-only file with one writer; `end` is the length of it that is on the disk.

    Every operation blocks for the time of a flush, and raises OSError where the disk fails. They may run in several
    threads; `writing` is for an owner whose operation has several steps.
    """

    def __init__(
        self,
        path: Path,
        end: int,
        *,
        torn: bool = False,
        before_flush: Callable[[], object] = lambda: None,
        after_flush: Callable[[float], object] = lambda _seconds: None,
    ) -> None:
        """Describe the file, which is not opened yet: with `torn` it has bytes beyond its end, an unfinished write.

        `before_flush` is called between each write and its flush, `after_flush` with the seconds that a flush took.
        """
        self.path = path
        self.end = end
        self.writing = RLock()
        self._torn = torn
        self._before_flush = before_flush
        self._after_flush = after_flush
        self._fd = _NOT_OPEN

    def open(self, head: Callable[[], bytes] | None = None) -> None:
        """Open the file unless it is open; where it has no record yet, first create it with `head`, durably.

        Raises:
            OSError: it cannot be opened, or the log is closed.
        """
        with self.writing:
            if self._fd == _CLOSED:
                raise OSError(errno.EBADF, f"{os.strerror(errno.EBADF)}: {self.path.name} is closed")
            if self._fd != _NOT_OPEN:
                return
            if self.end == 0 and head is not None:
                data = head()
                write_atomic(self.path, data)
                self.end = len(data)
            self._fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)

    def append(self, data: bytes) -> None:
        """Append bytes; they are on the disk on return.

        Raises:
            OSError: none of them is in the log. What is left of them in the file is removed before the next write.
        """
        with self.writing:
            self._write(data)
            self.end += len(data)

    def mend(self) -> None:
        """Remove the bytes of an unfinished write: those of an older attempt must not follow a shorter new one.

        Raises:
            OSError: it failed; it must succeed before anything that relies on the log's end becomes durable.
        """
        with self.writing:
            if self._torn:
                self.open()
                os.ftruncate(self._fd, self.end)
                os.fsync(self._fd)
                self._torn = False

    def probe(self, size_bytes: int) -> None:
        """Test whether this many bytes can be written; raise OSError if not. The log does not change."""
        with self.writing:
            self._write(bytes(size_bytes))
            self._torn = True
            self.mend()

    def read(self, size_bytes: int, offset: int) -> bytes:
        """Return this many bytes at an offset, fewer at the end of the file. May run beside a write."""
        return os.pread(self._fd, size_bytes, offset)

    def close(self) -> None:
        """Close the file, after a write in progress; no write may follow."""
        with self.writing:
            if self._fd >= 0:
                os.close(self._fd)
            self._fd = _CLOSED  # a late write must not go to another file with the same number

    def _write(self, data: bytes) -> None:
        """Write bytes to the disk at the end, without moving `end`."""
        self.open()
        self.mend()
        self._torn = True
        try:
            view, done = memoryview(data), 0
            while done < len(data):
                done += os.pwrite(self._fd, view[done:], self.end + done)
            self._before_flush()
            began_s = time.perf_counter()
            os.fsync(self._fd)
            self._after_flush(time.perf_counter() - began_s)
        except OSError:
            try:
                self.mend()
            except OSError as error:
                _LOG.warning("a failed write cannot be removed yet", extra={"path": str(self.path), "why": str(error)})
            raise
        self._torn = False
