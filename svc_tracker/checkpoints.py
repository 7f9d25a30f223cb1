"""Checkpoints of the fold: its state with its place in the input and in both outputs, whole or not there."""

import json
import logging
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from mesh.files import write_atomic

_SUFFIX = ".checkpoint"
# Its number goes up with every change of what a checkpoint holds: older ones are left aside.
_MAGIC = b"QIKI-CHECKPOINT 2\n"
_LENGTH_BYTES = 8
_LOG = logging.getLogger(__name__)


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


class CheckpointStore:
    """The checkpoints of one run in one directory, oldest first. Without a directory nothing is kept."""

    def __init__(self, directory: Path | None, run_id: str) -> None:
        self._directory = directory
        self._run_id = run_id
        self.places: list[Place] = []

    def load(self) -> Checkpoint | None:
        """Return the oldest checkpoint of the run that can be read, and forget all of other runs.

        The oldest one is the newest that was known to be safe with all readers: from there everything that they may
        still ask for is made again.
        """
        if self._directory is None:
            return None
        self._directory.mkdir(parents=True, exist_ok=True)
        found = []
        for path in sorted(self._directory.glob(f"*{_SUFFIX}")):
            checkpoint = _read(path)
            if checkpoint is None or checkpoint.place.run_id != self._run_id:
                path.unlink()
            else:
                found.append(checkpoint)
        self.places = [checkpoint.place for checkpoint in found]
        return found[0] if found else None

    def forget(self) -> None:
        """Remove every checkpoint: the fold begins anew."""
        for place in self.places:
            self._path(place).unlink(missing_ok=True)
        self.places = []

    def keep(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint; durable when this returns. One that is already there is the same, to the byte."""
        if self._directory is None or any(place == checkpoint.place for place in self.places):
            return
        place = json.dumps(asdict(checkpoint.place), sort_keys=True).encode()
        parts = (place, checkpoint.tracker, checkpoint.guard)
        body = b"".join(len(part).to_bytes(_LENGTH_BYTES, "little") + part for part in parts)
        write_atomic(self._path(checkpoint.place), _MAGIC + sha256(body).digest() + body)
        self.places.append(checkpoint.place)

    def newest_safe(self, tracks: int, guard: int) -> Place | None:
        """Return the newest place not beyond these sequences of the outputs, and remove the checkpoints before it."""
        while len(self.places) > 1 and self.places[1].is_safe(tracks, guard):
            self._path(self.places.pop(0)).unlink(missing_ok=True)
        if self.places and self.places[0].is_safe(tracks, guard):
            return self.places[0]
        return None

    def _path(self, place: Place) -> Path:
        assert self._directory is not None
        return self._directory / f"{place.frame_sequence:020}{_SUFFIX}"


def _read(path: Path) -> Checkpoint | None:
    data = path.read_bytes()
    digest_end = len(_MAGIC) + 32
    body = data[digest_end:]
    if not data.startswith(_MAGIC) or sha256(body).digest() != data[len(_MAGIC) : digest_end]:
        _LOG.warning("a checkpoint is damaged or of another version, and left aside", extra={"path": str(path)})
        return None
    place, tracker, guard = _parts(body)
    found = json.loads(place)
    outputs = {name: Output(**found[name]) for name in ("tracks", "guard")}
    return Checkpoint(Place(**{**found, **outputs}), tracker, guard)


def _parts(body: bytes) -> tuple[bytes, bytes, bytes]:
    parts = []
    for _ in range(3):
        length, body = int.from_bytes(body[:_LENGTH_BYTES], "little"), body[_LENGTH_BYTES:]
        parts.append(body[:length])
        body = body[length:]
    return parts[0], parts[1], parts[2]
