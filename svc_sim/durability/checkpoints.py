"""Checkpoints of the craft's state on disk: whole or absent, verified before they are used."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mesh import failpoints
from mesh.storage.files import write_atomic
from svc_sim.domain.craft.state import CraftState

DIRECTORY = "checkpoints"
SUFFIX = ".craft"
# The number increases with every change of the files' content: older files are not used.
_MAGIC = b"QIKI-CRAFT 1\n"
_DIGEST_BYTES = 32
_STATE: TypeAdapter[CraftState] = TypeAdapter(CraftState)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The craft at a tick, and what it depends on.

    `commands_digest` is that of the commands that have acted by then, `journal_bytes` a length of the journal that
    holds them all, with the ends of those that have ended.
    """

    tick: int
    commands_digest: str
    journal_bytes: int
    state: CraftState


class CheckpointDamagedError(Exception):
    """A checkpoint that cannot be used: its text says why."""


class CheckpointStore:
    """The checkpoints of one run. Blocks for disk writes: to be called from one thread at a time.

    A checkpoint is of a committed tick, and is written after the ends of commands up to it: nothing before it has to be
    computed again. A damaged one costs a longer replay, from an older one or from the start of the run.
    """

    def __init__(self, state_dir: Path, run_id: str) -> None:
        self._directory = state_dir / DIRECTORY
        self._run_id = run_id

    def ticks(self) -> list[int]:
        """Return the ticks of all checkpoints, oldest first; raise OSError if the directory cannot be read."""
        names = (path.name.removesuffix(SUFFIX) for path in self._directory.glob(f"*{SUFFIX}"))
        return sorted(int(name) for name in names if name.isdecimal())

    def write(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint; durable on return. Raise OSError if it cannot be written: nothing has changed."""
        data = _encode(checkpoint, self._run_id)
        self._directory.mkdir(parents=True, exist_ok=True)
        failpoints.reach("craft.write")
        write_atomic(self._path(checkpoint.tick), data)
        failpoints.reach("craft.written")

    def remove(self, ticks: Sequence[int]) -> None:
        """Remove checkpoints; raise OSError if one cannot be removed."""
        for tick in ticks:
            self._path(tick).unlink(missing_ok=True)

    def read(self, tick: int) -> Checkpoint:
        """Return the checkpoint of a tick.

        Raises:
            CheckpointDamagedError: it cannot be read, is not as it was written, or is of another run.
        """
        try:
            data = self._path(tick).read_bytes()
        except OSError as error:
            raise CheckpointDamagedError(f"cannot be read: {error.strerror or error}") from error
        return _decode(data, self._run_id, tick)

    def _path(self, tick: int) -> Path:
        return self._directory / f"{tick:020}{SUFFIX}"


def _encode(checkpoint: Checkpoint, run_id: str) -> bytes:
    head: Mapping[str, Any] = {
        "run_id": run_id,
        "tick": checkpoint.tick,
        "commands_digest": checkpoint.commands_digest,
        "journal_bytes": checkpoint.journal_bytes,
    }
    body = b"\n".join((json.dumps(head, sort_keys=True).encode(), encode_state(checkpoint.state)))
    return _MAGIC + sha256(body).digest() + body


def _decode(data: bytes, run_id: str, tick: int) -> Checkpoint:
    if not data.startswith(_MAGIC):
        raise CheckpointDamagedError("is of another version, or damaged")
    begin = len(_MAGIC) + _DIGEST_BYTES
    body = data[begin:]
    if sha256(body).digest() != data[len(_MAGIC) : begin]:
        raise CheckpointDamagedError("is damaged: its checksum does not match")
    head_line, _, state_line = body.partition(b"\n")
    head = json.loads(head_line)
    if (head["run_id"], head["tick"]) != (run_id, tick):
        raise CheckpointDamagedError(f"is of tick {head['tick']} of run {head['run_id']}")
    return Checkpoint(tick, head["commands_digest"], head["journal_bytes"], decode_state(state_line))


def encode_state(state: CraftState) -> bytes:
    """Return the state as JSON; a float is written with as many digits as distinguish it from every other.

    Raises:
        ValueError: a float is not finite.
    """
    plain = _STATE.dump_python(state, mode="json")
    return json.dumps(plain, allow_nan=False, separators=(",", ":")).encode()


def decode_state(data: bytes) -> CraftState:
    """Return the state that `encode_state` wrote, equal in every bit.

    Raises:
        CheckpointDamagedError: the data is of another layout.
    """
    try:
        state = _STATE.validate_python(json.loads(data))
    except (ValueError, ValidationError) as error:
        raise CheckpointDamagedError(f"holds no state of a craft: {error}") from error
    if encode_state(state) != data:
        raise CheckpointDamagedError("holds a state that would be written in another way")
    return state
