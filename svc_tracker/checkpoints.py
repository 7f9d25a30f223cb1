"""Checkpoints of the fold: the tracker's state with its place in the input and in the output, whole or not there."""

import json
import logging
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from mesh.files import write_atomic

_SUFFIX = ".checkpoint"
_MAGIC = b"QIKI-CHECKPOINT 1\n"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Checkpointing:
    """Where checkpoints are kept, None for nowhere, and how much simulation time lies between them."""

    directory: Path | None
    period_s: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where a checkpoint stands: after the frame of this token and sequence, and after this output sequence."""

    run_id: str
    frame_token: str
    frame_sequence: int
    track_sequence: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A place and the tracker's state there."""

    place: Place
    state: bytes


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
        body = len(place).to_bytes(8, "little") + place + checkpoint.state
        write_atomic(self._path(checkpoint.place), _MAGIC + sha256(body).digest() + body)
        self.places.append(checkpoint.place)

    def newest_safe(self, track_sequence: int) -> Place | None:
        """Return the newest place not beyond the output sequence, and remove the checkpoints before it."""
        while len(self.places) > 1 and self.places[1].track_sequence <= track_sequence:
            self._path(self.places.pop(0)).unlink(missing_ok=True)
        if self.places and self.places[0].track_sequence <= track_sequence:
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
        _LOG.warning("a checkpoint is damaged and left aside", extra={"path": str(path)})
        return None
    length = int.from_bytes(body[:8], "little")
    return Checkpoint(Place(**json.loads(body[8 : 8 + length])), body[8 + length :])
