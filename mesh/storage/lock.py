"""A lock on a directory: one process at a time. Imported by the command line too, so it has no other dependency."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MAX_PID_BYTES = 32


class DirectoryInUseError(Exception):
    """Another process uses the directory; `holder` is its process id, or `unknown`."""

    def __init__(self, directory: Path, holder: str) -> None:
        super().__init__(f"the directory {directory} is in use by process {holder}")
        self.directory = directory
        self.holder = holder


@contextmanager
def directory_lock(directory: Path, file_name: str) -> Iterator[None]:
    """Lock the directory by a file in it for the block; the kernel frees the lock however this process ends.

    Raises:
        DirectoryInUseError: another process has locked it.
        OSError: the file cannot be used.
    """
    with (directory / file_name).open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise DirectoryInUseError(directory, lock.read(_MAX_PID_BYTES).strip() or "unknown") from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield
