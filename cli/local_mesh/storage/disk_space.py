"""Disk space: the free bytes, and the share that the JetStream streams of a mesh reserve.

JetStream reserves the size limits of all streams in advance. A mesh reserves a share of the free space: at most the
declared sizes, all streams scaled by one factor, so that a gibibyte is enough for a demonstration. The state directory
stores the factor, which may grow but never shrinks, because streams that shrink lose messages.
"""

import math
import os
from pathlib import Path
from typing import Final

from cli.errors import UsageError

# Share of the free space reserved for streams. The rest is for logs, the audit trail, checkpoints and other programs.
RESERVED_SHARE: Final = 0.75
# Minimum share of the declared sizes: enough for the five minutes of the demonstration.
SMALLEST_FACTOR: Final = 0.05
# nats-server is restarted after a full disk once this much is free: a few blocks of stored messages (8 MiB at most).
ROOM_BYTES: Final = 32 * 1024 * 1024
FACTOR_FILE: Final = "stream_size_factor"
NATS_DIR: Final = "nats"


def free_bytes(directory: Path) -> int:
    """Return the bytes that this user may still write on the directory's file system. Raises OSError."""
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


def has_room(directory: Path) -> bool:
    """Return whether nats-server can store again; true if the free space is unknown."""
    try:
        return free_bytes(directory) >= ROOM_BYTES
    except OSError:
        return True


def stream_size_factor(state_dir: Path, declared_bytes: int) -> float:
    """Write the factor that scales this state directory's streams into the directory, and return it.

    Raises UsageError where even the smallest streams have no room.
    """
    path = state_dir / FACTOR_FILE
    kept = _kept_factor(path, state_dir)
    try:
        free = free_bytes(state_dir)
        factor = max(kept, fitting_factor(free, declared_bytes))
        if factor < SMALLEST_FACTOR:
            raise UsageError(_too_little(state_dir, free, needed_bytes(declared_bytes)))
        if factor > kept or not path.exists():
            path.write_text(f"{factor!r}\n", encoding="ascii")
    except OSError as error:
        if kept:  # a full disk must not keep an existing mesh from starting
            return kept
        raise UsageError(f"The state directory {state_dir} cannot be used: {error.strerror or error}.") from error
    return factor


def fitting_factor(free: int, declared_bytes: int) -> float:
    """Return the factor that fits into the free bytes, in steps of a thousandth; at most 1."""
    return min(1.0, math.floor(1000 * RESERVED_SHARE * free / declared_bytes) / 1000)


def needed_bytes(declared_bytes: int) -> int:
    """Return the free bytes that a new mesh needs to start."""
    steps = math.ceil(1000 * SMALLEST_FACTOR)
    return math.ceil(steps / 1000 * declared_bytes / RESERVED_SHARE)


def _kept_factor(path: Path, state_dir: Path) -> float:
    """Return the factor stored in the state directory; 0 if the directory is new."""
    try:
        factor = float(path.read_text(encoding="ascii"))
    except FileNotFoundError:
        return 1.0 if (state_dir / NATS_DIR).exists() else 0.0  # created by a version without a factor
    except (OSError, ValueError):
        return 0.0
    return factor if SMALLEST_FACTOR <= factor <= 1 else 0.0


def _too_little(state_dir: Path, free: int, needed: int) -> str:
    return (
        f"There is too little space for the JetStream streams in {state_dir}: {free:,} bytes are free, "
        f"{needed:,} are needed, {needed - free:,} more. Free some, or name a directory on a larger disk: "
        "--state-dir DIR, or the environment variable TMPDIR for temporary state."
    )
