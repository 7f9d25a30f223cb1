"""Every track's state as one array a quantity: the last axis counts the tracks."""

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Self

import numpy as np

from svc_tracker.domain.arrays import Booleans, Floats, Indices, Integers, Texts, texts


class TrackStatus(IntEnum):
    """Where a track is in its life; the numbers are those on the wire."""

    NEW = 1
    TRACKED = 2
    LOST = 3
    COASTING = 4


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """n tracks in the order of their numbers; arrays are (n,) unless said otherwise, and never written to.

    `state` (6, n) is position in m and velocity in m/s in ENU, `covariance` (6, 6, n) is its own. `misses` counts the
    scans in a row that should have seen a track and did not. `score` is the logarithm of the odds that it exists,
    `birth_score` what it began with. `sensor` says whose detection was last, at `measured_ns`, as an index into the
    tracker's list. `rival` is an identity heard `rival_replies` times in a row against the one that stands.
    """

    number: Integers
    status: Integers
    birth_ns: Integers
    measured_ns: Integers
    state: Floats
    covariance: Floats
    hits: Integers
    misses: Integers
    score: Floats
    birth_score: Floats
    sensor: Integers
    range_band: Integers
    snr_db: Floats
    rcs_dbsm: Floats
    transponder_on: Booleans
    transponder_mode: Integers
    unanswered: Integers
    identity: Texts
    rival: Texts
    rival_replies: Integers

    def __len__(self) -> int:
        return len(self.number)

    def chosen(self, which: Booleans | Indices) -> Self:
        """Return some of the tracks, by mask or index."""
        return type(self)(*(getattr(self, column.name)[..., which] for column in fields(self)))

    def joined(self, younger: Self) -> Self:
        """Return these tracks and, after them, the younger ones, in arrays of one memory layout.

        Sums over an axis may round otherwise in another layout, and a restored tracker has no other than this.
        """
        pairs = ((getattr(self, column.name), getattr(younger, column.name)) for column in fields(self))
        return type(self)(*(np.ascontiguousarray(np.concatenate(pair, axis=-1)) for pair in pairs))

    def with_rows(self, which: Indices, rows: Self) -> Self:
        """Return these tracks with some of them, by index, replaced."""
        columns = []
        for column in fields(self):
            values = getattr(self, column.name).copy()
            values[..., which] = getattr(rows, column.name)
            columns.append(values)
        return type(self)(*columns)


def no_tracks() -> Tracks:
    """Return zero tracks."""
    number, real = np.empty(0, dtype=np.int64), np.empty(0)
    return Tracks(
        number=number,
        status=number,
        birth_ns=number,
        measured_ns=number,
        state=np.empty((6, 0)),
        covariance=np.empty((6, 6, 0)),
        hits=number,
        misses=number,
        score=real,
        birth_score=real,
        sensor=number,
        range_band=number,
        snr_db=real,
        rcs_dbsm=real,
        transponder_on=np.empty(0, dtype=np.bool_),
        transponder_mode=number,
        unanswered=number,
        identity=texts(()),
        rival=texts(()),
        rival_replies=number,
    )


@dataclass(frozen=True, slots=True, eq=False)
class TrackTable:
    """What the tracker tells after a frame: every live track and those just lost, in the order of their numbers.

    Arrays are (n,) unless said otherwise and belong to the reader. `position_m` and `velocity_mps` (n, 3) are in ENU at
    `time_ns`, `covariance` (n, 6, 6) is that of both together. `quality` is the probability that the track is of a
    thing which exists, `score` the logarithm of its odds. `snr_db`, `rcs_dbsm` and `range_band` are of the last
    detection. `transponder_id` is the last identity heard, empty for none, and stands when the transponder falls
    silent. `not_initiated` detections found no room for a track of their own.
    """

    time_ns: int
    number: Integers
    status: Integers
    birth_ns: Integers
    measured_ns: Integers
    position_m: Floats
    velocity_mps: Floats
    covariance: Floats
    hits: Integers
    misses: Integers
    quality: Floats
    score: Floats
    snr_db: Floats
    rcs_dbsm: Floats
    range_band: Integers
    transponder_on: Booleans
    transponder_mode: Integers
    transponder_id: tuple[str, ...]
    not_initiated: int

    def __len__(self) -> int:
        return len(self.number)


def table_of(tracks: Tracks, time_ns: int, not_initiated: int) -> TrackTable:
    """Return the tracks as told to the outside, in copies: who reads them cannot change the tracker's state."""
    return TrackTable(
        time_ns=time_ns,
        number=tracks.number.copy(),
        status=tracks.status.copy(),
        birth_ns=tracks.birth_ns.copy(),
        measured_ns=tracks.measured_ns.copy(),
        position_m=tracks.state[:3].T.copy(),
        velocity_mps=tracks.state[3:].T.copy(),
        covariance=tracks.covariance.transpose(2, 0, 1).copy(),
        hits=tracks.hits.copy(),
        misses=tracks.misses.copy(),
        quality=probability(tracks.score),
        score=tracks.score.copy(),
        snr_db=tracks.snr_db.copy(),
        rcs_dbsm=tracks.rcs_dbsm.copy(),
        range_band=tracks.range_band.copy(),
        transponder_on=tracks.transponder_on.copy(),
        transponder_mode=tracks.transponder_mode.copy(),
        transponder_id=tuple(tracks.identity.tolist()),
        not_initiated=not_initiated,
    )


def probability(log_odds: Floats) -> Floats:
    """Return p of ln(p / (1 - p)), without overflow however large the odds."""
    # Of exp only what cannot overflow is asked: of minus the magnitude.
    smaller = np.exp(-np.abs(log_odds))
    return np.where(log_odds >= 0.0, 1.0, smaller) / (1.0 + smaller)
