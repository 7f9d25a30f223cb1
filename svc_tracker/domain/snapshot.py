"""The tracker's state as bytes and back, exactly."""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

import numpy as np

from svc_tracker.domain.arrays import texts
from svc_tracker.domain.model import TrackerModel
from svc_tracker.domain.tracks import Tracks, no_tracks

VERSION: Final = 1
_MAGIC: Final = b"QIKI-TRACKS\n"
_DIGEST_BYTES: Final = 32
_LENGTH_BYTES: Final = 8


class SnapshotError(ValueError):
    """Bytes that are no snapshot, a damaged one, or one of another version or model."""


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Everything the tracker knows: the last frame's time (None before the first), the next track's number, the
    sensors heard of in the order of their first frames, and the live tracks.
    """

    time_ns: int | None
    next_number: int
    sensors: tuple[str, ...]
    tracks: Tracks


def encode(state: State, model: TrackerModel) -> bytes:
    """Return the state as bytes.

    Magic, SHA-256 of the rest, length of the header, header in JSON, and the columns of numbers, little-endian, one
    after the other in the order of `Tracks`. The texts and the model are in the header.
    """
    columns = {column.name: getattr(state.tracks, column.name) for column in fields(Tracks)}
    header = {
        "version": VERSION,
        "model": asdict(model),
        "time_ns": state.time_ns,
        "next_number": state.next_number,
        "sensors": state.sensors,
        "count": len(state.tracks),
        "texts": {name: column.tolist() for name, column in columns.items() if column.dtype.hasobject},
    }
    numbers = [column for column in columns.values() if not column.dtype.hasobject]
    head = json.dumps(header, sort_keys=True).encode()
    body = b"".join(column.astype(column.dtype.newbyteorder("<")).tobytes() for column in numbers)
    rest = len(head).to_bytes(_LENGTH_BYTES, "little") + head + body
    return _MAGIC + hashlib.sha256(rest).digest() + rest


def decode(data: bytes, model: TrackerModel) -> State:
    """Return the state of a snapshot made with this model; raises SnapshotError."""
    begin = len(_MAGIC) + _DIGEST_BYTES
    rest = data[begin:]
    if data[: len(_MAGIC)] != _MAGIC:
        raise SnapshotError("these bytes are no snapshot of a tracker")
    if hashlib.sha256(rest).digest() != data[len(_MAGIC) : begin]:
        raise SnapshotError("the snapshot is damaged: its checksum does not match")
    length = int.from_bytes(rest[:_LENGTH_BYTES], "little")
    header: dict[str, Any] = json.loads(rest[_LENGTH_BYTES : _LENGTH_BYTES + length])
    if header["version"] != VERSION:
        raise SnapshotError(f"the snapshot is of version {header['version']}, not {VERSION}")
    if header["model"] != asdict(model):
        raise SnapshotError("the snapshot was made with another model")
    tracks = _tracks(header["count"], header["texts"], rest[_LENGTH_BYTES + length :])
    return State(header["time_ns"], header["next_number"], tuple(header["sensors"]), tracks)


def _tracks(count: int, written: dict[str, list[str]], body: bytes) -> Tracks:
    columns: dict[str, Any] = {}
    place = 0
    for name, like in ((column.name, getattr(no_tracks(), column.name)) for column in fields(Tracks)):
        if like.dtype.hasobject:
            columns[name] = texts(written[name])
            continue
        shape = (*like.shape[:-1], count)
        size = int(np.prod(shape))
        little = np.frombuffer(body, dtype=like.dtype.newbyteorder("<"), count=size, offset=place)
        columns[name] = little.reshape(shape).astype(like.dtype)
        place += size * like.dtype.itemsize
    return Tracks(**columns)
