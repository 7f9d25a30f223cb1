"""A file of what can be computed again from the segments: written in place, synced only before a checkpoint."""

import os
from pathlib import Path

from svc_registrar.log.identity import sync_directory


class DerivedFile:
    """A file written at offsets; bytes beyond what its owner counts are of a write that failed, and are overwritten.

    Every operation may raise OSError. `read` may run beside a write.
    """

    def __init__(self, path: Path, *, writable: bool = True) -> None:
        """Open the file; to write, create it if it is missing; to read, one that is missing is empty."""
        self.path = path
        self._named = False  # its name may be of an earlier process that never flushed it
        if writable:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        else:
            self._fd = os.open(path if path.exists() else os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._unsynced = False

    @property
    def size_bytes(self) -> int:
        """Length of the file."""
        return os.fstat(self._fd).st_size

    def write(self, data: bytes, offset: int) -> None:
        """Write bytes at an offset; they are not synced."""
        self._unsynced = True
        view, done = memoryview(data), 0
        while done < len(data):
            done += os.pwrite(self._fd, view[done:], offset + done)

    def read(self, size_bytes: int, offset: int) -> bytes:
        """Return this many bytes at an offset, fewer at the end of the file."""
        return os.pread(self._fd, size_bytes, offset)

    def cut(self, size_bytes: int) -> None:
        """Cut the file to a length."""
        self._unsynced = True
        os.ftruncate(self._fd, size_bytes)

    def sync(self) -> None:
        """Flush what was written to the disk, and the file's name with it."""
        if self._unsynced:
            os.fsync(self._fd)
            self._unsynced = False
        if not self._named:
            sync_directory(self.path.parent)
            self._named = True

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1


def make_directory(directory: Path) -> None:
    """Make a directory unless it exists, durably; raises OSError."""
    if not directory.exists():
        directory.mkdir()
        sync_directory(directory.parent)
