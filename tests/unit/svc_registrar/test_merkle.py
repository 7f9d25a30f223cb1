"""The Merkle tree: RFC 6962's published vectors, and agreement with a naive tree for any size."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svc_registrar.domain import merkle
from svc_registrar.domain.merkle import (
    EMPTY_ROOT,
    CompactTree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from svc_registrar.log.tree_file import TreeFile

# The reference leaves and results of the certificate-transparency project, for RFC 6962.
INPUTS = [bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
LEAVES = [leaf_hash(data) for data in [*INPUTS, bytes.fromhex("606162636465666768696a6b6c6d6e6f")]]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
A, B, C = (
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
)
D, E = (
    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
)
INCLUSION = [(0, 1, []), (0, 8, [A, B, C]), (5, 8, [D, E, ROOTS[4]]), (2, 3, [ROOTS[2]]), (1, 5, [ROOTS[1], B, D])]
CONSISTENCY = [
    (1, 1, []),
    (1, 8, [A, B, C]),
    (6, 8, ["0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a", E, ROOTS[4]]),
    (2, 5, [B, D]),
]


def naive_root(leaves: list[bytes]) -> bytes:
    """The definition of RFC 6962, section 2.1, word for word."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256().digest()
    split = 1
    while 2 * split < len(leaves):
        split *= 2
    return hashlib.sha256(b"\1" + naive_root(leaves[:split]) + naive_root(leaves[split:])).digest()


def naive_path(index: int, leaves: list[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    split = 1
    while 2 * split < len(leaves):
        split *= 2
    if index < split:
        return [*naive_path(index, leaves[:split]), naive_root(leaves[split:])]
    return [*naive_path(index - split, leaves[split:]), naive_root(leaves[:split])]


def naive_subproof(old: int, leaves: list[bytes], known: bool) -> list[bytes]:
    if old == len(leaves):
        return [] if known else [naive_root(leaves)]
    split = 1
    while 2 * split < len(leaves):
        split *= 2
    if old <= split:
        return [*naive_subproof(old, leaves[:split], known), naive_root(leaves[split:])]
    return [*naive_subproof(old - split, leaves[split:], False), naive_root(leaves[:split])]


def node_of(leaves: list[bytes]) -> merkle.Node:
    return lambda level, index: naive_root(leaves[index << level : (index + 1) << level])


def made(count: int, salt: int = 0) -> list[bytes]:
    return [leaf_hash(b"%d/%d" % (salt, number)) for number in range(count)]


def test_the_roots_are_those_of_the_reference() -> None:
    for size, expected in enumerate(ROOTS):
        assert merkle.root(size, node_of(LEAVES)).hex() == expected
    assert EMPTY_ROOT.hex() == ROOTS[0]


@pytest.mark.parametrize(("index", "size", "path"), INCLUSION)
def test_the_inclusion_proofs_are_those_of_the_reference(index: int, size: int, path: list[str]) -> None:
    assert [item.hex() for item in inclusion_proof(index, size, node_of(LEAVES))] == path


@pytest.mark.parametrize(("old", "new", "proof"), CONSISTENCY)
def test_the_consistency_proofs_are_those_of_the_reference(old: int, new: int, proof: list[str]) -> None:
    assert [item.hex() for item in consistency_proof(old, new, node_of(LEAVES))] == proof


@settings(deadline=None)
@given(st.integers(1, 300), st.data())
def test_roots_and_proofs_equal_those_of_a_naive_tree_and_verify(size: int, data: st.DataObject) -> None:
    leaves = made(size)
    node, root = node_of(leaves), naive_root(leaves)
    assert merkle.root(size, node) == root
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    path, proof = inclusion_proof(index, size, node), consistency_proof(old, size, node)
    assert path == naive_path(index, leaves)
    assert proof == naive_subproof(old, leaves, known=True)
    assert verify_inclusion(index, size, leaves[index], path, root)
    assert verify_consistency(old, size, naive_root(leaves[:old]), root, proof)


@settings(deadline=None)
@given(st.integers(2, 200), st.data())
def test_a_proof_with_anything_changed_is_refused(size: int, data: st.DataObject) -> None:
    leaves = made(size)
    node, root = node_of(leaves), naive_root(leaves)
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size - 1))
    path, proof = inclusion_proof(index, size, node), consistency_proof(old, size, node)
    old_root, other = naive_root(leaves[:old]), leaf_hash(b"other")
    assert not verify_inclusion(index, size, other, path, root)
    assert not verify_inclusion(index, size, leaves[index], path, other)
    assert not verify_inclusion(index, size, leaves[index], [*path, other], root)
    assert not verify_inclusion(index, size, leaves[index], path[:-1], root)
    assert not verify_inclusion(index, size, root, [], root), "the path is shorter than the tree is high"
    assert not verify_inclusion(index ^ 1, size, leaves[index], path, root)
    assert not verify_inclusion(size, size, leaves[index], path, root)
    assert not verify_consistency(old, size, other, root, proof)
    assert not verify_consistency(old, size, old_root, other, proof)
    assert not verify_consistency(old, size, old_root, root, [*proof, other])
    assert not verify_consistency(old, size, old_root, root, proof[:-1])
    place = data.draw(st.integers(0, len(path) - 1))
    assert not verify_inclusion(index, size, leaves[index], [*path[:place], other, *path[place + 1 :]], root)
    assert not verify_consistency(size, old, root, old_root, proof)


def test_proofs_of_what_does_not_exist_are_refused() -> None:
    node = node_of(LEAVES)
    for index, size in ((-1, 8), (8, 8), (0, 0)):
        with pytest.raises(ValueError, match="no leaf"):
            inclusion_proof(index, size, node)
    with pytest.raises(ValueError, match="no proof"):
        consistency_proof(5, 4, node)
    assert consistency_proof(0, 8, node) == []
    assert verify_consistency(0, 8, EMPTY_ROOT, naive_root(LEAVES), [])
    assert not verify_consistency(0, 8, LEAVES[0], naive_root(LEAVES), [])
    assert not verify_consistency(8, 8, EMPTY_ROOT, naive_root(LEAVES), [])


@settings(deadline=None)
@given(st.lists(st.integers(0, 70), max_size=8))
def test_a_tree_of_its_peaks_alone_has_the_same_roots(groups: list[int]) -> None:
    leaves, tree, size = made(sum(groups)), CompactTree(), 0
    for count in groups:
        before, root = tree.copy(), tree.root()
        tree.extend(leaves[size : size + count])
        size += count
        assert tree.root() == naive_root(leaves[:size])
        assert before.root() == root


def test_stored_nodes_give_the_roots_and_proofs_of_every_size_after_writes_of_any_length(tmp_path: Path) -> None:
    count = 66_000  # beyond the second stored level
    leaves, tree, size = made(count), TreeFile(tmp_path / "tree"), 0
    for group in (1, 2, 253, 1, 255, 300, 700, 64_000, 488):
        tree.write(size, made(group, salt=1))  # a write that failed afterwards, and is repeated
        tree.write(size, leaves[size : size + group])
        size += group
    tree.close()
    tree = TreeFile(tmp_path / "tree", writable=False)
    compact = CompactTree()
    compact.extend(leaves)
    assert tree.root(count) == compact.root()
    for size in (1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, count):
        part = CompactTree()
        part.extend(leaves[:size])
        assert tree.root(size) == part.root()
        for index in {0, size // 2, size - 1}:
            path = inclusion_proof(index, size, tree.node)
            assert verify_inclusion(index, size, leaves[index], path, part.root())
        assert verify_consistency(size, count, part.root(), compact.root(), consistency_proof(size, count, tree.node))
    with pytest.raises(LookupError):
        tree.root(count + 1)
    tree.close()
