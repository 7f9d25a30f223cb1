"""Snapshot: the tracker's state as bytes and back, exactly."""

import hashlib
import json
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from svc_tracker.domain.identity.policy import IdentityPolicy
from svc_tracker.domain.identity.replies import IdentityRecords, empty
from svc_tracker.domain.model import TrackerModel
from svc_tracker.domain.state.records import TrackRecords
from svc_tracker.domain.state.tracks import State, Tracks
from svc_tracker.domain.state.types import Layout, ModeEstimates, texts

# Increases with every change of the state: checkpoints of another version are rejected.
VERSION: Final = 5
# A quantity that is new, gone or moved shifts the arrays, whether or not somebody increases the version.
_QUANTITIES: Final = [*ModeEstimates._fields, *TrackRecords.names, *IdentityRecords.__slots__]
_MAGIC: Final = b"QIKI-TRACKS\n"
_DIGEST_BYTES: Final = 32
_LENGTH_BYTES: Final = 8


class SnapshotError(ValueError):
    """Bytes that are not a snapshot, or one that is damaged or of another version, model or policy."""


def encode(state: State, identities: IdentityRecords, model: TrackerModel, policy: IdentityPolicy) -> bytes:
    """Return the state as bytes.

    Magic, SHA-256 of the rest, length of the header, header in JSON with the model, the policy and the texts, and the
    arrays, little-endian: mode estimates, track records, identity records.
    """
    arrays = _arrays(state.tracks, identities)
    header = {
        "version": VERSION,
        "quantities": _QUANTITIES,
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


def decode(data: bytes, model: TrackerModel, policy: IdentityPolicy) -> tuple[State, IdentityRecords]:
    """Return the state of a snapshot made with this model and policy; raises SnapshotError."""
    begin = len(_MAGIC) + _DIGEST_BYTES
    rest = data[begin:]
    if data[: len(_MAGIC)] != _MAGIC:
        raise SnapshotError("these bytes are not a tracker's snapshot")
    if hashlib.sha256(rest).digest() != data[len(_MAGIC) : begin]:
        raise SnapshotError("the snapshot is damaged: its checksum does not match")
    length = int.from_bytes(rest[:_LENGTH_BYTES], "little")
    header: dict[str, Any] = json.loads(rest[_LENGTH_BYTES : _LENGTH_BYTES + length])
    if header["version"] != VERSION:
        raise SnapshotError(f"the snapshot is of version {header['version']}, not {VERSION}")
    if header["quantities"] != _QUANTITIES:
        raise SnapshotError("the snapshot holds other quantities than this tracker's")
    # Through JSON, which has lists instead of tuples.
    if header["model"] != json.loads(json.dumps(asdict(model))):
        raise SnapshotError("the snapshot was made with another model")
    if header["policy"] != repr(policy):
        raise SnapshotError("the snapshot was made with another identity policy")
    none = Tracks.none(len(model.modes), Layout.of(model.axes))
    found = _read(_arrays(none, empty(0)), header["count"], header["texts"], rest[_LENGTH_BYTES + length :])
    estimates = len(ModeEstimates._fields)
    tracks = Tracks(ModeEstimates(*found[:estimates]), TrackRecords(found[estimates]))
    state = State(header["time_ns"], header["next_number"], tuple(header["sensors"]), tracks)
    return state, IdentityRecords(*found[estimates + 1 :])


def _arrays(tracks: Tracks, identities: IdentityRecords) -> list[np.ndarray[Any, Any]]:
    identity = [getattr(identities, name) for name in IdentityRecords.__slots__]
    return [*tracks.estimates, tracks.records.words, *identity]


def _little(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return array.astype(array.dtype.newbyteorder("<"))


def _read(templates: list[np.ndarray[Any, Any]], count: int, written: list[list[str]], body: bytes) -> list[Any]:
    """Return the arrays of the body, shaped like the templates with `count` tracks on the last axis."""
    found: list[Any] = []
    offset, text_columns = 0, iter(written)
    for like in templates:
        if like.dtype == np.object_:
            found.append(texts(next(text_columns)))
            continue
        shape = (*like.shape[:-1], count)
        size = int(np.prod(shape))
        little = np.frombuffer(body, dtype=like.dtype.newbyteorder("<"), count=size, offset=offset)
        found.append(little.reshape(shape).astype(like.dtype))
        offset += size * like.dtype.itemsize
    return found
