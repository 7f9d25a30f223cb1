"""The append-only log of the simulator's journal and of the registrar: complete writes, or none, on any disk."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from full_disk import full_disk
from mesh.storage.append_log import AppendLog

HEAD = b"head of the log\n"


@contextmanager
def opened(path: Path, *, torn: bool = False) -> Iterator[AppendLog]:
    log = AppendLog(path, len(HEAD) if path.exists() else 0, torn=torn)
    log.open(lambda: HEAD)
    try:
        yield log
    finally:
        log.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "the.log"


def test_the_first_opening_creates_the_file_with_its_head_and_later_ones_keep_it(path: Path) -> None:
    with opened(path) as log:
        assert (log.end, path.read_bytes()) == (len(HEAD), HEAD)
        log.open(lambda: b"another head")
        log.append(b"one")
        log.append(b"two")
    assert (log.end, path.read_bytes()) == (len(HEAD) + 6, HEAD + b"onetwo")
    with opened(path):
        assert path.read_bytes() == HEAD + b"onetwo"


def test_an_append_is_flushed_before_it_returns_and_after_the_call_before_the_flush(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[tuple[str, bytes]] = []
    fsync = os.fsync

    def watched(fd: int) -> None:
        fsync(fd)
        steps.append(("flushed", path.read_bytes()))

    path.write_bytes(HEAD)
    log = AppendLog(path, len(HEAD), before_flush=lambda: steps.append(("written", path.read_bytes())))
    monkeypatch.setattr(os, "fsync", watched)
    log.append(b"one")
    log.close()
    assert steps == [("written", HEAD + b"one"), ("flushed", HEAD + b"one")]


@pytest.mark.parametrize("spare_bytes", [0, 1, 19, 20, 50])
def test_on_a_full_disk_nothing_is_written_and_appends_work_again_when_space_returns(
    path: Path, spare_bytes: int
) -> None:
    with opened(path) as log:
        log.append(b"kept")
        end = log.end
        with full_disk(end + spare_bytes):
            for _attempt in range(2):
                with pytest.raises(OSError, match="File too large"):
                    log.append(bytes(100))
                with pytest.raises(OSError, match="File too large"):
                    log.probe(100)
            assert log.end == end == path.stat().st_size
        log.probe(100)
        assert path.read_bytes() == HEAD + b"kept"
        log.append(b"too")
        assert path.read_bytes() == HEAD + b"kepttoo"


def test_a_write_that_the_system_takes_in_parts_is_written_to_its_end(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwrite = os.pwrite
    with opened(path) as log:
        monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: pwrite(fd, data[:3], offset))
        log.append(b"0123456789")
        assert path.read_bytes() == HEAD + b"0123456789"


def test_a_record_with_a_failed_flush_is_gone_after_the_repair(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(path) as log:
        log.append(b"kept")

        def broken(_fd: int) -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(os, "fsync", broken)
        with pytest.raises(OSError, match="Input/output"):
            log.append(b"lost")
        with pytest.raises(OSError, match="Input/output"):
            log.mend()
        monkeypatch.undo()
        log.mend()
        assert (log.end, path.read_bytes()) == (len(HEAD) + 4, HEAD + b"kept")


def test_the_rest_of_a_failed_write_never_follows_a_shorter_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(path) as log:

        def broken(_fd: int, _size: int) -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(os, "ftruncate", broken)
        with full_disk(len(HEAD) + 8), pytest.raises(OSError, match="File too large"):
            log.append(b"AAAABBBBCCCC")
        assert path.read_bytes() == HEAD + b"AAAABBBB", "it could not be removed"
        with pytest.raises(OSError, match="Input/output"):
            log.append(b"DDDD")
        monkeypatch.undo()
        log.append(b"DDDD")
        assert path.read_bytes() == HEAD + b"DDDD"


def test_an_unfinished_write_of_an_earlier_process_is_removed_before_the_next(path: Path) -> None:
    path.write_bytes(HEAD + b"torn by a crash")
    with opened(path, torn=True) as log:
        log.append(b"next")
    assert path.read_bytes() == HEAD + b"next"


def test_a_late_write_reaches_no_other_file_and_a_closed_log_cannot_be_opened_again(path: Path, tmp_path: Path) -> None:
    with opened(path) as log:
        pass
    others = [tmp_path / f"other {number}" for number in range(16)]
    with ExitStack() as files:
        for other in others:  # one of them has the number that the log's file had
            files.enter_context(other.open("wb"))
        for late in (lambda: log.append(b"late"), lambda: log.probe(10), log.open):
            with pytest.raises(OSError, match=r"Bad file descriptor: the\.log is closed"):
                late()
        with pytest.raises(OSError, match="Bad file"):
            log.read(1, 0)
    assert path.read_bytes() == HEAD
    assert all(other.read_bytes() == b"" for other in others)


def test_a_log_is_read_at_any_offset_while_it_grows(path: Path) -> None:
    with opened(path) as log:
        log.append(b"one")
        log.append(b"two")
        assert (log.read(3, len(HEAD)), log.read(9, len(HEAD) + 3)) == (b"one", b"two")
