"""Verification of a log's files: every kind of tampering, the position of each, and no alarm without reason."""

import random
import shutil
from pathlib import Path

import pytest

from log_cases import SMALL, append, first_segment, opened, segments
from svc_registrar.domain.lines import encode, parse, time_text
from svc_registrar.domain.notes import Signer
from svc_registrar.log.identity import DIRECTORY
from svc_registrar.log.retention import RetentionPolicy, expire
from svc_registrar.verify.finding import Kind, Report
from svc_registrar.verify.verify import Task, expected_records, own_key, verify
from tampering import CHANGES, HARMLESS, Victim, campaign


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Victim:
    return Victim(tmp_path_factory.mktemp("victim"), random.Random(3))


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_every_kind_of_tampering_is_found_at_its_first_record(victim: Victim, change: object) -> None:
    for _attempt in range(4):
        victim.restore()
        expected = change(victim)  # type: ignore[operator]
        found = victim.verify(victim.kept)
        assert found is not None
        assert found.kind in expected.kinds
        assert found.index == expected.index or not expected.index


@pytest.mark.parametrize("change", HARMLESS, ids=lambda change: change.__name__)
def test_what_is_no_tampering_raises_no_alarm(victim: Victim, change: object) -> None:
    for _attempt in range(3):
        victim.restore()
        change(victim)  # type: ignore[operator]
        assert victim.verify() is None
        assert victim.verify(victim.kept) is None


def test_a_campaign_of_random_tampering_misses_nothing() -> None:
    """The short form of `make tamper`."""
    _made, failure = campaign(60, 7)
    assert failure == ""


def report(state_dir: Path) -> Report:
    directory = state_dir / DIRECTORY
    return verify(Task(directory, own_key(directory)))


def test_the_report_counts_what_is_proved_and_what_follows_the_last_checkpoint(tmp_path: Path) -> None:
    counted: list[int] = []
    with opened(tmp_path) as log:
        append(log, ["one", "two"])
        log.checkpoint()
        append(log, ["three"])
        log.checkpoint()
        append(log, ["four"])
        before = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))
        found = verify(Task(log.path, log.verifier, progress=counted.append))
        assert before == sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")), "nothing is written"
    assert (found.proved, found.unproved, found.checkpoints, found.finding) == (3, 1, 2, None)
    assert (counted[-1], expected_records(log.path)) == (4, 4)
    with first_segment(tmp_path).open("ab") as file:
        file.write(b'{"index":5,"syn')
    assert (report(tmp_path).unfinished_bytes, report(tmp_path).finding) == (15, None)


def test_a_damaged_line_after_the_last_checkpoint_is_found_if_a_later_one_shows_it_was_whole(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        append(log, ["one"])
        log.checkpoint()
        for text in ("two", "three", "four"):
            append(log, [text])
    path = first_segment(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"three"', b'"THREE"'))
    finding = report(tmp_path).finding
    assert finding is not None
    assert (finding.kind, finding.index) == (Kind.CHANGED, 3)
    lines = path.read_bytes().replace(b'"THREE"', b'"three"').splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], lines[3]]))
    finding = report(tmp_path).finding
    assert finding is not None
    assert (finding.kind, finding.index) == (Kind.REMOVED, 3)


def test_records_that_retention_removed_are_no_alarm_and_their_hashes_still_prove_the_rest(tmp_path: Path) -> None:
    with opened(tmp_path, rotation=SMALL) as log:
        for number in range(40):
            append(log, [f"event {number} {'x' * 100}"])
        log.checkpoint()
        assert expire(log, RetentionPolicy(bytes=3_000), 0, safe_index=40)
        oldest = log.oldest_index
    found = report(tmp_path)
    assert (found.proved, found.oldest, found.finding) == (40, oldest, None)
    assert f"the records 1 to {oldest - 1} were removed by retention" in found.notes[0]
    segments(tmp_path)[0].unlink()
    finding = report(tmp_path).finding
    assert finding is not None
    assert (finding.kind, finding.index) == (Kind.REMOVED, oldest)


def test_a_log_whose_key_is_another_or_that_has_no_checkpoint_cannot_be_verified(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        append(log, ["one"])
    finding = report(tmp_path).finding
    assert finding is not None
    assert finding.kind is Kind.NOT_VERIFIABLE
    with opened(tmp_path) as log:
        log.checkpoint()
        other = Signer(log.head.origin, bytes(32)).verifier
        forged = verify(Task(log.path, other)).finding
    assert forged is not None
    assert forged.kind is Kind.NOT_VERIFIABLE


def test_the_file_of_checkpoints_is_read_to_the_byte(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        append(log, ["one"])
        log.checkpoint()
    path = tmp_path / DIRECTORY / "checkpoints.jsonl"
    data = path.read_bytes()
    for changed in (data.replace(b": ", b":\t"), data.replace(b": ", b":"), data + data, b" " + data):
        path.write_bytes(changed)
        finding = report(tmp_path).finding
        assert finding is not None
        assert finding.kind is Kind.NOT_VERIFIABLE


def test_a_log_that_went_back_is_shown_only_by_a_checkpoint_that_was_kept_elsewhere(tmp_path: Path) -> None:
    with opened(tmp_path / "state") as log:
        append(log, ["one"])
        log.checkpoint()
    shutil.copytree(tmp_path / "state", tmp_path / "old")
    with opened(tmp_path / "state") as log:
        append(log, ["two", "three"])
        kept = log.checkpoint()
    assert kept is not None
    directory = tmp_path / "old" / DIRECTORY
    assert verify(Task(directory, own_key(directory))).finding is None
    finding = verify(Task(directory, own_key(directory), [kept.checkpoint])).finding
    assert finding is not None
    assert (finding.kind, finding.index) == (Kind.ROLLED_BACK, 2)


def test_a_forged_line_with_its_own_checksum_is_found_in_a_log_of_many_groups(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        append(log, [f"event {number}" for number in range(1_000)])
        log.checkpoint()
    path = first_segment(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    old = parse(lines[699])
    assert old is not None
    lines[699] = encode(old.content.replace(b"699", b"996"), 700, old.synced, time_text(old.recorded_ns))
    path.write_bytes(b"".join(lines))
    finding = report(tmp_path).finding
    assert finding is not None
    assert (finding.kind, finding.index) == (Kind.CHANGED, 700)
