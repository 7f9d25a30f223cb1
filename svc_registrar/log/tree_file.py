"""The Merkle tree's stored nodes: the leaf hashes, and the roots of complete groups of 256, 65,536 and so on.

A node between two stored levels is computed from at most 128 stored ones, so that a root or a proof of any size reads
some kilobytes whatever the log's length, and memory holds nothing.
"""

from collections.abc import Sequence
from pathlib import Path

from svc_registrar.domain import merkle
from svc_registrar.domain.merkle import HASH_BYTES, fold
from svc_registrar.log.derived_file import DerivedFile, make_directory

GROUP_BITS = 8
GROUP = 1 << GROUP_BITS
# Levels 0, 8, 16, 24 and 32: more leaves than any log has.
STORED_LEVELS = 5


class TreeFile:
    """The stored nodes of one log, in one file a stored level; its owner knows how many leaves count."""

    def __init__(self, directory: Path, *, writable: bool = True) -> None:
        """Open the files, to write or only to read; raises OSError."""
        if writable:
            make_directory(directory)
        names = [f"level-{GROUP_BITS * level:02}" for level in range(STORED_LEVELS)]
        self._files = [DerivedFile(directory / name, writable=writable) for name in names]

    @property
    def stored_leaves(self) -> int:
        """Number of leaf hashes in the file."""
        return self._files[0].size_bytes // HASH_BYTES

    def write(self, first: int, leaves: Sequence[bytes]) -> None:
        """Write leaf hashes from leaf `first` on, which follow the ones that count; raises OSError."""
        hashes = leaves
        for level, file in enumerate(self._files):
            file.write(b"".join(hashes), first * HASH_BYTES)
            begun, done = first // GROUP, (first + len(hashes)) // GROUP
            if begun == done:
                return
            hashes = [fold(self._hashes(level, group * GROUP, GROUP)) for group in range(begun, done)]
            first = begun

    def leaves(self, first: int, count: int) -> bytes:
        """Return the hashes of leaves from `first` on, joined; fewer at the end of the file."""
        return self._files[0].read(count * HASH_BYTES, first * HASH_BYTES)

    def node(self, level: int, index: int) -> bytes:
        """Return the hash of a complete subtree, as `merkle.Node`."""
        stored, rest = divmod(level, GROUP_BITS)
        return fold(self._hashes(stored, index << rest, 1 << rest))

    def stored(self, level: int, index: int) -> bytes:
        """Return the node of a stored level as it is in the file; empty where there is none."""
        found = self._files[level // GROUP_BITS].read(HASH_BYTES, index * HASH_BYTES)
        return found if len(found) == HASH_BYTES else b""

    def root(self, size: int) -> bytes:
        """Return the root of the tree over the first `size` leaves; raises LookupError if they are not stored."""
        return merkle.root(size, self.node)

    def sync(self) -> None:
        """Flush the nodes to the disk; raises OSError."""
        for file in self._files:
            file.sync()

    def clear(self) -> None:
        """Remove every node; raises OSError."""
        for file in self._files:
            file.cut(0)

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()

    def _hashes(self, stored_level: int, first: int, count: int) -> list[bytes]:
        data = self._files[stored_level].read(count * HASH_BYTES, first * HASH_BYTES)
        if len(data) != count * HASH_BYTES:
            raise LookupError(f"the tree's nodes {first} to {first + count - 1} of level {stored_level} are not stored")
        return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]
