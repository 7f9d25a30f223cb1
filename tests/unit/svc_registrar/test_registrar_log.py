"""The registrar's log: its content after any end of the process, its reports of damage, rotation and retention."""

import os
import shutil
import stat
from pathlib import Path

import pytest

from damage import flips
from full_disk import full_disk
from log_cases import SMALL, append, content, entry, first_segment, opened, segments, text_of, texts
from mesh.serving.errors import StartError
from mesh.storage.log_records import LogDamagedError
from svc_registrar.domain.lines import encode, parse, time_text
from svc_registrar.domain.merkle import leaf_hash
from svc_registrar.log.errors import LogLostError, RecordUnreadableError
from svc_registrar.log.identity import DIRECTORY
from svc_registrar.log.retention import RetentionPolicy, expire

BATCHES = (["one", "two" * 50], ["three"], ["four", "five" * 100, "six"])
TEXTS = [text for batch in BATCHES for text in batch]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A state directory whose log holds BATCHES, without a checkpoint."""
    with opened(tmp_path / "state") as log:
        for batch in BATCHES:
            append(log, batch)
    return tmp_path / "state"


@pytest.fixture
def signed(written: Path) -> Path:
    with opened(written) as log:
        log.checkpoint()
    return written


def test_a_log_opened_again_holds_the_same_bytes_in_the_same_order(written: Path) -> None:
    data = first_segment(written).read_bytes()
    with opened(written) as log:
        assert texts(log) == TEXTS
        lines = [log.read(index) for index in range(1, 7)]
        assert b"".join(line.data for line in lines) == data
        assert [(line.index, line.synced) for line in lines] == [(1, 0), (2, 0), (3, 2), (4, 3), (5, 3), (6, 3)]
        assert log.cut_bytes == 0


def test_a_log_keeps_its_identity_and_its_secret_key(written: Path) -> None:
    with opened(written) as log:
        head, verifier = log.head, log.verifier
    with opened(written) as log:
        assert (log.head, log.verifier) == (head, verifier)
    key = written / DIRECTORY / "key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    key.write_text(key.read_text().replace("+", "-"))
    with pytest.raises(StartError, match="key cannot be used"), opened(written):
        pass


def test_a_receipts_leaf_hash_is_that_of_the_stored_line(written: Path) -> None:
    with opened(written) as log:
        added = append(log, ["seven", "eight"])
        stored = first_segment(written).read_bytes().splitlines(keepends=True)
        assert (added.first_index, added.leaves) == (7, tuple(leaf_hash(line) for line in stored[6:]))


def test_a_log_cut_at_any_byte_keeps_every_whole_record_and_accepts_more(written: Path, tmp_path: Path) -> None:
    data = first_segment(written).read_bytes()
    ends = [place + 1 for place, byte in enumerate(data) if byte == ord("\n")]
    for length in range(0, len(data), 11):
        state = tmp_path / "cut"
        shutil.copytree(written, state)
        first_segment(state).write_bytes(data[:length])
        whole = sum(end <= length for end in ends)
        with opened(state) as log:
            assert texts(log) == TEXTS[:whole]
            assert log.cut_bytes == length - [0, *ends][whole]
            assert append(log, ["next"]).first_index == whole + 1
        with opened(state) as log:
            assert texts(log) == [*TEXTS[:whole], "next"]
        shutil.rmtree(state)


@pytest.mark.parametrize("garbage", [b"\0" * 300_000, b'{"index":7,"synced":6,' * 20_000, os.urandom(5_000), b"\n\n"])
def test_a_tail_of_garbage_is_cut_off_and_kept_beside_the_log(written: Path, garbage: bytes) -> None:
    with first_segment(written).open("ab") as file:
        file.write(garbage)
    with opened(written) as log:
        assert texts(log) == TEXTS
        assert log.cut_bytes == len(garbage)
        assert first_segment(written).stat().st_size == log.size_bytes
    assert (written / DIRECTORY / "audit.cut").read_bytes() == garbage


def test_a_byte_changed_before_the_last_write_is_damage_reported_with_its_position(written: Path) -> None:
    path = first_segment(written)
    data = path.read_bytes()
    lines = data.splitlines(keepends=True)
    durable = len(b"".join(lines[:3]))  # the last write was that of the records 4 to 6
    for at, changed in list(flips(data[:durable], bits=1))[::5]:
        path.write_bytes(changed + data[durable:])
        with pytest.raises(LogDamagedError, match="damaged at byte") as caught, opened(written):
            pass
        number = data[:at].count(b"\n")
        assert (caught.value.offset, caught.value.sequence) == (len(b"".join(lines[:number])), number + 1)
    path.write_bytes(data)
    with opened(written) as log:
        assert texts(log) == TEXTS


def test_a_signed_log_with_any_byte_changed_is_refused(signed: Path) -> None:
    path = first_segment(signed)
    data = path.read_bytes()
    for _place, changed in list(flips(data, bits=1))[::9]:
        path.write_bytes(changed)
        with pytest.raises(StartError), opened(signed):
            pass
        assert path.read_bytes() == changed, "damage is not cut off"


def test_a_signed_log_that_is_cut_anywhere_is_refused(signed: Path) -> None:
    """Each receipt promises a recorded event: a missing one is detected even if the remaining log is intact."""
    path = first_segment(signed)
    data = path.read_bytes()
    for length in range(0, len(data), 13):
        path.write_bytes(data[:length])
        with pytest.raises(LogLostError, match="had 6 events at its last checkpoint"), opened(signed):
            pass
        assert path.read_bytes() == data[:length], "what is left stays as it is"
    path.unlink()
    with pytest.raises(LogLostError, match="is gone or empty"), opened(signed):
        pass
    assert not path.exists(), "no new log begins by itself"
    path.write_bytes(data)
    with opened(signed) as log:
        assert texts(log) == TEXTS


def test_a_torn_tail_beyond_the_checkpoint_is_cut_off_and_earlier_events_stay(signed: Path) -> None:
    with opened(signed) as log:
        append(log, ["after the checkpoint"])
    with first_segment(signed).open("ab") as file:
        file.write(b'{"index":8')
    with opened(signed) as log:
        assert texts(log) == [*TEXTS, "after the checkpoint"]
        assert log.cut_bytes == 10


def test_a_torn_batch_is_cut_off_and_never_prevents_the_start(signed: Path) -> None:
    """A batch is one write of several records, and any part of it may be on the disk after a crash, in any order."""
    batch = ["seven" * 40, "eight" * 40, "nine" * 40]
    with opened(signed) as log:
        start = log.size_bytes
        append(log, batch)
    path = first_segment(signed)
    whole = path.read_bytes()
    for lost in range(start, len(whole), 16):  # a block that was never written, followed by blocks that were
        path.write_bytes(whole[:lost] + bytes(16) + whole[lost + 16 :])
        with opened(signed) as log:
            found = texts(log)
            assert found[: len(TEXTS)] == TEXTS
            assert found == [*TEXTS, *batch][: len(found)]
            assert append(log, ["next"]).first_index == len(found) + 1


def test_a_gap_in_the_index_is_damage_even_if_every_line_is_whole(written: Path) -> None:
    path = first_segment(written)
    data = path.read_bytes()
    path.write_bytes(data + encode(content("one is missing before it"), 8, 7, time_text(1)))
    with pytest.raises(LogDamagedError, match="record 8 shows it was whole") as caught, opened(written):
        pass
    assert (caught.value.offset, caught.value.sequence) == (len(data), 7)


def test_a_record_that_changed_after_the_start_is_not_returned(written: Path) -> None:
    path = first_segment(written)
    lines = path.read_bytes().splitlines(keepends=True)
    with opened(written) as log:
        forged = encode(content("TWO" * 50), 2, 0, time_text(parse(lines[1]).recorded_ns))  # type: ignore[union-attr]
        assert len(forged) == len(lines[1])
        path.write_bytes(lines[0] + forged + b"".join(lines[2:]))
        with pytest.raises(RecordUnreadableError):
            log.read(2)
        assert text_of(log.read(3)) == "three"
        with pytest.raises(LookupError):
            log.read(7)


@pytest.mark.parametrize("lost", ["tree", "index", "tree/level-00", "index/rows", "index/ids"])
def test_tree_and_index_are_made_again_where_they_are_missing_or_damaged(signed: Path, lost: str) -> None:
    path = signed / DIRECTORY / lost
    for damage in ("missing", "damaged"):
        if path.is_dir():
            shutil.rmtree(path)
        elif damage == "missing":
            path.unlink()
        else:
            path.write_bytes(bytes(path.stat().st_size // 2))
        with opened(signed) as log:
            assert texts(log) == TEXTS
            assert log.checkpoints.newest is not None
            assert log.tree.root(6) == log.checkpoints.newest.checkpoint.root
            assert [list(log.index.candidates(entry(text).event_id)) for text in TEXTS] == [[n] for n in range(1, 7)]


def test_a_signed_record_that_was_rewritten_with_its_checksum_is_refused(signed: Path) -> None:
    path = first_segment(signed)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], encode(content("THREE"), 3, 2, time_text(1)), *lines[3:]]))
    with pytest.raises(LogDamagedError, match="it is not as it was written") as caught, opened(signed):
        pass
    assert caught.value.sequence == 3


def test_a_rewritten_log_whose_tree_is_rewritten_too_is_refused_by_its_checkpoint(signed: Path) -> None:
    path = first_segment(signed)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = encode(content("THREE"), 3, 2, time_text(1))
    path.write_bytes(b"".join(lines))
    shutil.rmtree(signed / DIRECTORY / "tree")
    refused = pytest.raises(StartError, match="do not give the root of the last checkpoint; run `qiki audit verify")
    with refused, opened(signed):
        pass


def test_a_write_that_fails_leaves_the_log_as_it_was_and_the_next_one_works(written: Path) -> None:
    path = first_segment(written)
    with opened(written) as log:
        for spare_bytes in (0, 1, 50, 150):
            with full_disk(path.stat().st_size + spare_bytes), pytest.raises(OSError, match="File too large"):
                append(log, ["lost" * 10, "lost too"])
            assert path.stat().st_size == log.size_bytes or spare_bytes == 0
            with full_disk(path.stat().st_size + spare_bytes), pytest.raises(OSError, match="File too large"):
                log.probe()
        log.probe()
        assert append(log, ["kept"]).first_index == 7
        log.checkpoint()
    with opened(written) as log:
        assert texts(log) == [*TEXTS, "kept"]
        assert log.cut_bytes == 0


def test_a_log_of_another_bot_is_refused(written: Path) -> None:
    with pytest.raises(StartError, match="bot qiki-01, not of other"), opened(written, "other"):
        pass


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match="file/state cannot be used"), opened(tmp_path / "file" / "state"):
        pass


# -- segments ---------------------------------------------------------------------------------------------------------


def test_segments_rotate_by_size_and_hold_the_records_in_order(tmp_path: Path) -> None:
    sent = [f"event {number} {'x' * 100}" for number in range(1, 101)]
    for start in range(0, 100, 7):
        with opened(tmp_path, rotation=SMALL) as log:  # a restart between the groups
            append(log, sent[start : start + 7])
            log.checkpoint()
    with opened(tmp_path, rotation=SMALL) as log:
        assert texts(log) == sent
    files = segments(tmp_path)
    assert len(files) > 5
    firsts = [parse(path.read_bytes().splitlines(keepends=True)[0]) for path in files]
    assert [int(path.stem) for path in files] == [line.index if line else 0 for line in firsts]


def test_a_segment_is_complete_at_its_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now_ns = 1_800_000_000_000_000_000
    monkeypatch.setattr("svc_registrar.log.log.time.time_ns", lambda: now_ns)
    with opened(tmp_path) as log:
        append(log, ["one"])
        now_ns += 86_399 * 10**9
        append(log, ["two"])
        assert len(segments(tmp_path)) == 1
        now_ns += 10**9
        append(log, ["three"])
        assert [int(path.stem) for path in segments(tmp_path)] == [1, 3]


@pytest.mark.parametrize("lost", [0, 2, -1])
def test_a_missing_segment_is_refused(tmp_path: Path, lost: int) -> None:
    with opened(tmp_path, rotation=SMALL) as log:
        for number in range(40):
            append(log, [f"event {number} {'x' * 100}"])
        log.checkpoint()
    segments(tmp_path)[lost].unlink()
    with pytest.raises(StartError), opened(tmp_path):
        pass


def test_retention_removes_only_what_is_signed_and_confirmed_and_proofs_stay(tmp_path: Path) -> None:
    sent = [f"event {number} {'x' * 100}" for number in range(40)]
    everything = RetentionPolicy(bytes=1)
    with opened(tmp_path, rotation=SMALL) as log:
        for text in sent[:20]:
            append(log, [text])
        assert expire(log, everything, 0, safe_index=40) == 0, "nothing is signed"
        log.checkpoint()
        for text in sent[20:]:
            append(log, [text])
        assert expire(log, RetentionPolicy(), 0, safe_index=40) == 0
        assert expire(log, everything, 0, safe_index=3) == 0, "a required reader has not confirmed it"
        assert expire(log, everything, 0, safe_index=40) > 0
        oldest = log.oldest_index
        assert 2 <= oldest <= 21, "records after the checkpoint stay"
        with pytest.raises(LookupError):
            log.read(oldest - 1)
        log.checkpoint()
        root = log.tree.root(40)
    with opened(tmp_path, rotation=SMALL) as log:
        assert log.oldest_index == oldest
        assert texts(log) == sent[oldest - 1 :]
        assert log.tree.root(40) == root
        assert expire(log, everything, 0, safe_index=40) > 0
        assert len(segments(tmp_path)) == 1, "the segment that is written stays"


def test_retention_by_age_keeps_what_is_younger(tmp_path: Path) -> None:
    with opened(tmp_path, rotation=SMALL) as log:
        for number in range(40):
            append(log, [f"event {number} {'x' * 100}"])
        log.checkpoint()
        newest_ns = log.index.row(40).recorded_ns
        assert expire(log, RetentionPolicy(age_s=60.0), newest_ns + 10**9, safe_index=40) == 0
        assert expire(log, RetentionPolicy(age_s=60.0), newest_ns + 61 * 10**9, safe_index=40) > 0
