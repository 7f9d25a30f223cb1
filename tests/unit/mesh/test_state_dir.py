"""A state directory belongs to one process: two writers would lose each other's state."""

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from mesh.serving.errors import StartError
from mesh.storage.lock import DirectoryInUseError, directory_lock
from mesh.storage.state_dir import LOCK_FILE, open_state_dir

HOLD = """
import sys
from contextlib import ExitStack
from pathlib import Path
from mesh.storage.state_dir import open_state_dir
with ExitStack() as resources:
    open_state_dir(Path(sys.argv[1]), "test", resources)
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_missing_directory_is_created(tmp_path: Path) -> None:
    with ExitStack() as resources:
        assert open_state_dir(tmp_path / "new" / "state", "test", resources).is_dir()


def test_by_default_a_temporary_directory_is_created_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with ExitStack() as resources:
        assert open_state_dir(None, "test", resources).name.startswith("qiki-test-")
    assert list(tmp_path.iterdir()) == []


def test_a_second_process_is_refused_naming_the_first_and_the_directory_until_the_first_ends(tmp_path: Path) -> None:
    with ExitStack() as first:
        open_state_dir(tmp_path, "test", first)
        with ExitStack() as second, pytest.raises(StartError) as caught:
            open_state_dir(tmp_path, "test", second)
        assert str(caught.value) == (
            f"the state directory {tmp_path} is in use by process {os.getpid()}: "
            "end that one, or name another directory with the setting state_dir"
        )
    with ExitStack() as again:
        open_state_dir(tmp_path, "test", again)


def test_a_process_that_is_killed_leaves_the_directory_free(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdin=-1, stdout=-1, text=True)
    with process, ExitStack() as resources:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(StartError, match=f"in use by process {process.pid}:"):
            open_state_dir(tmp_path, "test", resources)
        process.send_signal(signal.SIGKILL)
        process.wait()
        open_state_dir(tmp_path, "test", resources)
        assert (tmp_path / LOCK_FILE).read_text() == f"{os.getpid()}\n"


def test_a_lock_without_a_process_id_is_reported_as_unknown(tmp_path: Path) -> None:
    with directory_lock(tmp_path, "lock"):
        os.truncate(tmp_path / "lock", 0)
        with pytest.raises(DirectoryInUseError, match="unknown"), directory_lock(tmp_path, "lock"):
            pass


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with ExitStack() as resources, pytest.raises(StartError, match="file/state cannot be used: Not a directory"):
        open_state_dir(tmp_path / "file" / "state", "test", resources)
