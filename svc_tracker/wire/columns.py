"""Track tables as columns, for sessions that ask for them."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from qiki.radar.v1.radar_pb2 import RadarFrame
from qiki.radar.v1.track_pb2 import TrackColumns, TrackSet
from qiki_sdk.channel import MAX_MESSAGE_BYTES
from qiki_sdk.columns import extend
from svc_tracker.domain.state.types import Integers
from svc_tracker.domain.table import TrackTable
from svc_tracker.wire.tracks import TrackIds, age_s, parts_of, require_finite, triangle

# The size limit of one part: the transport's largest message, less the set's own fields.
PART_BYTES: Final = MAX_MESSAGE_BYTES - 64 * 1024
# The most bytes of one track besides its mode probabilities.
TRACK_BYTES: Final = 640
_MODE_BYTES: Final = 8


def to_track_columns(
    table: TrackTable, frame: RadarFrame, frame_sequence: int, ids: TrackIds, make: Callable[[], TrackSet] = TrackSet
) -> list[TrackSet]:
    """Return the tracks after a frame as columns, in one or more parts that each fit into a message of 4 MiB.

    `make` returns an empty set, as in `to_track_sets`.

    Raises:
        ValueError: a value is not finite: a bug of the tracker.
    """
    most = PART_BYTES // (TRACK_BYTES + _MODE_BYTES * len(table.modes))
    sets = parts_of(frame, frame_sequence, len(table), most, make)
    ids_of_tracks, doubles, numbers = ids.of(table), _doubles(table), _integers(table)
    require_finite(**doubles)
    identities = tuple(table.identities.identity.tolist())
    for track_set, part in sets:
        columns: TrackColumns = track_set.track_columns
        columns.SetInParent()
        columns.mode.extend(table.modes)
        columns.track_id.extend(ids_of_tracks[part])
        extend(columns, **{name: values[part] for name, values in doubles.items()})
        _extend(columns, {name: values[part] for name, values in numbers.items()})
        if any(identities[part]):
            columns.transponder_id.extend(identities[part])
    return [track_set for track_set, _ in sets]


def _extend(columns: TrackColumns, numbers: Mapping[str, Integers]) -> None:
    """Append integers: directly from memory if all of a column are below 128, as they nearly always are."""
    small = {name: values.astype(np.uint8) for name, values in numbers.items() if values.max(initial=0) < 128}
    extend(columns, **small)
    for name in numbers.keys() - small.keys():
        getattr(columns, name).extend(numbers[name].tolist())


def _doubles(table: TrackTable) -> dict[str, Any]:
    return {
        "position_m": table.position_m,
        "velocity_mps": table.velocity_mps,
        "covariance": triangle(table),
        "existence_probability": table.existence_probability,
        "score": table.records.score,
        "nis": table.records.nis,
        "age_s": age_s(table),
        "mode_probability": table.mode_probability,
        "snr_db": table.records.snr_db,
        "rcs_dbsm": table.records.rcs_dbsm,
    }


def _integers(table: TrackTable) -> dict[str, Integers]:
    records, identification = table.records, table.identification
    return {
        "status": records.status,
        "nis_dof": records.nis_dof,
        "hits": records.hits,
        "misses": records.total_misses,
        "miss_count": records.consecutive_misses,
        "detection": records.detection + 1,
        "object_type": identification.object_type,
        "iff": identification.iff,
        "lost_reason": records.lost_reason,
    }
