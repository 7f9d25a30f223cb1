"""The log's directory: its identity, its key, and the layout of its files."""

import json
import os
import secrets
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mesh.serving.errors import StartError
from mesh.storage.files import read_checked, write_atomic, write_checked
from svc_registrar.domain.notes import Signer

FORMAT = 2
DIRECTORY = "audit"
HEAD_FILE, KEY_FILE, PUBLIC_KEY_FILE = "log.json", "key", "key.pub"
SEGMENTS, TREE, INDEX = "segments", "tree", "index"
ADVICE = "put back an undamaged copy of the whole directory, or use an empty one to begin a new log"


@dataclass(frozen=True, slots=True)
class Head:
    """The log's identity."""

    log_id: str
    created_ns: int
    bot_id: str

    @property
    def origin(self) -> str:
        """The log's name in its checkpoints, which is also the key's."""
        return f"qiki/{self.bot_id}/{self.log_id}"


def new_head(bot_id: str) -> Head:
    """Return the identity of a new log."""
    return Head(str(uuid.uuid4()), time.time_ns(), bot_id)


@contextmanager
def new_directory(directory: Path) -> Iterator[Path]:
    """Give a directory beside this one, to be filled in the block, which then takes its place; raises OSError.

    After a crash at any moment the directory exists whole or not at all.
    """
    beside = directory.with_name(f"{directory.name}.new")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    yield beside
    sync_directory(beside)
    beside.rename(directory)
    sync_directory(directory.parent)


def create(directory: Path, head: Head) -> None:
    """Write the identity of an empty log and a new key into its directory, durably; raises OSError."""
    (directory / SEGMENTS).mkdir()
    signer = Signer(head.origin, secrets.token_bytes(32))
    _write_secret(directory / KEY_FILE, signer.text())
    write_atomic(directory / PUBLIC_KEY_FILE, signer.verifier.text().encode() + b"\n")
    text = {"format": FORMAT, "log_id": head.log_id, "created_ns": head.created_ns, "bot_id": head.bot_id}
    write_checked(directory / HEAD_FILE, json.dumps(text).encode())


def read_head(directory: Path) -> Head:
    """Return the identity of the directory's log.

    Raises:
        StartError: it is missing or damaged, or of another format.
    """
    path = directory / HEAD_FILE
    body = read_checked(path, ADVICE)
    if body is None:
        raise StartError(f"{path} is missing; {ADVICE}")
    found = json.loads(body)
    if found["format"] != FORMAT:
        raise StartError(f"{path} has format {found['format']}, known here is {FORMAT}")
    return Head(found["log_id"], found["created_ns"], found["bot_id"])


def read_signer(directory: Path, head: Head) -> Signer:
    """Return the log's private key.

    Raises:
        StartError: it is missing, damaged, or another log's.
    """
    path = directory / KEY_FILE
    try:
        signer = Signer.parse(path.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise StartError(f"{path} cannot be used: {why}; {ADVICE}") from error
    if signer.name != head.origin:
        raise StartError(f"{path} is the key of {signer.name}, not of {head.origin}; {ADVICE}")
    return signer


def sync_directory(directory: Path) -> None:
    """Flush the directory's list of files to the disk; raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner can read, durably."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, text.encode("ascii") + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_directory(path.parent)
