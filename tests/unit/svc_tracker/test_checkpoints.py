"""Checkpoints of the tracker's fold: only recorded safe ones are resumed from, whatever happens to the files."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import svc_tracker.checkpoints.store
from svc_tracker.checkpoints.store import Checkpoint, CheckpointPosition, CheckpointStore, FeedPosition, Written

RUN = "11111111-2222-4333-8444-555555555555"
OTHER_RUN = "99999999-2222-4333-8444-555555555555"
RECORD = "safe"


def checkpoint(number: int, run_id: str = RUN) -> Checkpoint:
    place = CheckpointPosition(
        run_id=run_id,
        frame_token=f"token {number}",
        frame_sequence=number * 45,
        time_ns=number * 10**9,
        tracks=FeedPosition(number * 45, "0a" * 8),
        guard=FeedPosition(number * 2, "0b" * 8),
    )
    return Checkpoint(place, bytes([number]) * 100, b"guard" * number)


def filled(directory: Path, count: int = 3, safe: tuple[int, ...] = (1, 2)) -> list[Written]:
    """Write checkpoints 1, 2, ..., and record some of them as safe."""
    store = CheckpointStore(directory, RUN)
    written = [store.write(checkpoint(number)) for number in range(1, count + 1)]
    if safe:
        store.record([written[number - 1] for number in safe])
    return written


def loaded(directory: Path, run_id: str = RUN) -> list[Checkpoint]:
    return [found for _, found in CheckpointStore(directory, run_id).load().checkpoints]


def file_of(directory: Path, number: int) -> Path:
    return directory / f"{number * 45:020}.checkpoint"


def test_recorded_safe_checkpoints_are_found_oldest_first(tmp_path: Path) -> None:
    written = filled(tmp_path)
    found = CheckpointStore(tmp_path, RUN).load()
    assert found.checkpoints == [(written[0], checkpoint(1)), (written[1], checkpoint(2))]
    assert found.damage == []


def test_a_checkpoint_that_nobody_confirmed_is_not_resumed_from(tmp_path: Path) -> None:
    filled(tmp_path, safe=())
    assert loaded(tmp_path) == []


def test_checkpoints_beyond_the_record_are_removed_and_not_resumed_from(tmp_path: Path) -> None:
    filled(tmp_path, safe=(1,))
    assert loaded(tmp_path) == [checkpoint(1)]
    assert {path.name for path in tmp_path.iterdir()} == {RECORD, file_of(tmp_path, 1).name}


def test_a_newer_checkpoint_does_not_replace_a_damaged_safe_one(tmp_path: Path) -> None:
    filled(tmp_path, safe=(1,))
    file_of(tmp_path, 1).write_bytes(b"")
    found = CheckpointStore(tmp_path, RUN).load()
    assert found.checkpoints == []
    assert len(found.damage) == 1


def test_when_the_newest_safe_checkpoint_is_damaged_the_previous_safe_one_is_used(tmp_path: Path) -> None:
    filled(tmp_path)
    file_of(tmp_path, 2).write_bytes(file_of(tmp_path, 2).read_bytes()[:-1])
    found = CheckpointStore(tmp_path, RUN).load()
    assert [each for _, each in found.checkpoints] == [checkpoint(1)]
    assert file_of(tmp_path, 2).name in found.damage[0]


def test_a_checkpoint_of_another_history_at_the_same_position_is_not_the_recorded_one(tmp_path: Path) -> None:
    filled(tmp_path, safe=(1,))
    other = checkpoint(1)
    CheckpointStore(tmp_path, RUN).write(Checkpoint(other.place, b"other state", other.guard))
    assert loaded(tmp_path) == []


def test_a_damaged_checkpoint_written_again_with_the_same_bytes_is_safe_again(tmp_path: Path) -> None:
    filled(tmp_path, safe=(1,))
    file_of(tmp_path, 1).write_bytes(b"")
    CheckpointStore(tmp_path, RUN).write(checkpoint(1))
    assert loaded(tmp_path) == [checkpoint(1)]


def test_a_missing_checkpoint_counts_as_damaged(tmp_path: Path) -> None:
    filled(tmp_path)
    file_of(tmp_path, 2).unlink()
    found = CheckpointStore(tmp_path, RUN).load()
    assert [each for _, each in found.checkpoints] == [checkpoint(1)]
    assert len(found.damage) == 1


def test_without_its_record_nothing_is_safe(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / RECORD).unlink()
    assert loaded(tmp_path) == []


@pytest.mark.parametrize("path", [RECORD, "00000000000000000090.checkpoint"])
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_with_any_byte_changed_is_not_used(tmp_path: Path, path: str, data: st.DataObject) -> None:
    filled(tmp_path)
    damaged = bytearray((tmp_path / path).read_bytes())
    index = data.draw(st.integers(min_value=0, max_value=len(damaged) - 1))
    damaged[index] ^= data.draw(st.integers(min_value=1, max_value=255))
    (tmp_path / path).write_bytes(bytes(damaged))
    found = CheckpointStore(tmp_path, RUN).load()
    assert [each for _, each in found.checkpoints] == ([] if path == RECORD else [checkpoint(1)])
    assert len(found.damage) == 1


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(min_value=0, max_value=600))
def test_a_file_cut_anywhere_is_not_used(tmp_path: Path, cut: int) -> None:
    filled(tmp_path)
    whole = file_of(tmp_path, 2).read_bytes()
    file_of(tmp_path, 2).write_bytes(whole[: min(cut, len(whole) - 1)])
    assert loaded(tmp_path) == [checkpoint(1)]


def test_a_checkpoint_of_an_older_version_is_not_used(tmp_path: Path) -> None:
    filled(tmp_path)
    path = file_of(tmp_path, 2)
    path.write_bytes(path.read_bytes().replace(b"QIKI-CHECKPOINT 3", b"QIKI-CHECKPOINT 2"))
    assert loaded(tmp_path) == [checkpoint(1)]


def test_checkpoints_of_another_run_are_not_used(tmp_path: Path) -> None:
    filled(tmp_path)
    assert loaded(tmp_path, OTHER_RUN) == []
    assert list(tmp_path.glob("*.checkpoint")) == []


def test_forgetting_leaves_no_safe_checkpoint(tmp_path: Path) -> None:
    filled(tmp_path)
    CheckpointStore(tmp_path, RUN).forget()
    assert list(tmp_path.iterdir()) == []


def test_the_first_checkpoint_after_forgetting_is_not_safe(tmp_path: Path) -> None:
    filled(tmp_path)
    store = CheckpointStore(tmp_path, RUN)
    store.forget()
    store.write(checkpoint(2))
    assert loaded(tmp_path) == []


def test_a_restored_older_copy_of_the_directory_is_used_as_it_is(tmp_path: Path) -> None:
    """Checkpoints that it records as safe were safe then, and safe positions only advance."""
    filled(tmp_path, 1, safe=(1,))
    backup = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    filled(tmp_path)
    for path in tmp_path.iterdir():
        path.unlink()
    for name, data in backup.items():
        (tmp_path / name).write_bytes(data)
    assert loaded(tmp_path) == [checkpoint(1)]


def test_a_restored_record_beside_newer_checkpoints_names_only_its_own(tmp_path: Path) -> None:
    filled(tmp_path, safe=(1,))
    record = (tmp_path / RECORD).read_bytes()
    filled(tmp_path, safe=(2, 3))
    (tmp_path / RECORD).write_bytes(record)
    assert loaded(tmp_path) == [checkpoint(1)]


@pytest.mark.parametrize("name", [".00000000000000000045.checkpoint.new", "notes.txt"])
def test_other_files_are_left_alone(tmp_path: Path, name: str) -> None:
    filled(tmp_path)
    (tmp_path / name).write_bytes(b"x")
    assert loaded(tmp_path) == [checkpoint(1), checkpoint(2)]
    assert (tmp_path / name).exists()


class Stopped(BaseException):
    """The process dies here."""


def stop_after(monkeypatch: pytest.MonkeyPatch, calls: int) -> None:
    """Let this number of files be written, removed or synced, and die before the next."""
    left = [calls]

    def counted(function: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            if left[0] == 0:
                raise Stopped
            left[0] -= 1
            return function(*args, **kwargs)

        return call

    for name in ("write_atomic", "_sync"):
        monkeypatch.setattr(
            f"svc_tracker.checkpoints.store.{name}", counted(getattr(svc_tracker.checkpoints.store, name))
        )
    monkeypatch.setattr(Path, "unlink", counted(Path.unlink))


@pytest.mark.parametrize("calls", range(7))
def test_a_death_between_any_two_steps_leaves_the_safe_checkpoint_from_before_or_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    """1 and 2 are safe; 4 is written, 3 and 4 are recorded, 1 and 2 removed: there is always one to resume from."""
    written = filled(tmp_path)
    store = CheckpointStore(tmp_path, RUN)
    with monkeypatch.context() as patched:
        stop_after(patched, calls)
        with suppress(Stopped):
            newest = store.write(checkpoint(4))
            store.record([written[2], newest])
            store.remove([written[0].place, written[1].place])
    before, after = [checkpoint(1), checkpoint(2)], [checkpoint(3), checkpoint(4)]
    assert loaded(tmp_path) == (before if calls < 2 else after)


@pytest.mark.parametrize("calls", range(6))
def test_a_death_while_forgetting_never_leaves_another_history_as_safe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    filled(tmp_path)
    with monkeypatch.context() as patched:
        stop_after(patched, calls)
        with suppress(Stopped):
            CheckpointStore(tmp_path, RUN).forget()
    assert loaded(tmp_path) == ([checkpoint(1), checkpoint(2)] if calls == 0 else [])
