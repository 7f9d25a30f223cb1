"""Cost of frames and tracks in messages and in columns: `python -m bench.columns`, processor time, best of many."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.tracker.scenes.air_traffic import CV, RANGE_SIGMA_M, Scene
from bench.tracker.scenes.scan import SceneScan
from qiki.radar.v1.radar_pb2 import RadarDetection, RadarFrame
from qiki.radar.v1.track_pb2 import RadarTrack, TrackSet
from qiki_sdk.columns import extend
from svc_tracker import wire
from svc_tracker.domain import Tracker, TrackerModel, TrackTable
from svc_tracker.domain.state.types import Floats

TARGETS: Final = 1_000
WARM_UP_SCANS: Final = 8
SEED: Final = 1
ROUNDS: Final = 30


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of one message type in one layout: ms from arrays to bytes, ms from bytes to arrays, and bytes."""

    what: str
    layout: str
    write_ms: float
    read_ms: float
    size: int


def main() -> None:
    """Measure and print."""
    scene = Scene(CV, TARGETS, SEED)
    *before, last = scene.scans(WARM_UP_SCANS)
    tracker = Tracker(TrackerModel())
    for scan in before:
        tracker.step(wire.to_frame(in_columns(scene, scan)))
    tracks = tracker.step(wire.to_frame(in_columns(scene, last)))
    table = Table("what", "layout", "write ms", "read ms", "bytes", title=f"seed {SEED}, best of {ROUNDS}")
    for cost in (*frame_costs(scene, last), *track_costs(tracks, in_columns(scene, last))):
        table.add_row(cost.what, cost.layout, f"{cost.write_ms:.3f}", f"{cost.read_ms:.3f}", f"{cost.size:,}")
    Console().print(table)


def frame_costs(scene: Scene, scan: SceneScan) -> list[Cost]:
    """Return the cost of a frame in either layout."""
    what, costs = f"{len(scan.range_m):,} detections", []
    for layout, make in (("messages", in_messages), ("columns", in_columns)):
        data = make(scene, scan).SerializeToString()
        write_ms = best_ms(lambda make=make: make(scene, scan).SerializeToString())  # type: ignore[misc]
        read_ms = best_ms(lambda data=data: wire.to_frame(RadarFrame.FromString(data)))  # type: ignore[misc]
        costs.append(Cost(what, layout, write_ms, read_ms, len(data)))
    return costs


def track_costs(tracks: TrackTable, frame: RadarFrame) -> list[Cost]:
    """Return the cost of sets of tracks in either layout; the ids are those of earlier tracks."""
    what, costs, ids = f"{len(tracks):,} tracks", [], wire.TrackIds(uuid.UUID(int=0))
    for layout, encode, read in (
        ("messages", wire.to_track_sets, from_messages),
        ("columns", wire.to_track_columns, from_columns),
    ):

        def write(encode: Callable[..., list[TrackSet]] = encode) -> list[bytes]:
            return [part.SerializeToString() for part in encode(tracks, frame, 1, ids)]

        parts = write()
        read_ms = best_ms(lambda parts=parts, read=read: [read(TrackSet.FromString(part)) for part in parts])  # type: ignore[misc]
        costs.append(Cost(what, layout, best_ms(write), read_ms, sum(map(len, parts))))
    return costs


def best_ms(call: Callable[[], object]) -> float:
    """Return the least processor time of a call."""
    best_ns = 10**18
    for _ in range(ROUNDS):
        began_ns = time.process_time_ns()
        call()
        best_ns = min(best_ns, time.process_time_ns() - began_ns)
    return best_ns / 1e6


# -- both layouts ------------------------------------------------------------------------------------------------------


def in_messages(scene: Scene, scan: SceneScan) -> RadarFrame:
    """Return the frame of a scan as messages."""
    frame = _head(scene, scan)
    rows = zip(*(values.tolist() for values in _columns(scan).values()), strict=True)
    frame.detections.extend(
        RadarDetection(range_m=r, bearing_deg=b, elev_deg=e, vr_mps=vr, snr_db=snr, rcs_dbsm=rcs)
        for r, b, e, vr, snr, rcs in rows
    )
    return frame


def in_columns(scene: Scene, scan: SceneScan) -> RadarFrame:
    """Return the same frame as columns."""
    frame = _head(scene, scan)
    extend(frame.detection_columns, **_columns(scan))
    return frame


def from_messages(track_set: TrackSet) -> dict[str, Floats]:
    """Return as arrays the values that most readers use, from tracks as messages."""
    tracks: list[RadarTrack] = list(track_set.tracks)
    position = [(track.position.x, track.position.y, track.position.z) for track in tracks]
    return {
        "position_m": np.array(position),
        "covariance": np.array([track.covariance for track in tracks]),
        "score": np.array([track.score for track in tracks]),
        "status": np.array([track.status for track in tracks]),
    }


def from_columns(track_set: TrackSet) -> dict[str, Floats]:
    """Return the same values from tracks as columns."""
    columns = track_set.track_columns
    return {name: np.array(getattr(columns, name)) for name in ("position_m", "covariance", "score", "status")}


def _columns(scan: SceneScan) -> dict[str, Floats]:
    zero = np.zeros(len(scan.range_m))
    return {
        "range_m": scan.range_m,
        "bearing_deg": scan.bearing_deg,
        "elev_deg": zero,
        "vr_mps": zero,
        "snr_db": zero + 15.0,
        "rcs_dbsm": zero + 10.0,
    }


def _head(scene: Scene, scan: SceneScan) -> RadarFrame:
    frame = RadarFrame(schema_version=1)
    frame.sensor_id.value = frame.frame_id.value = "00000000-0000-4000-8000-000000000001"
    frame.timestamp.FromNanoseconds(round(scan.time_s * 1e9))
    frame.sensor_pose.SetInParent()
    model = frame.sensor_model
    model.max_range_m, model.min_elev_deg, model.max_elev_deg = scene.radius_m, -90.0, 90.0
    model.range_sigma_m, model.bearing_sigma_deg = RANGE_SIGMA_M, scene.variant.bearing_sigma_deg
    model.no_elevation = model.no_radial_velocity = True
    model.detection_probability = scene.variant.detection_probability
    model.clutter_per_scan = scene.clutter_per_scan
    return frame


if __name__ == "__main__":
    main()
