"""The state directory of a service: created if missing, and used by one process at a time."""

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from mesh.serving.errors import StartError
from mesh.storage.lock import DirectoryInUseError, directory_lock

LOCK_FILE = "lock"


def open_state_dir(given: Path | None, service: str, resources: ExitStack) -> Path:
    """Return the directory, locked until `resources` close; a temporary one, removed then, if none is given.

    Raises:
        StartError: the directory cannot be used, or another process uses it.
    """
    directory = given or Path(resources.enter_context(TemporaryDirectory(prefix=f"qiki-{service}-")))
    try:
        directory.mkdir(parents=True, exist_ok=True)
        resources.enter_context(directory_lock(directory, LOCK_FILE))
    except DirectoryInUseError as error:
        raise StartError(
            f"the state directory {directory} is in use by process {error.holder}: "
            "end that one, or name another directory with the setting state_dir"
        ) from error
    except OSError as error:
        raise StartError(f"the state directory {directory} cannot be used: {error.strerror or error}") from error
    return directory
