"""Verification of a log's directory against its checkpoints and kept ones, without the service and without writing."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from mesh.serving.errors import StartError
from svc_registrar.domain.lines import parse
from svc_registrar.domain.merkle import HASH_BYTES, CompactTree
from svc_registrar.domain.notes import Checkpoint, NoteError, Verifier
from svc_registrar.log.checkpoints import FILE as CHECKPOINTS_FILE
from svc_registrar.log.checkpoints import read_checkpoints
from svc_registrar.log.identity import PUBLIC_KEY_FILE, SEGMENTS, TREE
from svc_registrar.log.recovery import read_oldest
from svc_registrar.log.segments import Segment, list_segments
from svc_registrar.log.tree_file import TreeFile
from svc_registrar.verify import diagnosis
from svc_registrar.verify.finding import Finding, Kind, Report
from svc_registrar.verify.lines import hash_blocks, lines_from
from svc_registrar.verify.walk import Walk

_LEAVES_AT_ONCE = 65_536


@dataclass(frozen=True, slots=True)
class Task:
    """A verification: the directory, the public key, and checkpoints that were kept elsewhere."""

    directory: Path
    verifier: Verifier
    kept: Sequence[Checkpoint] = ()
    progress: Callable[[int], object] = lambda _records: None


def own_key(directory: Path) -> Verifier:
    """Return the public key that lies beside the log; raises NoteError, OSError."""
    return Verifier.parse((directory / PUBLIC_KEY_FILE).read_text(encoding="ascii"))


def expected_records(directory: Path) -> int:
    """Return about how many records a verification reads, for a display of its progress."""
    with closing(TreeFile(directory / TREE, writable=False)) as tree:
        return tree.stored_leaves


def verify(task: Task) -> Report:
    """Verify the directory's log; the report has its first difference, or none.

    Raises:
        OSError: a file cannot be read.
    """
    report = Report()
    try:
        own = [kept.checkpoint for kept in read_checkpoints(task.directory / CHECKPOINTS_FILE, task.verifier)]
    except (NoteError, FileNotFoundError) as error:
        report.finding = Finding(Kind.NOT_VERIFIABLE, 0, f"the checkpoints beside the log cannot be used: {error}")
        return report
    checkpoints = sorted({*own, *task.kept}, key=lambda checkpoint: checkpoint.size)
    report.checkpoints = len(checkpoints)
    if not checkpoints:
        report.finding = Finding(Kind.NOT_VERIFIABLE, 0, "there is no checkpoint, so that nothing can be proved")
        return report
    with closing(TreeFile(task.directory / TREE, writable=False)) as tree:
        _verify(task, checkpoints, tree, report)
    if report.finding is not None and _only_kept_ones_fail(task, own, report):
        text = f"the log went back behind a checkpoint that was kept elsewhere: {report.finding.text}"
        report.finding = Finding(Kind.ROLLED_BACK, report.finding.index, text)
    return report


def _verify(task: Task, checkpoints: Sequence[Checkpoint], tree: TreeFile, report: Report) -> None:
    segments = _segments(task.directory, report)
    if report.finding is not None:
        return
    walk = Walk(checkpoints, tree)
    walk.run(_all_hashes(segments, tree, report.oldest), task.progress)
    report.proved = walk.agreed
    if walk.failed is not None:
        report.finding = _diagnose(segments, tree, report, (checkpoints[-1], walk.failed))
        return
    report.finding = _check_rest(segments, report)
    if report.finding is None and walk.damaged:
        text = (
            "the stored tree differs though the lines are right: remove `tree` and `index`, the start makes them again"
        )
        report.finding = Finding(Kind.TREE_DAMAGED, walk.damaged, text)


def _segments(directory: Path, report: Report) -> list[Segment]:
    path = directory / SEGMENTS
    segments = list_segments(path) if path.exists() else []
    try:
        report.oldest = read_oldest(directory)
    except StartError as error:
        report.finding = Finding(Kind.NOT_VERIFIABLE, 0, str(error))
        return []
    kept = [item for place, item in enumerate(segments) if _ends_after(segments, place, report.oldest)]
    if kept and kept[0].first > report.oldest:
        text = f"the records {report.oldest} to {kept[0].first - 1} are missing with their segment"
        report.finding = Finding(Kind.REMOVED, report.oldest, text)
    if report.oldest > 1:
        report.notes.append(f"the records 1 to {report.oldest - 1} were removed by retention; their hashes are kept")
    return kept


def _ends_after(segments: Sequence[Segment], place: int, oldest: int) -> bool:
    """Return whether a segment has records from `oldest` on: a removal may have been interrupted."""
    return place + 1 == len(segments) or segments[place + 1].first > oldest


def _all_hashes(segments: Sequence[Segment], tree: TreeFile, oldest: int) -> Iterator[list[bytes]]:
    """Yield the leaf hashes: the stored ones of records that retention has removed, then those of the lines."""
    for first in range(0, oldest - 1, _LEAVES_AT_ONCE):
        yield _stored(tree, first, min(_LEAVES_AT_ONCE, oldest - 1 - first))
    yield from hash_blocks(segments)


def _stored(tree: TreeFile, first: int, count: int) -> list[bytes]:
    data = tree.leaves(first, count)
    return [data[at : at + HASH_BYTES] for at in range(0, len(data) - HASH_BYTES + 1, HASH_BYTES)]


def _diagnose(
    segments: Sequence[Segment], tree: TreeFile, report: Report, failed: tuple[Checkpoint, Checkpoint]
) -> Finding:
    """Return the first wrong record before a checkpoint that fails: `failed` are the newest one and the first."""
    first = max(report.proved + 1, report.oldest)
    trusted = next((checkpoint for checkpoint in failed if _leaves_give(tree, checkpoint)), None)
    if trusted is None:
        return diagnosis.by_marks(first, lines_from(segments, report.oldest, first), failed[-1].size)
    index = _first_difference(segments, tree, report.oldest, first, trusted.size)
    lines = lines_from(segments, report.oldest, index)
    return diagnosis.by_leaves(index, lines, lambda number: tree.leaves(number - 1, 1), trusted.size)


def _first_difference(segments: Sequence[Segment], tree: TreeFile, oldest: int, first: int, last: int) -> int:
    """Return the first record from `first` on whose line does not have its leaf hash."""
    index = first
    for hashes in _hashes_from(segments, oldest, first):
        stored = _stored(tree, index - 1, min(len(hashes), last - index + 1))
        wrong = next(
            (place for place, pair in enumerate(zip(hashes, stored, strict=False)) if pair[0] != pair[1]), None
        )
        if wrong is not None:
            return index + wrong
        index += len(stored)
    return index


def _hashes_from(segments: Sequence[Segment], oldest: int, first: int) -> Iterator[list[bytes]]:
    """Yield the leaf hashes of the lines from record `first` on."""
    position = oldest
    for hashes in hash_blocks(segments):
        if position + len(hashes) > first:
            yield hashes[max(0, first - position) :]
        position += len(hashes)


def _leaves_give(tree: TreeFile, checkpoint: Checkpoint) -> bool:
    """Return whether the stored leaf hashes, all of them, give the checkpoint's root."""
    compact = CompactTree()
    for first in range(0, checkpoint.size, _LEAVES_AT_ONCE):
        compact.extend(_stored(tree, first, min(_LEAVES_AT_ONCE, checkpoint.size - first)))
    return compact.size == checkpoint.size and compact.root() == checkpoint.root


def _check_rest(segments: Sequence[Segment], report: Report) -> Finding | None:
    """Check the marks of the lines after the last checkpoint; an unfinished write at the end is none of tampering."""
    index, broken, broken_bytes = max(report.proved + 1, report.oldest), 0, 0
    for line in lines_from(segments, report.oldest, index):
        whole = parse(line)
        if broken and whole is not None and whole.synced >= broken:
            return Finding(Kind.CHANGED, broken, f"its line is damaged, and record {whole.index} shows it was whole")
        if whole is not None and not broken and whole.index != index:
            return _out_of_order(index, whole.index)
        if whole is None or broken:
            broken, broken_bytes = broken or index, broken_bytes + len(line)
        else:
            index += 1
    report.unproved, report.unfinished_bytes = index - report.proved - 1, broken_bytes
    return None


def _out_of_order(index: int, found: int) -> Finding:
    if found < index:
        return Finding(Kind.INSERTED, index, f"a line of index {found} comes before it")
    return Finding(Kind.REMOVED, index, f"the records {index} to {found - 1} are missing")


def _only_kept_ones_fail(task: Task, own: Sequence[Checkpoint], report: Report) -> bool:
    """Return whether every checkpoint beside the log agrees with it, and one that was kept elsewhere does not."""
    newest_own = max((checkpoint.size for checkpoint in own), default=0)
    if report.finding is None or report.finding.kind is Kind.TREE_DAMAGED:
        return False
    beyond = any(checkpoint.size > newest_own for checkpoint in task.kept)
    forked = any(checkpoint not in own for checkpoint in task.kept)
    return (beyond and report.proved >= newest_own) or (forked and _agrees_with_own(task, own))


def _agrees_with_own(task: Task, own: Sequence[Checkpoint]) -> bool:
    if not task.kept:
        return False
    return verify(Task(task.directory, task.verifier)).finding is None
