"""A disk that loses at a power cut what was not flushed: contents by file, and names by directory.

Within the block every `os.fsync` keeps what a real disk would have: of a file its content, of a directory its names.
`cut_power` puts the directory back to that, and lets chance decide on what was written since: a disk may have written
any part of it, in blocks, in any order.
"""

import os
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BLOCK_BYTES = 64


class LossyDisk:
    """The flushed state of all files below a directory, by inode."""

    def __init__(self, root: Path, rng: random.Random) -> None:
        self._root = root
        self._rng = rng
        self._contents: dict[int, bytes] = {}
        self._names: dict[int, dict[str, tuple[int, bool]]] = {}

    def flushed(self, descriptor: int) -> None:
        """Keep what a file or a directory is now."""
        self.keep(Path(f"/proc/self/fd/{descriptor}").readlink())

    def keep(self, path: Path) -> None:
        """Keep what the file or the directory of a path is now."""
        inode = path.stat().st_ino
        if path.is_dir():
            self._names[inode] = {item.name: (item.stat().st_ino, item.is_dir()) for item in path.iterdir()}
        else:
            self._contents[inode] = path.read_bytes()

    def cut_power(self, target: Path) -> None:
        """Write to `target` what the disk has of the root directory after a power cut."""
        living = {path.stat().st_ino: path for path in self._root.rglob("*") if path.is_file()}
        self._restore(self._root.stat().st_ino, target, living)

    def _restore(self, inode: int, target: Path, living: dict[int, Path]) -> None:
        target.mkdir(parents=True)
        for name, (child, is_directory) in self._names.get(inode, {}).items():
            if is_directory:
                self._restore(child, target / name, living)
            else:
                (target / name).write_bytes(self._content(child, living))

    def _content(self, inode: int, living: dict[int, Path]) -> bytes:
        kept = self._contents.get(inode, b"")
        written = living[inode].read_bytes() if inode in living else kept
        length = self._rng.choice((len(kept), len(written), self._rng.randint(*sorted((len(kept), len(written))))))
        found = bytearray(kept.ljust(length, b"\0")[:length])
        for start in range(0, length, BLOCK_BYTES):
            if self._rng.random() < 0.5:
                block = written[start : min(start + BLOCK_BYTES, length)]
                found[start : start + len(block)] = block
        return bytes(found)


@contextmanager
def lossy_disk(root: Path, rng: random.Random) -> Iterator[LossyDisk]:
    """Make the files below the directory lose, at a power cut, what is not flushed."""
    disk, fsync = LossyDisk(root, rng), os.fsync

    def keep(descriptor: int) -> None:
        fsync(descriptor)
        disk.flushed(descriptor)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("os.fsync", keep)
        for path in (root, *root.rglob("*")):
            disk.keep(path)  # what was there before is on the disk
        yield disk


def swap(target: Path, root: Path) -> None:
    """Take the directory that a power cut left as the one to go on with."""
    shutil.rmtree(root)
    target.rename(root)
