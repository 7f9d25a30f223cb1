"""Cost of TrackFrames relative to the update alone: frames and tracks in columns, the tracker in its own process.

A scan's time is from the client's arrays of detections to its arrays of tracks, both included. The same frames go
through a tracker in the client's process, scan by scan in turn; of that only the update is timed.
"""

import asyncio
import multiprocessing
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Final

import numpy as np

import svc_tracker.wiring
from bench.tracker.scene import CV, RANGE_SIGMA_M, Scan, Scene
from mesh.serving.health import Health
from mesh.serving.interceptor import MeshInterceptor, RpcMetrics
from mesh.serving.runtime import ServiceContext
from mesh.serving.server import MeshServer
from mesh.telemetry.telemetry import Telemetry
from qiki.common.v1.geometry_pb2 import UUID, Pose, Vector3d
from qiki.radar.v1.radar_pb2 import RadarFrame, SensorModel
from qiki.radar.v1.track_pb2 import TrackColumns
from qiki.tracker.v1.tracker_service_pb2 import Sensor, Session, TrackFramesRequest, TrackFramesResponse
from qiki.tracker.v1.tracker_service_pb2_grpc import TrackerServiceStub
from qiki_sdk.audit import AuditReporter
from qiki_sdk.channel import connect
from qiki_sdk.columns import extend
from svc_tracker import wire
from svc_tracker.config import TrackerSettings
from svc_tracker.domain import Tracker, TrackerModel

SENSOR: Final = "00000000-0000-4000-8000-000000000001"
START_S: Final = 1_700_000_000
WARM_UP: Final = 5
SEED: Final = 1
SCANS: Final = 100
TARGETS: Final = (100, 1_000)
# Targets, scans, seed, and scans a second.
SUSTAINED: Final = (100, 1_000, SEED, 100.0)
# Whole sets of tracks are read at once: a server may send them without a pause.
LOOKAHEAD_BYTES: Final = 4 * 1024 * 1024
START_TIMEOUT_S: Final = 60.0
ANSWER_TIMEOUT_S: Final = 60.0
_COLUMNS: Final = ("position_m", "velocity_mps", "covariance", "existence_probability", "score", "status", "hits")


@dataclass(frozen=True, slots=True)
class OverGrpc:
    """Medians over the scans: the update alone and the whole path over gRPC, with the number of tracks at the end."""

    targets: int
    tracks: int
    scans: int
    update_ms: float
    grpc_ms: float

    @property
    def ratio(self) -> float:
        """Cost of the whole path relative to the update alone."""
        return self.grpc_ms / self.update_ms


@dataclass(frozen=True, slots=True)
class Sustained:
    """Frames sent at a rate: the number answered per second, and the delay of the answers."""

    targets: int
    scans: int
    rate_hz: float
    answered_hz: float
    median_ms: float
    worst_ms: float


def measure(n: int, scans: int, seed: int) -> OverGrpc:
    """Return the cost of n targets over gRPC, over scans of a scene of constant velocity."""
    return asyncio.run(_measure(Scene(CV, n, seed), scans))


def sustain(n: int, scans: int, seed: int, rate_hz: float) -> Sustained:
    """Return the throughput of a session of n targets with frames sent at a rate, answered or not."""
    return asyncio.run(_sustain(Scene(CV, n, seed), scans, rate_hz))


async def _measure(scene: Scene, scans: int) -> OverGrpc:
    update_ms, grpc_ms, count = [], [], 0
    # The mode of a session with a radar without elevation.
    tracker = Tracker(TrackerModel(axes=2))
    async with _session(scene) as call:
        for scan in scene.scans(WARM_UP + scans):
            began = time.perf_counter()
            await call.write(TrackFramesRequest(frame=_frame(scan)))
            count = len(_arrays(await call.read())["score"])
            grpc_ms.append((time.perf_counter() - began) * 1e3)
            frame = wire.to_frame(_completed(_frame(scan), scene))
            began = time.perf_counter()
            tracker.step(frame)
            update_ms.append((time.perf_counter() - began) * 1e3)
    return OverGrpc(
        targets=scene.targets,
        tracks=count,
        scans=scans,
        update_ms=float(np.median(update_ms[WARM_UP:])),
        grpc_ms=float(np.median(grpc_ms[WARM_UP:])),
    )


async def _sustain(scene: Scene, scans: int, rate_hz: float) -> Sustained:
    told = scene.scans(WARM_UP + scans)
    late_ms = []
    async with _session(scene) as call, asyncio.TaskGroup() as group:
        for scan in told[:WARM_UP]:
            await call.write(TrackFramesRequest(frame=_frame(scan)))
            await call.read()
        began = time.perf_counter()
        due = [began + index / rate_hz for index in range(scans)]
        group.create_task(_send(call, told[WARM_UP:], due))
        for when in due:
            _arrays(await call.read())
            late_ms.append((time.perf_counter() - when) * 1e3)
        took_s = time.perf_counter() - began
    return Sustained(
        targets=scene.targets,
        scans=scans,
        rate_hz=rate_hz,
        answered_hz=scans / took_s,
        median_ms=float(np.median(late_ms)),
        worst_ms=max(late_ms),
    )


async def _send(call: Any, scans: list[Scan], due: list[float]) -> None:
    for scan, when in zip(scans, due, strict=True):
        await asyncio.sleep(max(0.0, when - time.perf_counter()))
        await call.write(TrackFramesRequest(frame=_frame(scan)))


# -- the client's side -------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _session(scene: Scene) -> AsyncIterator[Any]:
    """Open a session on a server in its own process; both end with the block."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        if not ours.poll(START_TIMEOUT_S):
            raise TimeoutError(f"the server did not start within {START_TIMEOUT_S:g} s")
        async with connect(f"127.0.0.1:{ours.recv()}", lookahead_bytes=LOOKAHEAD_BYTES) as channel:
            call = TrackerServiceStub(channel).TrackFrames(timeout=None)
            await call.write(TrackFramesRequest(session=_opening(scene)))
            try:
                yield call
            finally:
                call.cancel()
    finally:
        ours.send("stop")
        process.join(START_TIMEOUT_S)


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


def _frame(scan: Scan) -> RadarFrame:
    """Encode a frame as a client does: from arrays, without pose and model, which the session has."""
    frame = RadarFrame(schema_version=1)
    frame.sensor_id.value = SENSOR
    frame.timestamp.FromNanoseconds(START_S * 1_000_000_000 + round(scan.time_s * 1e9))
    extend(frame.detection_columns, range_m=scan.range_m, bearing_deg=scan.bearing_deg)
    return frame


def _completed(frame: RadarFrame, scene: Scene) -> RadarFrame:
    frame.sensor_pose.SetInParent()
    frame.sensor_model.CopyFrom(_model(scene))
    return frame


def _arrays(response: TrackFramesResponse) -> dict[str, Any]:
    """Decode tracks into arrays and ids, as a client does; raises RuntimeError for a refused frame."""
    if response.HasField("rejection"):
        raise RuntimeError(f"{response.rejection.field}: {response.rejection.message}")
    columns: TrackColumns = response.track_set.track_columns
    return {"track_id": list(columns.track_id), **{name: np.array(getattr(columns, name)) for name in _COLUMNS}}


# -- the server's side -------------------------------------------------------------------------------------------------


def _serve(parent: Connection) -> None:
    """Serve the tracker as the service does, without a radar as source, until the parent ends it."""
    asyncio.run(_serving(parent))


async def _serving(parent: Connection) -> None:
    service = ServiceContext(Health("bench", stall_s=60.0), Telemetry("bench"), AuditReporter("", "bench"))
    parts = svc_tracker.wiring.build(TrackerSettings(grpc_port=0, http_port=0), service)
    interceptor = MeshInterceptor(RpcMetrics(service.telemetry.registry), service.telemetry)
    server = MeshServer("127.0.0.1:0", parts.mounts, parts.feeds, service.health, interceptor)
    await server.start()
    parent.send(server.port)
    await asyncio.to_thread(parent.recv)
    await server.drain()


if __name__ == "__main__":
    print(measure(1_000, 40, 1))
    print(sustain(100, 300, 1, 100.0))
