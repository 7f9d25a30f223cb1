"""A radar's frames in both layouts: detections as messages, and as columns for readers that request them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from google.protobuf.timestamp_pb2 import Timestamp

from qiki.common.v1.geometry_pb2 import UUID, Pose, Vector3d
from qiki.radar.v1.radar_pb2 import BlindSector, RadarDetection, RadarFrame, SensorStatus
from qiki.radar.v1.radar_service_pb2 import DetectionTruth, FrameTruth
from qiki.sim.v1.world_pb2 import WorldSnapshot
from svc_radar.domain import RadarModel, Scan
from svc_radar.domain.measurement_noise import pose_covariance
from svc_radar.wire.columns import fill_columns
from svc_radar.wire.sensor_model import to_sector, to_sensor_model
from svc_radar.wire.world import components

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """One frame in both layouts: the same values to the bit."""

    messages: RadarFrame
    columns: RadarFrame


class FrameEncoder:
    """Encoder of one radar's frames; the fields that never change, the sensor model among them, are built once."""

    def __init__(self, model: RadarModel) -> None:
        self._model = model
        self._constant = RadarFrame(
            schema_version=SCHEMA_VERSION,
            sensor_id=UUID(value=model.sensor_id),
            sensor_model=to_sensor_model(model),
            sensor_position_covariance=pose_covariance(model),
            sensor_north_sigma_deg=model.north_sigma_deg,
        )

    def encode(
        self, scan: Scan, snapshot: WorldSnapshot, *, frame_id: str, scan_number: int, scan_start: Timestamp
    ) -> EncodedFrame:
        """Return the frame of one scan, which ended with the snapshot."""
        messages = self._head(scan, snapshot)
        messages.frame_id.value = frame_id
        messages.scan_number = scan_number
        messages.scan_start.CopyFrom(scan_start)
        columns = RadarFrame()
        columns.CopyFrom(messages)
        messages.detections.extend(_to_detections(scan, self._model))
        fill_columns(columns.detection_columns, scan, self._model)
        return EncodedFrame(messages, columns)

    def _head(self, scan: Scan, snapshot: WorldSnapshot) -> RadarFrame:
        """Return a frame without identity and detections."""
        head = RadarFrame()
        head.CopyFrom(self._constant)
        head.timestamp.CopyFrom(snapshot.time)
        head.tick = snapshot.tick
        if (pose := _to_pose(scan, snapshot.own_ship)) is not None:
            head.sensor_pose.CopyFrom(pose)
        head.status = SensorStatus.SENSOR_STATUS_FAILED if scan.failed else SensorStatus.SENSOR_STATUS_OK
        head.truncated = scan.truncated
        for blind in scan.blind:
            head.blind_sectors.append(BlindSector(sector=to_sector(blind.sector), reason=int(blind.reason)))  # type: ignore[arg-type]  # the numbers are those on the wire
        return head


def to_truth(scan: Scan, snapshot: WorldSnapshot, frame_id: str) -> FrameTruth:
    """Return the ground truth of the frame's detections, in their order."""
    contacts = snapshot.contacts
    return FrameTruth(
        frame_id=UUID(value=frame_id),
        detections=[DetectionTruth(contact_ids=[contacts[index].contact_id for index in of]) for of in scan.of],
    )


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


def _to_pose(scan: Scan, own_ship: Pose) -> Pose | None:
    """Return the sensor's pose, or None if it is not finite: no service publishes such a pose."""
    x, y, z = scan.sensor_position_m.tolist()
    turn = own_ship.attitude
    if not all(map(math.isfinite, (x, y, z, *components(own_ship.velocity), turn.w, turn.x, turn.y, turn.z))):
        return None
    return Pose(position=Vector3d(x=x, y=y, z=z), velocity=own_ship.velocity, attitude=own_ship.attitude)
