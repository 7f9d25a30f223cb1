"""Data of the radar plot, seen from above: metres east and north of the sensor's final position."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from cli.demo.record import Floats, RecordedScan, RunRecord
from cli.demo.statistics import confirmed_ids, farthest_scans, last_set, sets_by_frame

RING_STEPS_M: Final = tuple(step * 10.0**power for power in range(1, 7) for step in (1.0, 2.0, 2.5, 5.0))
MAX_RINGS: Final = 5
SHORT_ID_CHARACTERS: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class TrackTrail:
    """A confirmed track: its position at each scan (n, 2), its displayed name, and whether it is alive at the end.

    The name is the identity last received, if any, and the first characters of the track's id.
    """

    point_m: Floats
    label: str
    live: bool

    @property
    def newest_m(self) -> tuple[float, float]:
        """Last position."""
        east_m, north_m = self.point_m[-1].tolist()
        return east_m, north_m


@dataclass(frozen=True, slots=True, eq=False)
class PlotData:
    """All drawn data: paths (n, 2), with a row of NaN for each period of absence.

    The plot's radius is `extent_m`, a multiple of `ring_m`. `own_m` is the sensor's path, `truth_m` those of the
    contacts; `far_m` and `near_m` are the detections (n, 2) of the radar with the longest range, and of the others.
    """

    extent_m: float
    ring_m: float
    own_m: Floats
    truth_m: tuple[Floats, ...]
    far_m: Floats
    near_m: Floats
    tracks: tuple[TrackTrail, ...]

    def ring_radii_m(self) -> list[float]:
        """Return the rings' radii; the last is the plot's."""
        return [self.ring_m * number for number in range(1, round(self.extent_m / self.ring_m) + 1)]


def plot_data_of(record: RunRecord) -> PlotData | None:
    """Return the plot's data for a run, or None if no radar has scanned."""
    scans = farthest_scans(record)
    if not scans:
        return None
    far, coverage = scans[-1].sensor_id, scans[-1].coverage
    centre_m = coverage.sensor_m[:2]
    truth_m, tracks = _truth_ways(record, scans, centre_m), _track_trails(record, scans, centre_m)
    reach_m = _reach_m([*truth_m, *(track.point_m for track in tracks)])
    extent_m, ring_m = extent_of(min(reach_m, coverage.max_range_m))
    return PlotData(
        extent_m=extent_m,
        ring_m=ring_m,
        own_m=np.array([scan.coverage.sensor_m[:2] for scan in scans]) - centre_m,
        truth_m=truth_m,
        far_m=_detections((scan for scan in record.scans if scan.sensor_id == far), centre_m),
        near_m=_detections((scan for scan in record.scans if scan.sensor_id != far), centre_m),
        tracks=tracks,
    )


def extent_of(reach_m: float) -> tuple[float, float]:
    """Return the radius of a plot that includes points `reach_m` away, and the spacing of its rings."""
    ring_m = next((step for step in RING_STEPS_M if step * MAX_RINGS >= reach_m), RING_STEPS_M[-1])
    return max(1.0, float(np.ceil(reach_m / ring_m))) * ring_m, ring_m


def _truth_ways(record: RunRecord, scans: list[RecordedScan], centre_m: Floats) -> tuple[Floats, ...]:
    points: dict[str, dict[int, Floats]] = defaultdict(dict)
    for number, scan in enumerate(scans):
        truth = record.truth.get(scan.tick)
        if truth is not None:
            for contact_id, point_m in zip(truth.contact_ids, truth.position_m[:, :2] - centre_m, strict=True):
                points[contact_id][number] = point_m
    return tuple(_with_gaps(by_number) for by_number in points.values())


def _track_trails(record: RunRecord, scans: list[RecordedScan], centre_m: Floats) -> tuple[TrackTrail, ...]:
    """Return the confirmed tracks in the order of their confirmation."""
    points: dict[str, dict[int, Floats]] = defaultdict(dict)
    identities: dict[str, str] = {}
    sets = sets_by_frame(record.track_parts)
    for number, scan in enumerate(scans):
        for part in sets.get(scan.sequence, ()):
            for index in np.flatnonzero(part.confirmed).tolist():
                track_id = part.track_ids[index]
                points[track_id][number] = part.position_m[index, :2] - centre_m
                identities[track_id] = part.identities[index]
    live = {track_id for part in last_set(record.track_parts) for track_id in confirmed_ids(part)}
    return tuple(
        TrackTrail(_with_gaps(by_number), f"{identities[own]} {own[:SHORT_ID_CHARACTERS]}".strip(), own in live)
        for own, by_number in points.items()
    )


def _with_gaps(by_number: Mapping[int, Floats]) -> Floats:
    """Return the points in order, with a row of NaN for each gap in the numbers."""
    rows: list[Floats] = []
    before = None
    for number, point in by_number.items():
        if before is not None and number != before + 1:
            rows.append(np.full(2, np.nan))
        rows.append(point)
        before = number
    return np.array(rows)


def _detections(scans: Iterable[RecordedScan], centre_m: Floats) -> Floats:
    return np.concatenate([np.empty((0, 2)), *(scan.detection_m[:, :2] - centre_m for scan in scans)])


def _reach_m(ways: Iterable[Floats]) -> float:
    return max((float(np.nanmax(np.hypot(way[:, 0], way[:, 1]))) for way in ways), default=0.0)
