"""A source for a bridge: a real gRPC server with a real feed of radar frames of a chosen size."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc

from mesh.feeds.feed import Feed, FeedSettings, FlowControl
from mesh.feeds.ring import Retention
from mesh.feeds.watch import watch
from mesh.serving.interceptor import MeshInterceptor
from mesh.serving.rpc_metrics import RpcMetrics
from mesh.telemetry.telemetry import Telemetry
from mesh.telemetry.trace_settings import TraceSettings
from qiki.common.v1.stream_pb2 import Run
from qiki.radar.v1 import radar_service_pb2 as pb
from qiki.radar.v1.radar_pb2 import RadarDetection, RadarFrame
from qiki.radar.v1.radar_service_pb2_grpc import RadarServiceServicer, add_RadarServiceServicer_to_server
from qiki_sdk.channel import SERVER_OPTIONS

STREAM, SUBJECT = "QIKI_RADAR_V1", "qiki.radar.v1.frames"
RUN_ID = "11111111-2222-4333-8444-555555555555"
TICK_NS = 1_000_000
DETECTION = RadarDetection(
    range_m=1234.5, bearing_deg=12.5, elev_deg=3.25, vr_mps=-7.5, snr_db=15.5, rcs_dbsm=2.5, transponder_id="QK-1"
)


class FrameSource(RadarServiceServicer):
    """Serves one feed to the required reader `bridge`; nothing is sent while `gate` is not set."""

    def __init__(self, retention: Retention, flow_control: FlowControl = FlowControl.LIVE) -> None:
        self.feed = Feed(FeedSettings("frames", retention, ("bridge",), flow_control), pb.WatchFramesResponse, "frame")
        run = Run(run_id=RUN_ID, bot_id="qiki-01", tick_ns=TICK_NS)
        run.created.FromSeconds(1_767_225_600)
        self.feed.begin(run)
        self._frame = RadarFrame()
        self.gate = asyncio.Event()
        self.asked = asyncio.Event()

    def append(self, size_bytes: int) -> int:
        """Append the next frame, of about this size; return its tick, which is its sequence."""
        tick = self.feed.store.last_sequence + 1
        detections = max(1, round(size_bytes / (DETECTION.ByteSize() + 2)))
        if len(self._frame.detections) != detections:
            self._frame = RadarFrame(schema_version=1, detections=[DETECTION] * detections)
        self._frame.tick = tick
        self.feed.append(self._frame, sequence=tick, time_ns=tick * TICK_NS, tick=tick)
        return tick

    async def GetRun(self, request: pb.GetRunRequest, context: Any) -> pb.GetRunResponse:
        return pb.GetRunResponse(run=self.feed.run)

    async def GetFrame(self, request: pb.GetFrameRequest, context: Any) -> pb.GetFrameResponse:
        raise NotImplementedError

    async def ConfirmFrames(self, request: pb.ConfirmFramesRequest, context: Any) -> pb.ConfirmFramesResponse:
        return pb.ConfirmFramesResponse(confirmed_sequence=self.feed.confirm(request.reader, request.resume_token))

    async def WatchFrames(self, request: pb.WatchFramesRequest, context: Any) -> AsyncIterator[pb.WatchFramesResponse]:
        self.asked.set()
        await self.gate.wait()
        async for response in watch(self.feed, request, pb.WatchFramesResponse, 5.0):
            yield response


@asynccontextmanager
async def served(source: FrameSource, port: int = 0) -> AsyncIterator[int]:
    """Serve it for as long as the block lasts; give the port."""
    telemetry = Telemetry("source", TraceSettings(exporter="none", sample_ratio=0.0))
    interceptor = MeshInterceptor(RpcMetrics(telemetry.registry), telemetry)
    server = grpc.aio.server(interceptors=[interceptor], options=SERVER_OPTIONS)
    add_RadarServiceServicer_to_server(source, server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield bound
    finally:
        await server.stop(0)
