"""Checkpoints of the fold on disk, and the durable record of those from which it may resume."""

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
# These numbers increase with every change of the files' content: older files are not used.
_MAGIC = b"QIKI-CHECKPOINT 3\n"
_RECORD_MAGIC = b"QIKI-SAFE 1\n"
_DIGEST_BYTES = 32
_LENGTH_BYTES = 8


@dataclass(frozen=True, slots=True)
class Checkpointing:
    """Directory of the checkpoints, None for no checkpoints, and the simulation time between two of them."""

    directory: Path | None
    period_s: float


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """Position of a feed: after the event of this sequence, with this short digest of its payload, in hexadecimal."""

    sequence: int
    digest: str


@dataclass(frozen=True, slots=True)
class CheckpointPosition:
    """Position of a checkpoint: after the frame of this token, sequence and time, with the positions of its outputs."""

    run_id: str
    frame_token: str
    frame_sequence: int
    time_ns: int
    tracks: FeedPosition
    guard: FeedPosition

    def is_safe(self, tracks: int, guard: int) -> bool:
        """Return whether it is not beyond these sequences of the outputs: then all later events can be replayed."""
        return self.tracks.sequence <= tracks and self.guard.sequence <= guard


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A position, and the states of tracker and guard there."""

    place: CheckpointPosition
    tracker: bytes
    guard: bytes


@dataclass(frozen=True, slots=True)
class Written:
    """A checkpoint that is durable: its position, and the digest of its file in hexadecimal."""

    place: CheckpointPosition
    digest: str


@dataclass(frozen=True, slots=True)
class Found:
    """The checkpoints recorded as safe that can be read, oldest first; and why others cannot be used."""

    checkpoints: Sequence[tuple[Written, Checkpoint]] = ()
    damage: Sequence[str] = ()


class DamageError(Exception):
    """A file has changed since it was written."""


class CheckpointStore:
    """The checkpoints of one run in one directory. Blocks for disk writes: to be called from one thread at a time.

    A checkpoint that exists shows only that the fold passed its position. It may be resumed from if the record names
    it, with its digest: then all required readers had confirmed the outputs up to there. The order of the writes:

    1. the checkpoint, synced;
    2. once all have confirmed: the record, synced;
    3. only then is the position confirmed to the source, which may drop the earlier frames, and only then are older
       checkpoints removed.

    So whenever a process dies, the checkpoints in the record are on the disk and the source has the frames after them.
    """

    def __init__(self, directory: Path, run_id: str) -> None:
        self._directory = directory
        self._run_id = run_id

    def load(self) -> Found:
        """Return the checkpoints recorded as safe, and remove every other one: the fold makes it again.

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
        """Remove the record, and then every checkpoint: the fold starts from scratch.

        Raises:
            OSError: the directory cannot be used.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        (self._directory / _RECORD).unlink(missing_ok=True)
        _sync(self._directory)
        for path in self._directory.glob(f"*{_SUFFIX}"):
            path.unlink(missing_ok=True)

    def write(self, checkpoint: Checkpoint) -> Written:
        """Write a checkpoint; durable when this returns, but not yet safe: see `record`.

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
        """Record exactly these checkpoints as safe; durable when this returns.

        Raises:
            OSError: it cannot be written; the earlier record is unchanged.
        """
        entries = {_name(written.place): written.digest for written in safe}
        body = json.dumps({"run_id": self._run_id, "safe": entries}, sort_keys=True).encode()
        failpoints.reach("checkpoint.record")
        write_atomic(self._directory / _RECORD, _sealed(_RECORD_MAGIC, body))
        failpoints.reach("checkpoint.safe")

    def remove(self, places: Sequence[CheckpointPosition]) -> None:
        """Remove checkpoints that are no longer needed.

        Raises:
            OSError: one cannot be removed; `load` removes it later.
        """
        for place in places:
            (self._directory / _name(place)).unlink(missing_ok=True)

    def _read_record(self, damage: list[str]) -> Mapping[str, str]:
        """Return the digests of the checkpoints recorded as safe, by file name; none if the record is another run's."""
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
        outputs = {feed: FeedPosition(**place[feed]) for feed in ("tracks", "guard")}
        checkpoint = Checkpoint(CheckpointPosition(**{**place, **outputs}), parts[1], parts[2])
        return Written(checkpoint.place, digest), checkpoint


def _name(place: CheckpointPosition) -> str:
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
