"""One pass over a log: leaf hashes into a tree, whose root is compared at the size of every checkpoint."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from svc_registrar.domain.merkle import HASH_BYTES, CompactTree, fold
from svc_registrar.domain.notes import Checkpoint
from svc_registrar.log.tree_file import GROUP, GROUP_BITS, TreeFile


@dataclass(slots=True)
class Walk:
    """The pass: `agreed` is the last checkpoint whose root the lines give, `failed` the first whose root they do not.

    `different` is the index of the first record since `agreed` whose line does not have the stored leaf hash, 0 if
    none; `damaged` is that of the first stored hash that is wrong though the lines are right.
    """

    checkpoints: Sequence[Checkpoint]
    tree: TreeFile
    count: int = 0
    agreed: int = 0
    different: int = 0
    damaged: int = 0
    failed: Checkpoint | None = None
    _compact: CompactTree = field(default_factory=CompactTree)
    _pending: list[bytes] = field(default_factory=list)
    _next: int = 0

    def run(self, blocks: Iterable[Sequence[bytes]], progress: Callable[[int], object]) -> None:
        """Take blocks of leaf hashes up to the end, or to the first checkpoint that fails."""
        for block in blocks:
            self._pending += block
            self._take(len(self._pending) // GROUP * GROUP)
            progress(self.count)
            if self.failed is not None:
                return
        self._take(len(self._pending))
        progress(self.count)
        if self.failed is None and self._next < len(self.checkpoints):
            self.failed = self.checkpoints[self._next]

    def _take(self, length: int) -> None:
        hashes, self._pending = self._pending[:length], self._pending[length:]
        self._compare(hashes)
        for start in range(0, length, GROUP):
            group = hashes[start : start + GROUP]
            self._roots(group)
            if self.failed is not None:
                return
            if len(group) == GROUP:
                self._push(group)
            self.count += len(group)

    def _push(self, group: Sequence[bytes]) -> None:
        """Append a complete group; compare its root with the stored one."""
        node = fold(group)
        number = self.count >> GROUP_BITS
        if not self.damaged and not self.different and self.tree.stored(GROUP_BITS, number) not in (b"", node):
            self.damaged = self.count + 1
        self._compact.push(GROUP_BITS, node)

    def _roots(self, group: Sequence[bytes]) -> None:
        """Compare the roots at the checkpoints whose sizes lie within this group or at its end."""
        while self._next < len(self.checkpoints):
            checkpoint = self.checkpoints[self._next]
            part = checkpoint.size - self.count
            if part > len(group):
                return
            tree = self._compact.copy()
            tree.extend(group[:part])
            if tree.root() != checkpoint.root:
                self.failed = checkpoint
                return
            self._next += 1
            self.agreed = checkpoint.size
            if self.different and self.different <= checkpoint.size:
                self.damaged, self.different = self.damaged or self.different, 0

    def _compare(self, hashes: Sequence[bytes]) -> None:
        """Compare leaf hashes with the stored ones."""
        stored, found = self.tree.leaves(self.count, len(hashes)), b"".join(hashes)
        if self.different or stored == found[: len(stored)]:
            return
        for place in range(0, len(stored), HASH_BYTES):
            if stored[place : place + HASH_BYTES] != found[place : place + HASH_BYTES]:
                self.different = self.count + place // HASH_BYTES + 1
                return
