"""The directory that a mesh keeps its state in: one mesh at a time, temporary unless one is named."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cli.errors import UsageError
from cli.layout import LOG_DIR
from mesh.lock import DirectoryInUseError, directory_lock

ENDPOINTS_FILE = "endpoints.json"
LOCK_FILE = "mesh.lock"


@contextmanager
def state_directory(path: Path | None, say: Callable[[str], None]) -> Iterator[Path]:
    """Give the state directory, locked for this process; a temporary one is removed at the end, and that is said.

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
    directory = Path(tempfile.mkdtemp(prefix="qiki-"))
    try:
        (directory / LOG_DIR).mkdir()
        with _locked(directory):
            yield directory
    finally:
        # The children have ended by now; what cannot be removed is told, not raised over what happened.
        shutil.rmtree(directory, ignore_errors=True)
        if directory.exists():
            say(f"The temporary state directory {directory} could not be removed.")
        else:
            say(f"The temporary state directory {directory} was removed; --state-dir DIR keeps one.")


def write_endpoints(directory: Path, endpoints: Mapping[str, Mapping[str, str | int]]) -> None:
    """Write where everything listens; a reader sees the old file or the new one, never a part."""
    draft = directory / f"{ENDPOINTS_FILE}.new"
    draft.write_text(json.dumps(endpoints, indent=2) + "\n", encoding="utf-8")
    draft.replace(directory / ENDPOINTS_FILE)


def remove_endpoints(directory: Path) -> None:
    """Remove the file that says where everything listens: nothing does any more."""
    (directory / ENDPOINTS_FILE).unlink(missing_ok=True)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Lock the directory for the block, in words for the person at the keyboard."""
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
