"""The tracker's state as bytes and back, exactly."""

import hashlib
import json
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from svc_tracker.domain.identity.policy import IdentityPolicy
from svc_tracker.domain.identity.replies import Identities, unheard
from svc_tracker.domain.model import TrackerModel
from svc_tracker.domain.state.records import Records
from svc_tracker.domain.state.tracks import State, Tracks
from svc_tracker.domain.state.types import Belief, Layout, texts

VERSION: Final = 3
_MAGIC: Final = b"QIKI-TRACKS\n"
_DIGEST_BYTES: Final = 32
_LENGTH_BYTES: Final = 8


class SnapshotError(ValueError):
    """Bytes that are no snapshot, a damaged one, or one of another version or model."""


def encode(state: State, identities: Identities, model: TrackerModel, policy: IdentityPolicy) -> bytes:
    """Return the state as bytes.

    Magic, SHA-256 of the rest, length of the header, header in JSON with the model, the policy and the texts in it, and
    the arrays, little-endian, one after the other: those of the beliefs, the records, and those of the identities.
    """
    arrays = _arrays(state.tracks, identities)
    header = {
        "version": VERSION,
        "model": asdict(model),
        "policy": repr(policy),
        "time_ns": state.time_ns,
        "next_number": state.next_number,
        "sensors": state.sensors,
        "count": len(state.tracks),
        "texts": [array.tolist() for array in arrays if array.dtype == np.object_],
    }
    head = json.dumps(header, sort_keys=True).encode()
    body = b"".join(_little(array).tobytes() for array in arrays if array.dtype != np.object_)
    rest = len(head).to_bytes(_LENGTH_BYTES, "little") + head + body
    return _MAGIC + hashlib.sha256(rest).digest() + rest


def decode(data: bytes, model: TrackerModel, policy: IdentityPolicy) -> tuple[State, Identities]:
    """Return the state of a snapshot made with this model and policy; raises SnapshotError."""
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
    # By way of JSON, which knows no tuples.
    if header["model"] != json.loads(json.dumps(asdict(model))):
        raise SnapshotError("the snapshot was made with another model")
    if header["policy"] != repr(policy):
        raise SnapshotError("the snapshot was made with another policy of identities")
    none = Tracks.none(len(model.modes), Layout.of(model.axes))
    found = _read(_arrays(none, unheard(0)), header["count"], header["texts"], rest[_LENGTH_BYTES + length :])
    beliefs = len(Belief._fields)
    tracks = Tracks(Belief(*found[:beliefs]), Records(found[beliefs]))
    state = State(header["time_ns"], header["next_number"], tuple(header["sensors"]), tracks)
    return state, Identities(*found[beliefs + 1 :])


def _arrays(tracks: Tracks, identities: Identities) -> list[np.ndarray[Any, Any]]:
    beliefs = [getattr(tracks.belief, name) for name in Belief._fields]
    return [*beliefs, tracks.record.words, *(getattr(identities, name) for name in Identities.__slots__)]


def _little(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return array.astype(array.dtype.newbyteorder("<"))


def _read(likes: list[np.ndarray[Any, Any]], count: int, written: list[list[str]], body: bytes) -> list[Any]:
    """Return as many arrays as `likes`, each of the same kind, with `count` things on the last axis."""
    found: list[Any] = []
    place, columns_of_texts = 0, iter(written)
    for like in likes:
        if like.dtype == np.object_:
            found.append(texts(next(columns_of_texts)))
            continue
        shape = (*like.shape[:-1], count)
        size = int(np.prod(shape))
        little = np.frombuffer(body, dtype=like.dtype.newbyteorder("<"), count=size, offset=place)
        found.append(little.reshape(shape).astype(like.dtype))
        place += size * like.dtype.itemsize
    return found
