"""A table of tracks as columns."""

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

# Columns are no events: a part may be as large as a message can, less what the set itself takes.
PART_BYTES: Final = MAX_MESSAGE_BYTES - 64 * 1024
# The most that a track takes besides the probabilities of its modes.
TRACK_BYTES: Final = 640
_MODE_BYTES: Final = 8


def to_track_columns(
    table: TrackTable, frame: RadarFrame, frame_sequence: int, ids: TrackIds, make: Callable[[], TrackSet] = TrackSet
) -> list[TrackSet]:
    """Return the tracks after a frame as columns, in as many parts as they need, one at least: each fits into a message
    of the transport's 4 MiB. `make` is as of `to_track_sets`.

    Raises:
        ValueError: a value that is not finite, which no frame brings about.
    """
    most = PART_BYTES // (TRACK_BYTES + _MODE_BYTES * len(table.modes))
    sets = parts_of(frame, frame_sequence, len(table), most, make)
    texts, doubles, numbers = ids.of(table), _doubles(table), _integers(table)
    require_finite(**doubles)
    for track_set, chosen in sets:
        columns: TrackColumns = track_set.track_columns
        columns.SetInParent()
        columns.mode.extend(table.modes)
        columns.track_id.extend(texts[chosen])
        extend(columns, **{name: values[chosen] for name, values in doubles.items()})
        _extend(columns, {name: values[chosen] for name, values in numbers.items()})
        if any(table.transponder_id[chosen]):
            columns.transponder_id.extend(table.transponder_id[chosen])
    return [track_set for track_set, _ in sets]


def _extend(columns: TrackColumns, numbers: Mapping[str, Integers]) -> None:
    """Append whole numbers: straight from memory where all of a column are small, as nearly all are."""
    small = {name: values.astype(np.uint8) for name, values in numbers.items() if values.max(initial=0) < 128}
    extend(columns, **small)
    for name in numbers.keys() - small.keys():
        getattr(columns, name).extend(numbers[name].tolist())


def _doubles(table: TrackTable) -> dict[str, Any]:
    return {
        "position_m": table.position_m,
        "velocity_mps": table.velocity_mps,
        "covariance": triangle(table),
        "existence_probability": table.quality,
        "score": table.score,
        "nis": table.nis,
        "age_s": age_s(table),
        "mode_probability": table.mode_probability,
        "snr_db": table.snr_db,
        "rcs_dbsm": table.rcs_dbsm,
    }


def _integers(table: TrackTable) -> dict[str, Integers]:
    return {
        "status": table.status,
        "nis_dof": table.nis_dof,
        "hits": table.hits,
        "misses": table.misses_in_all,
        "miss_count": table.misses,
        "detection": table.detection + 1,
        "object_type": table.object_type,
        "iff": table.iff,
        "lost_reason": table.lost_reason,
    }
