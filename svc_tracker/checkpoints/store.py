"""Checkpoints of the fold on disk, and the durable record of those from which it may go on."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from mesh import failpoints
from mesh.storage.files import write_atomic

_SUFFIX = ".checkpoint"
_RECORD = "safe"
# Their numbers go up with every change of what the files hold: older ones are not used.
_MAGIC = b"QIKI-CHECKPOINT 3\n"
_RECORD_MAGIC = b"QIKI-SAFE 1\n"
_DIGEST_BYTES = 32
_LENGTH_BYTES = 8


@dataclass(frozen=True, slots=True)
class Checkpointing:
    """Where checkpoints are kept, None for nowhere, and how much simulation time lies between them."""

    directory: Path | None
    period_s: float


@dataclass(frozen=True, slots=True)
class Output:
    """Where a feed stands: after the event of this sequence, whose payload's short digest is this, in hexadecimal."""

    sequence: int
    digest: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a checkpoint stands: after the frame of this token, sequence and time, and where its outputs are then."""

    run_id: str
    frame_token: str
    frame_sequence: int
    time_ns: int
    tracks: Output
    guard: Output

    def is_safe(self, tracks: int, guard: int) -> bool:
        """Return whether it is not beyond these sequences of the outputs: then all after them can be made again."""
        return self.tracks.sequence <= tracks and self.guard.sequence <= guard


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A place, and the states of tracker and guard there."""

    place: Place
    tracker: bytes
    guard: bytes


@dataclass(frozen=True, slots=True)
class Written:
    """A checkpoint that is durable: its place, and the digest of its file in hexadecimal."""

    place: Place
    digest: str


@dataclass(frozen=True, slots=True)
class Found:
    """The checkpoints that were recorded as safe and can be read, oldest first; and why others cannot be used."""

    checkpoints: Sequence[tuple[Written, Checkpoint]] = ()
    damage: Sequence[str] = ()


class DamageError(Exception):
    """A file is not as it was written."""


class CheckpointStore:
    """The checkpoints of one run in one directory. Blocks for disk writes: to be called from one thread at a time.

    A checkpoint that exists says only that the fold came by. It may be resumed from when the record names it, with its
    digest: everyone who must confirm the outputs had confirmed them up to there. The order of the writes:

    1. the checkpoint, synced;
    2. once all have confirmed: the record, synced;
    3. only then is the place confirmed to the source, which may forget what came before it, and only then are older
       checkpoints removed.

    So whatever moment a process dies in, what the record names is on the disk and the source has what follows it.
    """

    def __init__(self, directory: Path, run_id: str) -> None:
        self._directory = directory
        self._run_id = run_id

    def load(self) -> Found:
        """Return what is recorded as safe, and remove every other checkpoint: the fold makes it again.

        Raises:
            OSError: the directory cannot be used.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        damage: list[str] = []
        recorded = self._read_record(damage)
        found = []
        for path in sorted(self._directory.glob(f"*{_SUFFIX}")):
            if path.name not in recorded:
                path.unlink(missing_ok=True)
        for name in sorted(recorded):
            try:
                found.append(self._read(name, recorded[name]))
            except (DamageError, OSError) as error:
                damage.append(f"{name}: {error}")
        return Found(found, damage)

    def forget(self) -> None:
        """Remove the record, and then every checkpoint: the fold begins from scratch.

        Raises:
            OSError: the directory cannot be used.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        (self._directory / _RECORD).unlink(missing_ok=True)
        _sync(self._directory)
        for path in self._directory.glob(f"*{_SUFFIX}"):
            path.unlink(missing_ok=True)

    def write(self, checkpoint: Checkpoint) -> Written:
        """Write a checkpoint; durable when this returns. It is not safe by that: see `record`.

        Raises:
            OSError: it cannot be written; nothing has changed.
        """
        place = json.dumps(asdict(checkpoint.place), sort_keys=True).encode()
        parts = (place, checkpoint.tracker, checkpoint.guard)
        data = _sealed(_MAGIC, b"".join(len(part).to_bytes(_LENGTH_BYTES, "little") + part for part in parts))
        failpoints.reach("checkpoint.write")
        write_atomic(self._directory / _name(checkpoint.place), data)
        failpoints.reach("checkpoint.kept")
        return Written(checkpoint.place, sha256(data).hexdigest())

    def record(self, safe: Sequence[Written]) -> None:
        """Record these checkpoints, and no others, as safe; durable when this returns.

        Raises:
            OSError: it cannot be written; what was recorded before still is.
        """
        entries = {_name(written.place): written.digest for written in safe}
        body = json.dumps({"run_id": self._run_id, "safe": entries}, sort_keys=True).encode()
        failpoints.reach("checkpoint.record")
        write_atomic(self._directory / _RECORD, _sealed(_RECORD_MAGIC, body))
        failpoints.reach("checkpoint.safe")

    def remove(self, places: Sequence[Place]) -> None:
        """Remove checkpoints that nothing needs any more.

        Raises:
            OSError: one cannot be removed; `load` removes it later.
        """
        for place in places:
            (self._directory / _name(place)).unlink(missing_ok=True)

    def _read_record(self, damage: list[str]) -> Mapping[str, str]:
        """Return the digests of the checkpoints recorded as safe, by file name; none where the record is another's."""
        path = self._directory / _RECORD
        if not path.exists():
            return {}
        try:
            record: dict[str, Any] = json.loads(_opened(_RECORD_MAGIC, path.read_bytes()))
        except (DamageError, OSError) as error:
            damage.append(f"{_RECORD}: {error}")
            return {}
        entries: dict[str, str] = record["safe"]
        return entries if record["run_id"] == self._run_id else {}

    def _read(self, name: str, digest: str) -> tuple[Written, Checkpoint]:
        data = (self._directory / name).read_bytes()
        body = _opened(_MAGIC, data)
        if sha256(data).hexdigest() != digest:
            raise DamageError("is not the checkpoint that was recorded as safe")
        parts = []
        for _ in range(3):
            length, body = int.from_bytes(body[:_LENGTH_BYTES], "little"), body[_LENGTH_BYTES:]
            parts.append(body[:length])
            body = body[length:]
        place = json.loads(parts[0])
        outputs = {feed: Output(**place[feed]) for feed in ("tracks", "guard")}
        checkpoint = Checkpoint(Place(**{**place, **outputs}), parts[1], parts[2])
        return Written(checkpoint.place, digest), checkpoint


def _name(place: Place) -> str:
    return f"{place.frame_sequence:020}{_SUFFIX}"


def _sealed(magic: bytes, body: bytes) -> bytes:
    return magic + sha256(body).digest() + body


def _opened(magic: bytes, data: bytes) -> bytes:
    """Return the body of a file that `_sealed` made; raises DamageError for any other bytes."""
    if not data.startswith(magic):
        raise DamageError("is of another version, or damaged")
    begin = len(magic) + _DIGEST_BYTES
    body = data[begin:]
    if sha256(body).digest() != data[len(magic) : begin]:
        raise DamageError("is damaged: its checksum does not match")
    return body


def _sync(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
