"""Client of TrackFrames: a session with frames and tracks in columns, from arrays and to arrays."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import numpy as np

from bench.tracker.measurements.grpc_server import server_process
from bench.tracker.scenes.air_traffic import RANGE_SIGMA_M, Scene
from bench.tracker.scenes.scan import SceneScan
from qiki.common.v1.geometry_pb2 import UUID, Pose, Vector3d
from qiki.radar.v1.radar_pb2 import RadarFrame, SensorModel
from qiki.radar.v1.track_pb2 import TrackColumns
from qiki.tracker.v1.tracker_service_pb2 import Sensor, Session, TrackFramesRequest, TrackFramesResponse
from qiki.tracker.v1.tracker_service_pb2_grpc import TrackerServiceStub
from qiki_sdk.channel import connect
from qiki_sdk.columns import extend

SENSOR: Final = "00000000-0000-4000-8000-000000000001"
START_S: Final = 1_700_000_000
# Whole sets of tracks are read at once: a server may send them without a pause.
LOOKAHEAD_BYTES: Final = 4 * 1024 * 1024
_COLUMNS: Final = ("position_m", "velocity_mps", "covariance", "existence_probability", "score", "status", "hits")


@asynccontextmanager
async def session(scene: Scene) -> AsyncIterator[Any]:
    """Open a session on a server in its own process; both end with the block."""
    with server_process() as port:
        async with connect(f"127.0.0.1:{port}", lookahead_bytes=LOOKAHEAD_BYTES) as channel:
            call = TrackerServiceStub(channel).TrackFrames(timeout=None)
            await call.write(TrackFramesRequest(session=_opening(scene)))
            try:
                yield call
            finally:
                call.cancel()


def _opening(scene: Scene) -> Session:
    sensor = Sensor(sensor_id=UUID(value=SENSOR), model=_model(scene), pose=Pose(position=Vector3d()))
    return Session(session_id="bench", sensors=[sensor], track_columns=True)


def _model(scene: Scene) -> SensorModel:
    return SensorModel(
        max_range_m=scene.radius_m,
        min_elev_deg=-90.0,
        max_elev_deg=90.0,
        range_sigma_m=RANGE_SIGMA_M,
        bearing_sigma_deg=scene.variant.bearing_sigma_deg,
        no_elevation=True,
        no_radial_velocity=True,
        detection_probability=scene.variant.detection_probability,
        clutter_per_scan=scene.clutter_per_scan,
    )


def frame(scan: SceneScan) -> RadarFrame:
    """Encode a frame as a client does: from arrays, without pose and model, which the session has."""
    message = RadarFrame(schema_version=1)
    message.sensor_id.value = SENSOR
    message.timestamp.FromNanoseconds(START_S * 1_000_000_000 + round(scan.time_s * 1e9))
    extend(message.detection_columns, range_m=scan.range_m, bearing_deg=scan.bearing_deg)
    return message


def complete(message: RadarFrame, scene: Scene) -> RadarFrame:
    """Add the pose and the model of the session to a frame."""
    message.sensor_pose.SetInParent()
    message.sensor_model.CopyFrom(_model(scene))
    return message


def arrays(response: TrackFramesResponse) -> dict[str, Any]:
    """Decode tracks into arrays and ids, as a client does; raises RuntimeError for a refused frame."""
    if response.HasField("rejection"):
        raise RuntimeError(f"{response.rejection.field}: {response.rejection.message}")
    columns: TrackColumns = response.track_set.track_columns
    return {"track_id": list(columns.track_id), **{name: np.array(getattr(columns, name)) for name in _COLUMNS}}
