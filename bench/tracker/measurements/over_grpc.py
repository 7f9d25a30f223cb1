"""Cost of TrackFrames relative to the update alone: frames and tracks in columns, the tracker in its own process.

A scan's time is from the client's arrays of detections to its arrays of tracks, both included. The same frames go
through a tracker in the client's process, scan by scan in turn; of that only the update is timed.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from bench.tracker.measurements import grpc_client as client
from bench.tracker.scenes.air_traffic import CV, Scene
from bench.tracker.scenes.scan import SceneScan
from mesh.tasks import task_group
from qiki.tracker.v1.tracker_service_pb2 import TrackFramesRequest
from svc_tracker import wire
from svc_tracker.domain import Tracker, TrackerModel

WARM_UP: Final = 5
SEED: Final = 1
SCANS: Final = 100
TARGETS: Final = (100, 1_000)
# Targets, scans, seed, and scans a second.
SUSTAINED: Final = (100, 1_000, SEED, 100.0)


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
    async with client.session(scene) as call:
        for scan in scene.scans(WARM_UP + scans):
            began = time.perf_counter()
            await call.write(TrackFramesRequest(frame=client.frame(scan)))
            count = len(client.arrays(await call.read())["score"])
            grpc_ms.append((time.perf_counter() - began) * 1e3)
            frame = wire.to_frame(client.complete(client.frame(scan), scene))
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
    sent = scene.scans(WARM_UP + scans)
    late_ms = []
    async with client.session(scene) as call, task_group() as group:
        for scan in sent[:WARM_UP]:
            await call.write(TrackFramesRequest(frame=client.frame(scan)))
            await call.read()
        began = time.perf_counter()
        due = [began + index / rate_hz for index in range(scans)]
        group.create_task(_send(call, sent[WARM_UP:], due))
        for when in due:
            client.arrays(await call.read())
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


async def _send(call: Any, scans: list[SceneScan], due: list[float]) -> None:
    for scan, when in zip(scans, due, strict=True):
        await asyncio.sleep(max(0.0, when - time.perf_counter()))
        await call.write(TrackFramesRequest(frame=client.frame(scan)))
