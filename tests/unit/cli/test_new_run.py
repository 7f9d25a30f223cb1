"""A new run in a directory that holds one: the old one is set aside whole, and nothing else is touched."""

import os
from pathlib import Path

import pytest

from cli.errors import UsageError
from cli.local_mesh.storage.new_run import check_new_run_id, set_run_aside, set_run_aside_once
from mesh.storage.files import write_checked
from mesh.storage.lock import directory_lock

OLD = "11111111-2222-4333-8444-555555555555"


def old_run(state_dir: Path, run_id: str = OLD) -> None:
    (state_dir / "sim").mkdir(parents=True)
    write_checked(state_dir / "sim" / "run.json", b'{\n  "run_id": "%s"\n}' % run_id.encode())
    (state_dir / "sim" / "reserved_tick").write_text("120 64\n")
    (state_dir / "registrar").mkdir(exist_ok=True)
    (state_dir / "registrar" / "log").write_text("kept")


def test_the_old_run_is_kept_under_its_id_and_the_records_stay_where_they_are(tmp_path: Path) -> None:
    old_run(tmp_path)
    assert set_run_aside(tmp_path) == tmp_path / "runs" / OLD
    assert not (tmp_path / "sim").exists()
    assert (tmp_path / "runs" / OLD / "reserved_tick").read_text() == "120 64\n"
    assert (tmp_path / "registrar" / "log").read_text() == "kept"


@pytest.mark.parametrize("made", [(), ("sim",)])
def test_where_there_is_no_run_nothing_is_set_aside(tmp_path: Path, made: tuple[str, ...]) -> None:
    for name in made:
        (tmp_path / name).mkdir()
    assert set_run_aside(tmp_path) is None
    assert not (tmp_path / "runs").exists()


def test_runs_of_one_id_and_runs_without_one_do_not_overwrite_each_other(tmp_path: Path) -> None:
    for expected in (OLD, f"{OLD}-2", f"{OLD}-3"):
        old_run(tmp_path)
        assert set_run_aside(tmp_path) == tmp_path / "runs" / expected
    for expected in ("unnamed", "unnamed-2"):
        old_run(tmp_path)
        (tmp_path / "sim" / "run.json").write_text("{")
        assert set_run_aside(tmp_path) == tmp_path / "runs" / expected


def test_a_run_id_from_the_state_directory_cannot_name_a_path_outside_it(tmp_path: Path) -> None:
    old_run(tmp_path, run_id="../../elsewhere")
    assert set_run_aside(tmp_path) == tmp_path / "runs" / "unnamed"


def test_the_run_of_a_simulator_that_runs_is_left_alone(tmp_path: Path) -> None:
    old_run(tmp_path)
    with directory_lock(tmp_path / "sim", "lock"), pytest.raises(UsageError, match=f"process {os.getpid()}, is using"):
        set_run_aside(tmp_path)
    assert (tmp_path / "sim" / "run.json").exists()


def test_a_named_new_run_starts_once(tmp_path: Path) -> None:
    old_run(tmp_path)
    assert set_run_aside_once(tmp_path, "") is None
    assert set_run_aside_once(tmp_path, "1") == tmp_path / "runs" / OLD
    old_run(tmp_path)  # the simulator has begun the new run
    assert set_run_aside_once(tmp_path, "1") is None
    assert set_run_aside_once(tmp_path, "") is None
    assert set_run_aside_once(tmp_path, "1") is None
    assert set_run_aside_once(tmp_path, "2") == tmp_path / "runs" / f"{OLD}-2"


def test_a_run_id_already_used_in_the_directory_is_refused(tmp_path: Path) -> None:
    check_new_run_id(tmp_path, None)
    check_new_run_id(tmp_path, OLD)
    old_run(tmp_path)
    for _ in range(2):
        with pytest.raises(UsageError, match=f"--run-id {OLD}: .* holds that run already"):
            check_new_run_id(tmp_path, OLD)
        set_run_aside(tmp_path)
