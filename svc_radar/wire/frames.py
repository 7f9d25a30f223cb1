"""Conversion between the wire's messages and the domain's arrays."""

import math
from collections.abc import Iterable

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp

from qiki.common.v1.geometry_pb2 import UUID, Pose, Quaternion, Vector3d
from qiki.radar.v1.radar_pb2 import BlindSector, RadarDetection, RadarFrame, SensorModel, SensorStatus
from qiki.radar.v1.radar_pb2 import Sector as WireSector
from qiki.radar.v1.radar_service_pb2 import DetectionTruth, FrameTruth
from qiki.sim.v1.world_pb2 import SensorFaultKind, WorldSnapshot
from svc_radar.domain import Faults, Jamming, Platform, RadarModel, Scan, Sector, Targets
from svc_radar.domain.measurement_noise import pose_covariance, reference_sigmas
from svc_radar.domain.model import ALL_AROUND
from svc_radar.domain.signal import reference_probability

SCHEMA_VERSION = 1


def to_platform(snapshot: WorldSnapshot) -> Platform:
    """Return the own ship of a snapshot; raise ValueError naming an array that is not finite."""
    pose = snapshot.own_ship
    turn: Quaternion = pose.attitude
    return Platform(
        position_m=np.array(_components(pose.position)),
        velocity_mps=np.array(_components(pose.velocity)),
        attitude=np.array((turn.w, turn.x, turn.y, turn.z)),
    )


def to_targets(snapshot: WorldSnapshot) -> Targets:
    """Return the contacts of a snapshot as arrays; raise ValueError naming an array that is not finite."""
    contacts = snapshot.contacts
    return Targets(
        position_m=_rows(contact.position for contact in contacts),
        velocity_mps=_rows(contact.velocity for contact in contacts),
        rcs_dbsm=np.array([contact.rcs_dbsm for contact in contacts], dtype=np.float64),
        transponder_mode=np.array([contact.transponder_mode for contact in contacts], dtype=np.int64),
        transponder_id=tuple(contact.transponder_id for contact in contacts),
    )


def to_faults(snapshot: WorldSnapshot, sensor_id: str) -> Faults:
    """Return the faults of the sensor; raise ValueError naming the invalid field of a fault."""
    jammed, dead = [], []
    range_bias_m = bearing_bias_deg = 0.0
    kept_probability = 1.0
    for fault in snapshot.sensor_faults:
        if fault.sensor_id.value != sensor_id:
            continue
        if fault.kind == SensorFaultKind.SENSOR_FAULT_KIND_JAMMING:
            jammed.append(Jamming(Sector(fault.sector_start_deg, fault.sector_width_deg), fault.jamming_db))
        elif fault.kind == SensorFaultKind.SENSOR_FAULT_KIND_DEAD_SECTOR:
            dead.append(Sector(fault.sector_start_deg, fault.sector_width_deg))
        elif fault.kind == SensorFaultKind.SENSOR_FAULT_KIND_BIAS_STEP:
            range_bias_m += fault.range_bias_m
            bearing_bias_deg += fault.bearing_bias_deg
        elif fault.kind == SensorFaultKind.SENSOR_FAULT_KIND_DROPOUT:
            kept_probability *= 1.0 - fault.dropout_probability
        else:
            raise ValueError(f"sensor_faults.kind is not known: {fault.kind}")
    return Faults(tuple(jammed), tuple(dead), range_bias_m, bearing_bias_deg, 1.0 - kept_probability)


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
        sensor_pose=_to_pose(scan, snapshot.own_ship),
        sensor_model=to_sensor_model(model),
        status=SensorStatus.SENSOR_STATUS_FAILED if scan.failed else SensorStatus.SENSOR_STATUS_OK,
        truncated=scan.truncated,
        sensor_position_covariance=pose_covariance(model),
        sensor_north_sigma_deg=model.north_sigma_deg,
    )
    for blind in scan.blind:
        frame.blind_sectors.append(BlindSector(sector=_to_sector(blind.sector), reason=int(blind.reason)))  # type: ignore[arg-type]  # the numbers are those on the wire
    frame.detections.extend(_to_detections(scan, model))
    return frame


def to_truth(scan: Scan, snapshot: WorldSnapshot, frame_id: str) -> FrameTruth:
    """Return the ground truth of the frame's detections, in their order."""
    contacts = snapshot.contacts
    return FrameTruth(
        frame_id=UUID(value=frame_id),
        detections=[DetectionTruth(contact_ids=[contacts[index].contact_id for index in of]) for of in scan.of],
    )


def to_sensor_model(model: RadarModel) -> SensorModel:
    """Return the sensor model reported in a frame: everything except biases, pattern and horizon."""
    range_sigma_m, bearing_sigma_deg, elev_sigma_deg, vr_sigma_mps = reference_sigmas(model)
    told = SensorModel(
        min_range_m=model.min_range_m,
        max_range_m=model.max_range_m,
        min_elev_deg=model.min_elev_deg,
        max_elev_deg=model.max_elev_deg,
        range_sigma_m=range_sigma_m,
        bearing_sigma_deg=bearing_sigma_deg,
        elev_sigma_deg=elev_sigma_deg,
        vr_sigma_mps=vr_sigma_mps,
        detection_probability=reference_probability(model),
        clutter_per_scan=model.expected_clutter,
        coverage=None if model.coverage == ALL_AROUND else _to_sector(model.coverage),
        no_elevation=model.no_elevation,
        no_radial_velocity=model.no_radial_velocity,
        range_resolution_m=model.range_resolution_m,
        bearing_resolution_deg=model.bearing_resolution_deg,
        elev_resolution_deg=model.elev_resolution_deg,
        vr_resolution_mps=model.vr_resolution_mps,
        clutter_max_vr_mps=model.clutter_max_vr_mps,
        min_radial_speed_mps=model.min_radial_speed_mps,
        false_alarm_probability=model.false_alarm_probability,
        swerling=int(model.swerling) if model.physical else 0,  # type: ignore[arg-type]  # the numbers are the wire's
        scan_kind=int(model.scan_kind),  # type: ignore[arg-type]
    )
    if model.physical:
        told.snr_ref_db, told.rcs_ref_dbsm, told.range_ref_m = model.snr_ref_db, model.rcs_ref_dbsm, model.range_ref_m
    return told


def _to_detections(scan: Scan, model: RadarModel) -> Iterable[RadarDetection]:
    columns = [scan.range_m, scan.bearing_deg, scan.elev_deg, scan.vr_mps, scan.snr_db, scan.rcs_dbsm]
    columns += [scan.time_offset_s, scan.range_sigma_m, scan.bearing_sigma_deg, scan.elev_sigma_deg, scan.vr_sigma_mps]
    replies = (scan.transponder_on, scan.transponder_mode, scan.id_present)
    # tolist() once per column: reading NumPy scalars one by one costs more than building the messages.
    numbers = zip(*(column.tolist() for column in columns), strict=True)
    answers = zip(*(column.tolist() for column in replies), scan.transponder_id, strict=True)
    for measured, (on, mode, present, identity) in zip(numbers, answers, strict=True):
        range_m, bearing_deg, elev_deg, vr_mps, snr_db, rcs_dbsm, time_offset_s, *sigmas = measured
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
            time_offset_s=time_offset_s,
            range_sigma_m=sigmas[0],
            bearing_sigma_deg=sigmas[1],
            elev_sigma_deg=sigmas[2],
            vr_sigma_mps=sigmas[3],
        )


def position_of(snapshot: WorldSnapshot) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the own ship's position (3,), regardless of the snapshot's other contents."""
    return np.array(_components(snapshot.own_ship.position))


def _to_pose(scan: Scan, own_ship: Pose) -> Pose | None:
    """Return the sensor's pose, or None if it is not finite: no service publishes such a pose."""
    x, y, z = scan.sensor_position_m.tolist()
    turn = own_ship.attitude
    if not all(map(math.isfinite, (x, y, z, *_components(own_ship.velocity), turn.w, turn.x, turn.y, turn.z))):
        return None
    return Pose(position=Vector3d(x=x, y=y, z=z), velocity=own_ship.velocity, attitude=own_ship.attitude)


def _to_sector(sector: Sector) -> WireSector:
    return WireSector(start_deg=sector.start_deg, width_deg=sector.width_deg)


def _rows(vectors: Iterable[Vector3d]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.array([_components(vector) for vector in vectors], dtype=np.float64).reshape(-1, 3)


def _components(vector: Vector3d) -> tuple[float, float, float]:
    return vector.x, vector.y, vector.z
