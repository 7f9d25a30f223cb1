"""Atomic files, and small files with a checksum: a damaged file is never used."""

import hashlib
import os
from pathlib import Path

from mesh import failpoints
from mesh.serving.errors import StartError

# A state file is small; a longer file is not one of ours, and is not read into memory.
MAX_CHECKED_BYTES = 64 * 1024
# A comment, so that a file of JSON is still YAML and a person sees the purpose of the line.
_MARK = b"# sha256 "
_LINE_BYTES = len(_MARK) + 64 + 1


def write_atomic(path: Path, data: bytes) -> None:
    """Replace the file by one with this content; after a crash at any moment the old or the new file exists, whole.

    Durable when this returns: the content is flushed before the rename, the directory after it.
    """
    beside = path.with_name(f".{path.name}.new")
    with beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    failpoints.reach("file.written")
    beside.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def write_checked(path: Path, data: bytes) -> None:
    """Replace the file by one with this content and a last line with its SHA-256; otherwise as `write_atomic`."""
    body = data if data.endswith(b"\n") else data + b"\n"
    if len(body) + _LINE_BYTES > MAX_CHECKED_BYTES:
        raise ValueError(f"{path.name}: {len(body)} bytes, at most {MAX_CHECKED_BYTES - _LINE_BYTES} are possible")
    write_atomic(path, body + _check_line(body))


def read_checked(path: Path, advice: str) -> bytes | None:
    """Return the content that `write_checked` wrote, with a newline at its end, or None if there is no file.

    Raises:
        StartError: the file cannot be read or was changed since it was written; its text ends in `advice`, the remedy.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CHECKED_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StartError(f"{path} cannot be read: {error.strerror}") from error
    body, line = data[:-_LINE_BYTES], data[-_LINE_BYTES:]
    if not line.startswith(_MARK) or not line.endswith(b"\n"):
        raise StartError(f"{path} is damaged: it does not end in the line with its checksum; {advice}")
    if line != _check_line(body):
        raise StartError(f"{path} is damaged: its checksum does not match; {advice}")
    return body


def _check_line(body: bytes) -> bytes:
    return _MARK + hashlib.sha256(body).hexdigest().encode() + b"\n"
