"""A new run in a state directory that has one: the old run is moved, nothing is deleted.

The run is the simulator's state: identity, reserved ticks, command journal. All of it is one directory, which is
renamed to `runs/<run id>`: after a crash at any moment it is at one path or the other. The audit trail and JetStream
continue; the tracker drops checkpoints of another run by itself.
"""

import json
import os
from pathlib import Path
from typing import Final
from uuid import UUID

from cli.errors import UsageError
from mesh.storage.files import write_atomic
from mesh.storage.lock import DirectoryInUseError, directory_lock
from mesh.storage.state_dir import LOCK_FILE

SIM_DIR: Final = "sim"
RUNS_DIR: Final = "runs"
RUN_FILE: Final = "run.json"
NAME_FILE: Final = "run_name"
UNNAMED: Final = "unnamed"
MAX_SAME_NAMES: Final = 10_000


def set_run_aside(state_dir: Path) -> Path | None:
    """Move the old run out of the way; return its new path, or None if there was none.

    Raises UsageError where it cannot be moved, or a simulator is using it.
    """
    sim = state_dir / SIM_DIR
    if not sim.exists() or not any(sim.iterdir()):
        return None
    runs = state_dir / RUNS_DIR
    try:
        runs.mkdir(exist_ok=True)
        kept = _free_name(runs, _run_id(sim / RUN_FILE) or UNNAMED)
        with directory_lock(sim, LOCK_FILE):  # the lock moves with the directory
            sim.rename(kept)
        for directory in (runs, state_dir):
            _flush(directory)
    except DirectoryInUseError as error:
        raise UsageError(f"A simulator, process {error.holder}, is using {sim}: end it first.") from error
    except OSError as error:
        raise UsageError(f"The run in {sim} cannot be moved to {runs}: {error.strerror or error}.") from error
    return kept


def set_run_aside_once(state_dir: Path, name: str) -> Path | None:
    """Move the run if the name is neither empty nor the one of the previous call; return its new path.

    So a process that is restarted with the same settings continues its run. Raises UsageError.
    """
    path = state_dir / NAME_FILE
    if not name or (path.exists() and path.read_text(encoding="utf-8") == name):
        return None
    kept = set_run_aside(state_dir)
    try:
        write_atomic(path, name.encode())  # last: after a crash before this line there is no run to move
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}.") from error
    return kept


def check_new_run_id(state_dir: Path, run_id: str | None) -> None:
    """Raise UsageError if the state directory has already had a run with this id: two runs would become one."""
    if run_id is None:
        return
    taken = {path.name for path in (state_dir / RUNS_DIR).glob("*")} | {_run_id(state_dir / SIM_DIR / RUN_FILE)}
    if run_id in taken:
        raise UsageError(f"--run-id {run_id}: {state_dir} holds that run already. A new run needs a new id, or none.")


def _run_id(path: Path) -> str:
    """Return the run id in the file; empty if the file has none."""
    try:
        found, _end = json.JSONDecoder().raw_decode(path.read_text(encoding="utf-8"))  # a checksum follows
        return str(UUID(found["run_id"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""


def _free_name(runs: Path, name: str) -> Path:
    names = (name, *(f"{name}-{number}" for number in range(2, MAX_SAME_NAMES)))
    return next(runs / each for each in names if not (runs / each).exists())


def _flush(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
