"""Merkle tree over the records of a log: hashes, roots, proofs and their verification (RFC 6962, RFC 9162). Pure."""

import hashlib
from collections.abc import Callable, Sequence
from typing import TypeAlias

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

# Hash of the complete subtree over the leaves [index * 2**level, (index + 1) * 2**level).
Node: TypeAlias = Callable[[int, int], bytes]


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf: SHA-256 of 0x00 and the leaf's bytes."""
    return hashlib.sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node: SHA-256 of 0x01 and the hashes of its children."""
    return hashlib.sha256(b"\1" + left + right).digest()


def parents(hashes: Sequence[bytes]) -> list[bytes]:
    """Return the hashes one level up; a last node without a sibling moves up unchanged."""
    sha256 = hashlib.sha256
    up = [sha256(b"\1" + left + right).digest() for left, right in zip(hashes[::2], hashes[1::2], strict=False)]
    if len(hashes) % 2:
        up.append(hashes[-1])
    return up


def fold(hashes: Sequence[bytes]) -> bytes:
    """Return the root of a tree with these leaf hashes, at least one."""
    level = list(hashes)
    while len(level) > 1:
        level = parents(level)
    return level[0]


def root(size: int, node: Node) -> bytes:
    """Return the root of the tree over the first `size` leaves."""
    return _range_root(0, size, node) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, node: Node) -> list[bytes]:
    """Return the audit path of the leaf `index`, from 0, in the tree over the first `size` leaves (RFC 9162, 2.1.3).

    Raises:
        ValueError: the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    path: list[bytes] = []
    first, end = 0, size
    while end - first > 1:
        split = first + _left_size(end - first)
        if index < split:
            path.append(_range_root(split, end, node))
            end = split
        else:
            path.append(_range_root(first, split, node))
            first = split
    return path[::-1]


def consistency_proof(old: int, new: int, node: Node) -> list[bytes]:
    """Return the proof that the first `old` leaves are a prefix of the first `new` (RFC 9162, 2.1.4).

    Raises:
        ValueError: the sizes are not 0 <= old <= new.
    """
    if not 0 <= old <= new:
        raise ValueError(f"no proof from size {old} to size {new}")
    proof: list[bytes] = []
    if old == 0:
        return proof
    first, end, known = 0, new, True
    while old != end:
        split = first + _left_size(end - first)
        if old <= split:
            proof.append(_range_root(split, end, node))
            end = split
        else:
            proof.append(_range_root(first, split, node))
            first, known = split, False
    if not known:
        proof.append(_range_root(first, end, node))
    return proof[::-1]


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], expected: bytes) -> bool:
    """Return whether the proof shows the leaf hash at `index` in the tree of this size and root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    place, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            found = node_hash(sibling, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and found == expected


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Return whether the proof shows that the old tree is a prefix of the new one (RFC 9162, 2.1.4.2)."""
    if not 0 <= old <= new:
        return False
    if old == 0:
        return old_root == EMPTY_ROOT and not proof
    if old == new:
        return old_root == new_root and not proof
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        return False
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    found_old = found_new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            found_old, found_new = node_hash(sibling, found_old), node_hash(sibling, found_new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found_new = node_hash(found_new, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and found_old == old_root and found_new == new_root


class CompactTree:
    """Roots of a growing tree, from the hashes of its largest complete subtrees alone: memory O(log n)."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []  # one for each bit set in `size`, the largest first

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Append leaf hashes."""
        for level, hashes in _aligned(self.size, leaves):
            self.push(level, hashes)

    def root(self) -> bytes:
        """Return the root of the tree as it is now."""
        if not self._peaks:
            return EMPTY_ROOT
        found = self._peaks[-1]
        for peak in self._peaks[-2::-1]:
            found = node_hash(peak, found)
        return found

    def copy(self) -> "CompactTree":
        """Return a tree that grows on its own."""
        other = CompactTree()
        other.size, other._peaks = self.size, list(self._peaks)
        return other

    def push(self, level: int, peak: bytes) -> None:
        """Append a complete subtree, to whose height the tree's size is aligned, and merge subtrees of equal size."""
        self.size += 1 << level
        while not self.size >> level & 1:
            peak = node_hash(self._peaks.pop(), peak)
            level += 1
        self._peaks.append(peak)


def _aligned(first: int, leaves: Sequence[bytes]) -> list[tuple[int, bytes]]:
    """Return the largest complete subtrees that together hold these leaves, from leaf `first` on."""
    found: list[tuple[int, bytes]] = []
    start, count = 0, len(leaves)
    while start < count:
        level = min(_trailing_zeros(first + start), (count - start).bit_length() - 1)
        found.append((level, fold(leaves[start : start + (1 << level)])))
        start += 1 << level
    return found


def _trailing_zeros(number: int) -> int:
    return (number & -number).bit_length() - 1 if number else 64


def _left_size(size: int) -> int:
    """Return the largest power of two below a size of at least 2."""
    return 1 << ((size - 1).bit_length() - 1)


def _range_root(first: int, end: int, node: Node) -> bytes:
    """Return the root over the leaves [first, end), where `first` is aligned to the next power of two of their number.

    The range is a sequence of complete subtrees, each smaller than the one before it: one for each bit of its length.
    """
    found = b""
    place, size = end, end - first
    for level in range(size.bit_length()):
        if size >> level & 1:
            place -= 1 << level
            peak = node(level, place >> level)
            found = node_hash(peak, found) if found else peak
    return found
