"""Diagnosis of a log that does not give a checkpoint's root: the first wrong record, and in which way it is wrong.

Where the stored leaf hashes still give that root, they are what the lines should be: the position is exact. Otherwise
the lines' own marks, their index and CRC, are all there is.
"""

from collections.abc import Callable, Iterator
from itertools import count

from svc_registrar.domain.lines import claimed_index, parse
from svc_registrar.domain.merkle import leaf_hash
from svc_registrar.verify.finding import Finding, Kind


def by_leaves(index: int, lines: Iterator[bytes], leaf: Callable[[int], bytes], last: int) -> Finding:
    """Return the finding at record `index`, the first whose line does not have its leaf hash.

    `lines` are those from that position on; `leaf` gives the true leaf hash of a record up to `last`.
    """
    line = next(lines, None)
    if line is None:
        return Finding(Kind.REMOVED, index, f"the records {index} to {last} are missing at the end")
    claimed, found = claimed_index(line), leaf_hash(line)
    genuine = 1 <= claimed <= last and leaf(claimed) == found
    if genuine and claimed < index:
        return Finding(Kind.INSERTED, index, f"a copy of record {claimed} comes before it")
    wanted = leaf(index)
    later = any(leaf_hash(item) == wanted for item in lines)
    if genuine and later:
        return Finding(Kind.REORDERED, index, f"record {claimed} is in its place, and it follows later")
    if genuine:
        return Finding(Kind.REMOVED, index, f"the records {index} to {claimed - 1} are missing")
    if later:
        return Finding(Kind.INSERTED, index, "a line that was never recorded comes before it")
    return Finding(Kind.CHANGED, index, "its line is not the one that was recorded")


def by_marks(first: int, lines: Iterator[bytes], last: int) -> Finding:
    """Return the finding among the records `first` to `last` as far as the lines' own marks show it."""
    index = first - 1
    for index, line in zip(count(first), lines, strict=False):
        if index > last:
            break
        whole = parse(line)
        if whole is None:
            return Finding(Kind.CHANGED, index, "its line is damaged")
        if whole.index < index:
            return Finding(Kind.INSERTED, index, f"a line of index {whole.index} comes before it")
        if whole.index > index:
            return _skipped(index, whole.index, lines)
    if index < last:
        return Finding(Kind.REMOVED, index + 1, f"records up to {last} are missing")
    text = f"one of the records {first} to {last} is not what was recorded; the stored tree was replaced, too"
    return Finding(Kind.CHANGED, first, text)


def _skipped(index: int, found: int, lines: Iterator[bytes]) -> Finding:
    if any(claimed_index(line) == index for line in lines):
        return Finding(Kind.REORDERED, index, f"record {found} is in its place, and it follows later")
    return Finding(Kind.REMOVED, index, f"the records {index} to {found - 1} are missing")
