"""A run from JetStream, as arrays: the truth at the end of each scan, the scans, the sets of tracks, the audit.

Positions are (n, 3) float64, metres in the local ENU frame. Times ending in `_ns` are nanoseconds since 1970.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Coverage:
    """Coverage of a radar at the position `sensor_m` (3,)."""

    sensor_m: Floats
    min_range_m: float
    max_range_m: float
    min_elev_deg: float
    max_elev_deg: float

    def holds(self, position_m: Floats) -> Booleans:
        """Return which positions (n, 3) lie inside, (n,)."""
        east_m, north_m, up_m = (position_m - self.sensor_m).T
        ground_m = np.hypot(east_m, north_m)
        range_m, elev_deg = np.hypot(ground_m, up_m), np.degrees(np.arctan2(up_m, ground_m))
        in_range = (range_m >= self.min_range_m) & (range_m <= self.max_range_m)
        inside: Booleans = in_range & (elev_deg >= self.min_elev_deg) & (elev_deg <= self.max_elev_deg)
        return inside


@dataclass(frozen=True, slots=True, eq=False)
class RecordedScan:
    """One radar frame: its sequence, radar, tick, time of production, and detections (n, 3)."""

    sequence: int
    frame_id: str
    sensor_id: str
    tick: int
    produced_ns: int
    coverage: Coverage
    detection_m: Floats


@dataclass(frozen=True, slots=True, eq=False)
class TrackPart:
    """One part of the set of tracks after a frame, and when JetStream stored it.

    For n tracks: their ids, the identities from their transponder replies (empty for none), which are confirmed and not
    lost (n,), and their positions (n, 3).
    """

    frame_sequence: int
    frame_id: str
    part: int
    parts: int
    stored_ns: int
    track_ids: tuple[str, ...]
    identities: tuple[str, ...]
    confirmed: Booleans
    position_m: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The contacts present at a tick, and their positions (n, 3)."""

    contact_ids: tuple[str, ...]
    position_m: Floats


@dataclass(frozen=True, slots=True, eq=False)
class RunRecord:
    """One run, read back.

    `contacts` has the kind of every contact of the run, by its id. `truth` is known at the ticks of the scans, by tick.
    `radars` has the names of the radars by their sensors' ids. `audit` counts the events by code and name. `begun_ns`
    and `ended_ns` are the wall clock at the production of the first derived event and at the storing of the last;
    `first_time_ns` and `last_time_ns` are the simulation times of the first and the last world snapshot. Each of these
    four is 0 where there is none.
    """

    radars: Mapping[str, str]
    contacts: Mapping[str, str]
    truth: Mapping[int, Truth]
    scans: tuple[RecordedScan, ...]
    track_parts: tuple[TrackPart, ...]
    audit: Mapping[tuple[int, str], int]
    begun_ns: int
    ended_ns: int
    first_time_ns: int
    last_time_ns: int
