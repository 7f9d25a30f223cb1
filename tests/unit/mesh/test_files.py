import os
from pathlib import Path

import pytest

from damage import damaged
from mesh.serving.errors import StartError
from mesh.storage.files import MAX_CHECKED_BYTES, read_checked, write_atomic, write_checked

ADVICE = "put the copy back"


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    write_atomic(tmp_path / "run.json", b"new")
    assert (tmp_path / "run.json").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"], "nothing is left beside it"


def test_after_a_replacement_an_open_old_file_is_still_readable(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_atomic(path, b"old")
    with path.open("rb") as reader:
        write_atomic(path, b"new")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"


def test_a_temporary_file_left_by_a_crash_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_atomic(path, b"old")
    (tmp_path / ".run.json.new").write_bytes(b"half of someth")
    assert path.read_bytes() == b"old"
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_atomic(path, b"old")
    (tmp_path / ".run.json.new").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"


def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomic(tmp_path / "nowhere" / "run.json", b"new")


def test_the_content_is_flushed_before_the_rename_and_the_directory_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut at any moment leaves the old file or the new one: no other order of these three promises that."""
    path = tmp_path / "run.json"
    write_atomic(path, b"old")
    steps: list[tuple[str, bytes]] = []
    fsync = os.fsync

    def flush(fd: int) -> None:
        fsync(fd)
        flushed = [item for item in (tmp_path, *tmp_path.iterdir()) if os.path.samestat(item.stat(), os.fstat(fd))]
        steps.append((flushed[0].name, path.read_bytes()))

    monkeypatch.setattr(os, "fsync", flush)
    write_atomic(path, b"new")
    assert steps == [(".run.json.new", b"old"), (tmp_path.name, b"new")]


@pytest.mark.parametrize("size_bytes", [3, 100_000])
def test_all_of_the_content_is_in_the_file_when_it_is_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size_bytes: int
) -> None:
    content = os.urandom(size_bytes)
    sizes: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda fd: sizes.append(os.fstat(fd).st_size))
    write_atomic(tmp_path / "state", content)
    assert sizes[0] == len(content)


# -- files with a checksum ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"{}", b"{}\n", b"", b"# sha256 no\n", bytes(range(256))])
def test_content_written_with_a_checksum_is_read_back_with_a_final_newline(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state"
    write_checked(path, content)
    assert read_checked(path, ADVICE) == content.removesuffix(b"\n") + b"\n"


def test_a_missing_file_is_none(tmp_path: Path) -> None:
    assert read_checked(tmp_path / "state", ADVICE) is None


def test_damage_to_any_byte_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "state"
    write_checked(path, b"one 2 3\n")
    for content in damaged(path.read_bytes()):
        path.write_bytes(content)
        with pytest.raises(StartError, match=f"state is damaged: .*; {ADVICE}"):
            read_checked(path, ADVICE)


def test_a_file_without_a_checksum_is_refused_even_if_its_content_is_valid(tmp_path: Path) -> None:
    """Its last line may have been cut off, and another part of it damaged at the same time."""
    (tmp_path / "state").write_bytes(b"one 2 3\n")
    with pytest.raises(StartError, match="does not end in the line with its checksum"):
        read_checked(tmp_path / "state", ADVICE)


def test_a_file_that_cannot_be_read_is_refused_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with pytest.raises(StartError, match="state cannot be read: Is a directory"):
        read_checked(tmp_path / "state", ADVICE)


def test_a_file_of_state_has_a_largest_size(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="are possible"):
        write_checked(tmp_path / "state", bytes(MAX_CHECKED_BYTES))
    (tmp_path / "state").write_bytes(bytes(10 * MAX_CHECKED_BYTES))
    with pytest.raises(StartError, match="is damaged"):
        read_checked(tmp_path / "state", ADVICE)
