"""Files that are whole or not there: written beside, flushed to the disk, then renamed."""

import os
from pathlib import Path


def write_atomic(path: Path, data: bytes) -> None:
    """Replace the file by one with this content; after a crash at any moment the old or the new one is there, whole."""
    beside = path.with_name(f".{path.name}.new")
    with beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
