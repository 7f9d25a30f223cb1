"""Between the wire's messages and the domain's arrays."""

import uuid
from collections.abc import Iterator, Sequence

import numpy as np

from mesh.clock import to_timestamp
from qiki.common.v1.geometry_pb2 import UUID, Pose, Vector3, Vector3d
from qiki.radar.v1 import radar_pb2
from qiki.radar.v1.radar_pb2 import RadarDetection, RadarFrame
from qiki.radar.v1.track_pb2 import RadarTrack, TrackSet
from svc_tracker.domain.frame import Detections, Frame, FrameError, SensorModel, SensorStatus
from svc_tracker.domain.relative import Relative, relative
from svc_tracker.domain.tracks import TrackTable

SCHEMA_VERSION = 1
# Of at most some 600 bytes each: a part stays well below what an event may hold.
MAX_TRACKS_A_PART = 1_000

_MODEL_FIELDS = tuple(field.name for field in radar_pb2.SensorModel.DESCRIPTOR.fields)
# The six numbers of a symmetric 3x3 matrix: its upper triangle by rows.
_TRIANGLE = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))


def to_frame(frame: RadarFrame) -> Frame:
    """Return a frame of the wire.

    Raises:
        FrameError: a field is missing or wrong; names it as on the wire.
    """
    for name in ("timestamp", "sensor_id", "sensor_pose", "sensor_model"):
        if not frame.HasField(name):
            raise FrameError(name, "is missing")
    status = frame.status or radar_pb2.SensorStatus.SENSOR_STATUS_OK
    if int(status) not in tuple(map(int, SensorStatus)):
        raise FrameError("status", f"is not known: {status}")
    return Frame(
        time_ns=_to_nanoseconds(frame),
        sensor_id=frame.sensor_id.value,
        status=SensorStatus(status),
        sensor_position_m=_components(frame.sensor_pose.position),
        sensor_velocity_mps=_components(frame.sensor_pose.velocity),
        sensor_model=SensorModel(**{name: getattr(frame.sensor_model, name) for name in _MODEL_FIELDS}),
        detections=_to_detections(frame.detections),
        truncated=frame.truncated,
    )


def to_track_sets(table: TrackTable, frame: RadarFrame, frame_sequence: int, namespace: uuid.UUID) -> list[TrackSet]:
    """Return the tracks after a frame in as many parts as they need, one at least; ids are UUIDs in the namespace."""
    tracks = list(_to_tracks(table, frame, namespace))
    parts = [tracks[first : first + MAX_TRACKS_A_PART] for first in range(0, len(tracks), MAX_TRACKS_A_PART)] or [[]]
    return [
        TrackSet(
            schema_version=SCHEMA_VERSION,
            frame_id=frame.frame_id,
            frame_sequence=frame_sequence,
            time=frame.timestamp,
            own_ship=frame.sensor_pose,
            part=number,
            parts=len(parts),
            tracks=part,
        )
        for number, part in enumerate(parts, start=1)
    ]


def _to_tracks(table: TrackTable, frame: RadarFrame, namespace: uuid.UUID) -> Iterator[RadarTrack]:
    pose: Pose = frame.sensor_pose
    seen = relative(table, _components(pose.position), _components(pose.velocity))
    for index, number in enumerate(table.number.tolist()):
        yield _to_track(table, seen, index, str(uuid.uuid5(namespace, f"tracks/{number}")))


def _to_track(table: TrackTable, seen: Relative, index: int, track_id: str) -> RadarTrack:
    identity = table.transponder_id[index]
    covariance = table.covariance[index]
    return RadarTrack(
        schema_version=SCHEMA_VERSION,
        track_id=UUID(value=track_id),
        transponder_on=bool(table.transponder_on[index]),
        quality=float(table.quality[index]),
        range_m=float(seen.range_m[index]),
        bearing_deg=float(seen.bearing_deg[index]),
        elev_deg=float(seen.elev_deg[index]),
        vr_mps=float(seen.vr_mps[index]),
        snr_db=float(table.snr_db[index]),
        rcs_dbsm=float(table.rcs_dbsm[index]),
        timestamp=to_timestamp(table.time_ns),
        transponder_mode=int(table.transponder_mode[index]),  # type: ignore[arg-type]  # the numbers are the wire's
        transponder_id=identity,
        status=int(table.status[index]),  # type: ignore[arg-type]
        position=_to_vector(table.position_m[index].tolist()),
        velocity=_to_vector(table.velocity_mps[index].tolist()),
        position_covariance=[float(covariance[row, column]) for row, column in _TRIANGLE],
        velocity_covariance=[float(covariance[row + 3, column + 3]) for row, column in _TRIANGLE],
        age_s=(table.time_ns - int(table.birth_ns[index])) / 1e9,
        miss_count=int(table.misses[index]),
        range_band=int(table.range_band[index]),  # type: ignore[arg-type]
        id_present=identity != "",
    )


def _to_detections(detections: Sequence[RadarDetection]) -> Detections:
    return Detections(
        range_m=np.array([each.range_m for each in detections], dtype=np.float64),
        bearing_deg=np.array([each.bearing_deg for each in detections], dtype=np.float64),
        elev_deg=np.array([each.elev_deg for each in detections], dtype=np.float64),
        vr_mps=np.array([each.vr_mps for each in detections], dtype=np.float64),
        snr_db=np.array([each.snr_db for each in detections], dtype=np.float64),
        rcs_dbsm=np.array([each.rcs_dbsm for each in detections], dtype=np.float64),
        transponder_on=np.array([each.transponder_on for each in detections], dtype=np.bool_),
        transponder_mode=np.array([each.transponder_mode for each in detections], dtype=np.int64),
        transponder_id=tuple(each.transponder_id for each in detections),
        id_present=np.array([each.id_present for each in detections], dtype=np.bool_),
        range_band=np.array([each.range_band for each in detections], dtype=np.int64),
    )


def _to_nanoseconds(frame: RadarFrame) -> int:
    if not 0 <= frame.timestamp.nanos < 1_000_000_000:
        raise FrameError("timestamp.nanos", f"must be within [0, 999999999], not {frame.timestamp.nanos}")
    return int(frame.timestamp.seconds) * 1_000_000_000 + int(frame.timestamp.nanos)


def _components(vector: Vector3d) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array((vector.x, vector.y, vector.z))


def _to_vector(components: Sequence[float]) -> Vector3:
    x, y, z = components
    return Vector3(x=x, y=y, z=z)
