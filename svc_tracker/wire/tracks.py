"""Track tables as messages, in as many parts as events and the transport need."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from typing import Any, Final

import numpy as np

from mesh.clock import to_timestamp
from qiki.common.v1.geometry_pb2 import UUID, Vector3
from qiki.radar.v1.radar_pb2 import RadarFrame
from qiki.radar.v1.track_pb2 import (
    ClosestApproach,
    ContributingDetection,
    CoordinateFrame,
    ModeProbability,
    RadarTrack,
    TrackSet,
)
from svc_tracker.domain.guard.closest_approach import closest_approach
from svc_tracker.domain.guard.relative import relative
from svc_tracker.domain.state.types import Floats, Integers
from svc_tracker.domain.table import TrackTable
from svc_tracker.wire.frames import components

SCHEMA_VERSION: Final = 1
# The size limit of one part: an event's 900 kB, less the set's own fields and the event's metadata.
PART_BYTES: Final = 880_000
# The most bytes of one track besides its modes.
TRACK_BYTES: Final = 1_450
_MODE_BYTES: Final = 15
# The six numbers of a symmetric 3x3 matrix: its upper triangle by rows.
_TRIANGLE: Final = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
_UPPER: Final = np.ravel_multi_index(np.triu_indices(6), (6, 6))


class TrackIds:
    """The ids of one feed's tracks: UUIDs of their numbers in a namespace, cached while the track is in the table."""

    def __init__(self, namespace: uuid.UUID) -> None:
        self._namespace = namespace
        self._known: dict[int, str] = {}

    def of(self, table: TrackTable) -> list[str]:
        """Return the ids of a table's tracks, and drop all others from the cache."""
        known = self._known
        self._known = {number: known.get(number) or self._make(number) for number in table.records.number.tolist()}
        return list(self._known.values())

    def _make(self, number: int) -> str:
        return str(uuid.uuid5(self._namespace, f"tracks/{number}"))


def to_track_sets(
    table: TrackTable, frame: RadarFrame, frame_sequence: int, ids: TrackIds, make: Callable[[], TrackSet] = TrackSet
) -> list[TrackSet]:
    """Return the tracks after a frame in one or more parts that each fit into an event of 900 kB.

    `make` returns an empty set for each part; a set inside a response saves a copy.

    Raises:
        ValueError: a value is not finite: a bug of the tracker.
    """
    tracks = list(_to_tracks(table, frame, ids.of(table)))
    sets = parts_of(frame, frame_sequence, len(table), tracks_a_part(table.modes), make)
    for track_set, part in sets:
        track_set.tracks.extend(tracks[part])
    return [track_set for track_set, _ in sets]


def parts_of(
    frame: RadarFrame, frame_sequence: int, count: int, most: int, make: Callable[[], TrackSet]
) -> list[tuple[TrackSet, slice]]:
    """Return one or more sets without tracks, and the slice of the tracks of each: at most `most`."""
    firsts = range(0, count, most) or (0,)
    head = TrackSet(
        schema_version=SCHEMA_VERSION,
        frame_id=frame.frame_id,
        frame_sequence=frame_sequence,
        time=frame.timestamp,
        own_ship=frame.sensor_pose,
        parts=len(firsts),
        frame=CoordinateFrame.COORDINATE_FRAME_ENU,
    )
    found = []
    for number, first in enumerate(firsts, start=1):
        track_set = make()
        track_set.CopyFrom(head)
        track_set.part = number
        found.append((track_set, slice(first, first + most)))
    return found


def tracks_a_part(modes: Sequence[str]) -> int:
    """Return how many tracks fit into an event, whatever their values."""
    return PART_BYTES // (TRACK_BYTES + sum(_MODE_BYTES + len(mode.encode()) for mode in modes))


def triangle(table: TrackTable) -> Floats:
    """Return the upper triangles (n, 21) of the tracks' covariances, by rows."""
    values: Floats = table.covariance.reshape(-1, 36).take(_UPPER, axis=1)
    return values


def age_s(table: TrackTable) -> Floats:
    """Return the ages of the tracks (n,)."""
    age: Floats = (table.time_ns - table.records.birth_ns) / 1e9
    return age


def require_finite(**columns: Floats) -> None:
    """Raise ValueError naming a column with a value that is not finite, which would be a bug of the tracker."""
    for name, values in columns.items():
        if not np.isfinite(values).all():
            raise ValueError(f"tracks: {name} is not finite")


def _to_tracks(table: TrackTable, frame: RadarFrame, ids: Sequence[str]) -> Iterator[RadarTrack]:
    """Yield the tracks row by row, from columns as lists: reading NumPy scalars one by one is slow."""
    require_finite(position_m=table.position_m, velocity_mps=table.velocity_mps)
    floats = _floats(table, frame)
    require_finite(**floats)
    timestamp, identities = to_timestamp(table.time_ns), table.identities.identity.tolist()
    columns: dict[str, Sequence[Any]] = {
        **{name: values.tolist() for name, values in floats.items()},
        **{name: values.tolist() for name, values in _integers(table).items()},
        "track_id": [UUID(value=text) for text in ids],
        "transponder_on": table.identities.transponder_on.tolist(),
        "transponder_id": identities,
        "id_present": [text != "" for text in identities],
        "position": _to_vectors(table.position_m),
        "velocity": _to_vectors(table.velocity_mps),
        "mode_probabilities": _to_modes(table),
        "contributing_detections": _to_contributions(table, frame),
        "identity_conflict": table.identification.identity_conflict.tolist(),
        "spoof_evidence": _to_evidence(table.identification.spoof_evidence),
        "closest_approach": _to_approaches(table, frame),
    }
    for row in zip(*columns.values(), strict=True):
        yield RadarTrack(schema_version=SCHEMA_VERSION, timestamp=timestamp, **dict(zip(columns, row, strict=True)))


def _floats(table: TrackTable, frame: RadarFrame) -> dict[str, Floats]:
    pose = frame.sensor_pose
    seen = relative(table, components(pose.position), components(pose.velocity))
    records, identification, quality = table.records, table.identification, table.existence_probability
    rows, columns = np.array(_TRIANGLE).T
    return {
        "quality": quality,
        "range_m": seen.range_m,
        "bearing_deg": seen.bearing_deg,
        "elev_deg": seen.elev_deg,
        "vr_mps": seen.vr_mps,
        "snr_db": records.snr_db,
        "rcs_dbsm": records.rcs_dbsm,
        "position_covariance": table.covariance[:, rows, columns],
        "velocity_covariance": table.covariance[:, rows + 3, columns + 3],
        "covariance": triangle(table),
        "age_s": age_s(table),
        "existence_probability": quality,
        "score": records.score,
        "nis": records.nis,
        "object_type_probability": identification.object_type_probability,
        "identity_age_s": identification.identity_age_s,
    }


def _integers(table: TrackTable) -> dict[str, Integers]:
    records, identification = table.records, table.identification
    return {
        "object_type": identification.object_type,
        "iff": identification.iff,
        "transponder_mode": table.identities.transponder_mode,
        "status": records.status,
        "miss_count": records.consecutive_misses,
        "nis_dof": records.nis_dof,
        "hits": records.hits,
        # The message's `misses` is the total, `miss_count` the consecutive misses.
        "misses": records.total_misses,
        "identity_source": identification.identity_source,
        "lost_reason": records.lost_reason,
        "range_band": records.range_band,
    }


def _to_vectors(rows: Floats) -> list[Vector3]:
    return [Vector3(x=x, y=y, z=z) for x, y, z in rows.tolist()]


def _to_modes(table: TrackTable) -> list[list[ModeProbability]]:
    require_finite(mode_probability=table.mode_probability)
    return [
        [ModeProbability(mode=mode, probability=value) for mode, value in zip(table.modes, row, strict=True)]
        for row in table.mode_probability.tolist()
    ]


def _to_contributions(table: TrackTable, frame: RadarFrame) -> list[list[ContributingDetection]]:
    sensor_id, scan_number = frame.sensor_id, frame.scan_number
    return [
        [ContributingDetection(sensor_id=sensor_id, scan_number=scan_number, index=index)] if index >= 0 else []
        for index in table.records.detection.tolist()
    ]


def _to_evidence(masks: Integers) -> list[list[int]]:
    """Return the numbers of the set bits of each mask; there are few different masks."""
    numbers = {mask: [bit for bit in range(mask.bit_length()) if mask >> bit & 1] for mask in set(masks.tolist())}
    return [numbers[mask] for mask in masks.tolist()]


def _to_approaches(table: TrackTable, frame: RadarFrame) -> list[ClosestApproach]:
    own = components(frame.sensor_pose.position), components(frame.sensor_pose.velocity)
    found = closest_approach(table.position_m, table.velocity_mps, table.covariance, *own)
    columns = {column.name: getattr(found, column.name) for column in fields(found)}
    require_finite(**columns)
    rows = zip(*(values.tolist() for values in columns.values()), strict=True)
    return [ClosestApproach(**dict(zip(columns, row, strict=True))) for row in rows]
