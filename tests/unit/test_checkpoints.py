"""Checkpoints of the tracker's fold: whole or not there, whatever happens to their files."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from svc_tracker.checkpoints import Checkpoint, CheckpointStore, Output, Place

RUN = "11111111-2222-4333-8444-555555555555"
OTHER_RUN = "99999999-2222-4333-8444-555555555555"


def checkpoint(number: int, run_id: str = RUN) -> Checkpoint:
    place = Place(
        run_id=run_id,
        frame_token=f"token {number}",
        frame_sequence=number * 45,
        time_ns=number * 10**9,
        tracks=Output(number * 45, "0a" * 8),
        guard=Output(number * 2, "0b" * 8),
    )
    return Checkpoint(place, bytes([number]) * 100, b"guard" * number)


def filled(directory: Path, count: int = 3) -> CheckpointStore:
    store = CheckpointStore(directory, RUN)
    for number in range(1, count + 1):
        store.keep(checkpoint(number))
    return store


def test_a_restart_begins_at_the_oldest_that_is_kept(tmp_path: Path) -> None:
    filled(tmp_path)
    assert CheckpointStore(tmp_path, RUN).load() == checkpoint(1)


def test_those_before_the_newest_safe_one_are_removed(tmp_path: Path) -> None:
    store = filled(tmp_path)
    assert store.newest_safe(44, 10_000) is None
    assert store.newest_safe(100, 10_000) == checkpoint(2).place
    assert CheckpointStore(tmp_path, RUN).load() == checkpoint(2)
    assert store.newest_safe(10_000, 10_000) == checkpoint(3).place
    assert len(list(tmp_path.iterdir())) == 1


def test_a_place_is_safe_only_where_both_outputs_are(tmp_path: Path) -> None:
    store = filled(tmp_path)
    assert store.newest_safe(10_000, 1) is None
    assert store.newest_safe(10_000, 5) == checkpoint(2).place
    assert len(list(tmp_path.iterdir())) == 2


def test_a_checkpoint_of_an_older_version_is_left_aside(tmp_path: Path) -> None:
    filled(tmp_path)
    oldest = min(tmp_path.iterdir())
    oldest.write_bytes(oldest.read_bytes().replace(b"QIKI-CHECKPOINT 2", b"QIKI-CHECKPOINT 1"))
    assert CheckpointStore(tmp_path, RUN).load() == checkpoint(2)


def test_what_is_kept_again_is_the_same_file(tmp_path: Path) -> None:
    store = filled(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    store.keep(checkpoint(2))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_checkpoints_of_another_run_are_not_used(tmp_path: Path) -> None:
    filled(tmp_path)
    assert CheckpointStore(tmp_path, OTHER_RUN).load() is None
    assert list(tmp_path.iterdir()) == []


def test_to_forget_removes_all(tmp_path: Path) -> None:
    store = filled(tmp_path)
    store.forget()
    assert CheckpointStore(tmp_path, RUN).load() is None


def test_without_a_directory_nothing_is_kept() -> None:
    store = CheckpointStore(None, RUN)
    store.keep(checkpoint(1))
    assert store.load() is None
    assert store.newest_safe(10_000, 10_000) is None


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(min_value=0, max_value=600))
def test_a_file_cut_anywhere_is_left_aside_for_the_next_one(tmp_path: Path, cut: int) -> None:
    filled(tmp_path)
    oldest = min(tmp_path.iterdir())
    whole = oldest.read_bytes()
    oldest.write_bytes(whole[: min(cut, len(whole) - 1)])
    assert CheckpointStore(tmp_path, RUN).load() == checkpoint(2)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_with_any_byte_changed_is_left_aside_for_the_next_one(tmp_path: Path, data: st.DataObject) -> None:
    filled(tmp_path)
    oldest = min(tmp_path.iterdir())
    damaged = bytearray(oldest.read_bytes())
    index = data.draw(st.integers(min_value=0, max_value=len(damaged) - 1))
    damaged[index] ^= data.draw(st.integers(min_value=1, max_value=255))
    oldest.write_bytes(bytes(damaged))
    assert CheckpointStore(tmp_path, RUN).load() == checkpoint(2)


def test_when_all_are_damaged_the_fold_begins_anew(tmp_path: Path) -> None:
    filled(tmp_path)
    for path in tmp_path.iterdir():
        path.write_bytes(b"")
    assert CheckpointStore(tmp_path, RUN).load() is None


@pytest.mark.parametrize("name", [".00000000000000000045.checkpoint.new", "notes.txt"])
def test_other_files_are_left_alone(tmp_path: Path, name: str) -> None:
    filled(tmp_path)
    (tmp_path / name).write_bytes(b"x")
    assert CheckpointStore(tmp_path, RUN).load() == checkpoint(1)
    assert (tmp_path / name).exists()
