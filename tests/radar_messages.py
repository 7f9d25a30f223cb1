"""Radar messages for the tracker's tests: one radar, and the detections of a target that flies east."""

import math

from qiki.common.v1.geometry_pb2 import UUID
from qiki.radar.v1.radar_pb2 import RadarDetection, RadarFrame, SensorModel

SENSOR = "aaaaaaaa-0000-4000-8000-000000000001"
MODEL = SensorModel(
    min_range_m=10,
    max_range_m=50_000,
    min_elev_deg=-30,
    max_elev_deg=60,
    range_sigma_m=10,
    bearing_sigma_deg=0.2,
    elev_sigma_deg=0.2,
    vr_sigma_mps=0.5,
    detection_probability=0.95,
    clutter_per_scan=0.5,
)
EAST_MPS = 100.0


def eastbound(second: int, north_m: float) -> RadarDetection:
    """Return the detection, free of errors, of a target that flies east at 100 m/s, due north of the radar at 0 s."""
    east_m = EAST_MPS * second
    range_m = math.hypot(east_m, north_m)
    bearing_deg = math.degrees(math.atan2(east_m, north_m))
    return RadarDetection(range_m=range_m, bearing_deg=bearing_deg, vr_mps=EAST_MPS * east_m / range_m, snr_db=20)


def frame_of(number: int, *detections: RadarDetection, sensor_id: str = SENSOR) -> RadarFrame:
    """Return a frame without time, pose and sensor model; its id starts with the number."""
    frame_id = UUID(value=f"{number:08}-0000-4000-8000-000000000000")
    return RadarFrame(schema_version=1, frame_id=frame_id, sensor_id=UUID(value=sensor_id), detections=detections)
