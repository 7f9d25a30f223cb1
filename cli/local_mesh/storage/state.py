"""State directory of a mesh: used by one mesh at a time, temporary unless a path is given."""

import asyncio
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cli.errors import UsageError
from cli.local_mesh.processes import LOG_DIR
from mesh.storage.lock import DirectoryInUseError, directory_lock
from mesh.storage.state_dir import LOCK_FILE as SERVICE_LOCK_FILE

ENDPOINTS_FILE = "endpoints.json"
TEMPORARY_PREFIX = "qiki-"
LOCK_FILE = "mesh.lock"
# The services of a killed mesh end within 5 s, and use their directories until then.
ORPHANS_LIMIT_S = 6.0
LOOK_INTERVAL_S = 0.1


@contextmanager
def state_directory(path: Path | None, say: Callable[[str], None]) -> Iterator[Path]:
    """Yield the state directory, locked for this process; a temporary one is removed at the end, with a remark.

    Raises UsageError where the directory cannot be used, or another mesh uses it.
    """
    if path is not None:
        directory = path.absolute()
        try:
            (directory / LOG_DIR).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"The state directory {directory} cannot be used: {error.strerror or error}.") from error
        with _locked(directory):
            yield directory
        return
    directory = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX))
    try:
        (directory / LOG_DIR).mkdir()
        with _locked(directory):
            yield directory
    finally:
        # The children have ended by now; a failed removal is reported, not raised over an earlier exception.
        shutil.rmtree(directory, ignore_errors=True)
        if directory.exists():
            say(f"The temporary state directory {directory} could not be removed.")
        else:
            say(f"The temporary state directory {directory} was removed; --state-dir DIR keeps one.")


def write_endpoints(directory: Path, endpoints: Mapping[str, Mapping[str, str | int]]) -> None:
    """Write all addresses; a reader sees the old file or the new one, never a part."""
    draft = directory / f"{ENDPOINTS_FILE}.new"
    draft.write_text(json.dumps(endpoints, indent=2) + "\n", encoding="utf-8")
    draft.replace(directory / ENDPOINTS_FILE)


def remove_endpoints(directory: Path) -> None:
    """Remove the file of addresses: no server listens any more."""
    (directory / ENDPOINTS_FILE).unlink(missing_ok=True)


async def until_unused(directory: Path) -> None:
    """Return once no service of an earlier mesh uses its directory. Raises UsageError where one does not end."""
    deadline_s = time.monotonic() + ORPHANS_LIMIT_S
    for part in _parts(directory):
        while holder := _holder(part):
            if time.monotonic() > deadline_s:
                raise UsageError(f"The state directory {part} is in use by process {holder}: end that one.")
            await asyncio.sleep(LOOK_INTERVAL_S)  # a released lock sends no notification


def _parts(directory: Path) -> list[Path]:
    """Return the directories locked by services."""
    return sorted(path.parent for path in directory.glob(f"*/{SERVICE_LOCK_FILE}"))


def _holder(part: Path) -> str:
    """Return the process id of the directory's lock owner; empty if there is none."""
    try:
        with directory_lock(part, SERVICE_LOCK_FILE):
            return ""
    except DirectoryInUseError as error:
        return error.holder
    except OSError as error:
        raise UsageError(f"The state directory {part} cannot be used: {error.strerror or error}.") from error


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Lock the directory for the block, with errors in words for the user."""
    with ExitStack() as held:
        try:
            held.enter_context(directory_lock(directory, LOCK_FILE))
        except DirectoryInUseError as error:
            raise UsageError(
                f"The state directory {directory} is in use by another mesh (process {error.holder}). "
                "Stop that one, or name another directory with --state-dir."
            ) from None
        except OSError as error:
            raise UsageError(f"The state directory {directory} cannot be used: {error.strerror or error}.") from error
        yield
