"""Between the wire's messages and the domain's arrays."""

from collections.abc import Iterable

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp

from qiki.common.v1.geometry_pb2 import UUID, Quaternion, Vector3d
from qiki.radar.v1.radar_pb2 import RadarDetection, RadarFrame, SensorModel, SensorStatus
from qiki.sim.v1.world_pb2 import WorldSnapshot
from svc_radar.domain import Platform, RadarModel, Scan, Targets

SCHEMA_VERSION = 1


def to_platform(snapshot: WorldSnapshot) -> Platform:
    """Return the own ship of a snapshot; raises ValueError naming an array that is not finite."""
    pose = snapshot.own_ship
    turn: Quaternion = pose.attitude
    return Platform(
        position_m=np.array(_components(pose.position)),
        velocity_mps=np.array(_components(pose.velocity)),
        attitude=np.array((turn.w, turn.x, turn.y, turn.z)),
    )


def to_targets(snapshot: WorldSnapshot) -> Targets:
    """Return the contacts of a snapshot as arrays; raises ValueError naming an array that is not finite."""
    contacts = snapshot.contacts
    return Targets(
        position_m=_rows(contact.position for contact in contacts),
        velocity_mps=_rows(contact.velocity for contact in contacts),
        rcs_dbsm=np.array([contact.rcs_dbsm for contact in contacts], dtype=np.float64),
        transponder_mode=np.array([contact.transponder_mode for contact in contacts], dtype=np.int64),
        transponder_id=tuple(contact.transponder_id for contact in contacts),
    )


def to_frame(
    scan: Scan, model: RadarModel, snapshot: WorldSnapshot, *, frame_id: str, scan_number: int, scan_start: Timestamp
) -> RadarFrame:
    """Return the frame of one scan, which ended with the snapshot."""
    frame = RadarFrame(
        schema_version=SCHEMA_VERSION,
        frame_id=UUID(value=frame_id),
        sensor_id=UUID(value=model.sensor_id),
        timestamp=snapshot.time,
        scan_number=scan_number,
        tick=snapshot.tick,
        scan_start=scan_start,
        sensor_pose=snapshot.own_ship,
        sensor_model=_to_sensor_model(model),
        status=SensorStatus.SENSOR_STATUS_OK,
        truncated=scan.truncated,
    )
    frame.detections.extend(_to_detections(scan, model))
    return frame


def _to_detections(scan: Scan, model: RadarModel) -> Iterable[RadarDetection]:
    columns = (scan.range_m, scan.bearing_deg, scan.elev_deg, scan.vr_mps, scan.snr_db, scan.rcs_dbsm)
    replies = (scan.transponder_on, scan.transponder_mode, scan.id_present)
    # tolist() once a column: reading NumPy scalars one by one costs more than building the messages.
    numbers = zip(*(column.tolist() for column in columns), strict=True)
    answers = zip(*(column.tolist() for column in replies), scan.transponder_id, strict=True)
    for (range_m, bearing_deg, elev_deg, vr_mps, snr_db, rcs_dbsm), (on, mode, present, identity) in zip(
        numbers, answers, strict=True
    ):
        yield RadarDetection(
            range_m=range_m,
            bearing_deg=bearing_deg,
            elev_deg=elev_deg,
            vr_mps=vr_mps,
            snr_db=snr_db,
            rcs_dbsm=rcs_dbsm,
            transponder_on=on,
            transponder_mode=mode,
            transponder_id=identity,
            range_band=int(model.range_band),  # type: ignore[arg-type]  # the numbers are those on the wire
            id_present=present,
        )


def _to_sensor_model(model: RadarModel) -> SensorModel:
    return SensorModel(
        min_range_m=model.min_range_m,
        max_range_m=model.max_range_m,
        min_elev_deg=model.min_elev_deg,
        max_elev_deg=model.max_elev_deg,
        range_sigma_m=model.range_sigma_m,
        bearing_sigma_deg=model.bearing_sigma_deg,
        elev_sigma_deg=model.elev_sigma_deg,
        vr_sigma_mps=model.vr_sigma_mps,
        detection_probability=model.detection_probability,
        clutter_per_scan=model.clutter_per_scan,
    )


def _rows(vectors: Iterable[Vector3d]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.array([_components(vector) for vector in vectors], dtype=np.float64).reshape(-1, 3)


def _components(vector: Vector3d) -> tuple[float, float, float]:
    return vector.x, vector.y, vector.z
