"""Settings that nats-server reads only from a file: the sync interval of the disk and the storage limit."""

import re
from pathlib import Path
from typing import Final

from cli.errors import UsageError

ALWAYS: Final = "always"
CONFIG_FILE: Final = "nats.conf"
_INTERVAL = re.compile(r"[1-9][0-9]{0,5}(ms|s|m|h)")


def check_sync_interval(text: str) -> str:
    """Return the interval unchanged: `always`, or a duration such as 10s or 2m. Raises UsageError."""
    if text != ALWAYS and not _INTERVAL.fullmatch(text):
        raise UsageError(f"--nats-sync {text}: {ALWAYS}, or a time such as 500ms, 10s or 2m.")
    return text


def write_nats_config(state_dir: Path, sync_interval: str, max_store_bytes: int | None = None) -> Path:
    """Write nats-server's configuration file; return its path. Raises UsageError where it cannot be written.

    Without `max_store_bytes` the server's limit is three quarters of the space free at its start.
    """
    path = state_dir / CONFIG_FILE
    limit = "" if max_store_bytes is None else f", max_file_store: {max_store_bytes}"
    try:
        path.write_text(f"jetstream {{ sync_interval: {sync_interval}{limit} }}\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}.") from error
    return path
