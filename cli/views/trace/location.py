"""Location of the trace store: named, of the running mesh, or the one that `qiki trace serve` uses."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any, Final

from cli.errors import CliError, UsageError
from cli.local_mesh.options import COLLECTOR
from cli.local_mesh.processes import TRACE_DIR
from cli.local_mesh.storage.state import ENDPOINTS_FILE, TEMPORARY_PREFIX
from cli.views.trace.collector.store import DATABASE

HOW_TO_START: Final = (
    "`qiki up --trace` starts a mesh that collects its traces; `qiki trace serve` collects those of a mesh started "
    "otherwise."
)


def default_store() -> Path:
    """Return the directory that `qiki trace serve` uses unless another is named (XDG base directories)."""
    state_home = os.environ.get("XDG_STATE_HOME")
    return (Path(state_home) if state_home else Path.home() / ".local" / "state") / "qiki" / TRACE_DIR


def find_store(state_dir: Path | None, store: Path | None) -> Path:
    """Return the directory of the store: `store`, or that of the mesh with the state directory, or, where neither is
    given, that of the one mesh on this machine that collects traces, or the default store.

    Raises:
        UsageError: both are given, or several meshes collect traces.
        CliError: there is no store.
    """
    if state_dir is not None and store is not None:
        raise UsageError("--state-dir and --store: give one of them.")
    if store is not None:
        return _existing(store, f"The directory {store} holds no traces")
    if state_dir is not None:
        return _existing(state_dir / TRACE_DIR, f"The mesh in {state_dir} has collected no traces")
    meshes = _collecting_meshes()
    if len(meshes) > 1:
        listed = "\n".join(f"  --state-dir {each}" for each in meshes)
        raise UsageError(f"Several meshes collect traces; choose one of:\n{listed}")
    if meshes:
        return meshes[0] / TRACE_DIR
    return _existing(
        default_store(),
        f"No mesh in a temporary directory collects traces (looked for {TEMPORARY_PREFIX}*/{ENDPOINTS_FILE} in "
        f"{tempfile.gettempdir()}), and there is no store in {default_store()}",
    )


def _existing(store: Path, problem: str) -> Path:
    if (store / DATABASE).is_file():
        return store
    raise CliError(f"{problem}.\n{HOW_TO_START}\n--state-dir names the state directory of a mesh, --store a store.")


def _collecting_meshes() -> list[Path]:
    """Return the temporary state directories of running meshes with a collector."""
    found = []
    for path in sorted(Path(tempfile.gettempdir()).glob(f"{TEMPORARY_PREFIX}*/{ENDPOINTS_FILE}")):
        try:
            endpoints: Any = json.loads(path.read_text(encoding="utf-8"))
            pid = int(endpoints[COLLECTOR]["pid"])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # of another user, removed meanwhile, or without a collector
        if _is_alive(pid):
            found.append(path.parent)
    return found


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return pid > 0
