"""The servicer: validate, translate, call, translate."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeAlias

import grpc

from mesh.feeds.watch import confirm, watch
from mesh.serving.errors import InvalidFieldError, NotFoundError, RunUnknownError, TruthNotServedError
from qiki.radar.v1 import radar_service_pb2 as pb
from qiki.radar.v1.radar_service_pb2_grpc import RadarServiceServicer
from svc_radar.fold import Feeds

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class RadarServicer(RadarServiceServicer):
    """The API of one feed of frames, and of their ground truth if it is served."""

    def __init__(self, feeds: Feeds, sensor_ids: Sequence[str], heartbeat_s: float) -> None:
        self._frames = feeds.frames
        self._truth = feeds.truth
        self._sensor_ids = tuple(sensor_ids)
        self._heartbeat_s = heartbeat_s

    async def WatchFrames(
        self, request: pb.WatchFramesRequest, context: _Context
    ) -> AsyncIterator[pb.WatchFramesResponse]:
        """Stream frames."""
        for index, sensor_id in enumerate(request.filter.sensor_ids):
            self._check_sensor(f"filter.sensor_ids[{index}]", sensor_id)
        wanted = frozenset(request.filter.sensor_ids)
        accept = (lambda entry: entry.subject in wanted) if wanted else None
        responses = watch(
            self._frames, request, pb.WatchFramesResponse, self._heartbeat_s, accept, columns=request.columns
        )
        async for response in responses:
            yield response

    async def ConfirmFrames(self, request: pb.ConfirmFramesRequest, context: _Context) -> pb.ConfirmFramesResponse:
        """Accept a required reader's confirmation."""
        sequence = await confirm(self._frames, request)
        return pb.ConfirmFramesResponse(confirmed_sequence=sequence)

    async def WatchTruth(
        self, request: pb.WatchTruthRequest, context: _Context
    ) -> AsyncIterator[pb.WatchTruthResponse]:
        """Stream the ground truth of the frames' detections."""
        if self._truth is None:
            raise TruthNotServedError("truth: not served here; for tests, start the radar with serve_truth")
        async for response in watch(self._truth, request, pb.WatchTruthResponse, self._heartbeat_s):
            yield response

    async def GetFrame(self, request: pb.GetFrameRequest, context: _Context) -> pb.GetFrameResponse:
        """Return the newest frame."""
        self._known_run()
        if request.sensor_id:
            self._check_sensor("sensor_id", request.sensor_id)
        entry = self._frames.newest(lambda entry: request.sensor_id in ("", entry.subject))
        if entry is None:
            raise NotFoundError("no frame yet: the first scan has not ended")
        response = pb.WatchFramesResponse.FromString(entry.response)
        return pb.GetFrameResponse(resume_token=response.resume_token, context=response.context, frame=response.frame)

    async def GetRun(self, request: pb.GetRunRequest, context: _Context) -> pb.GetRunResponse:
        """Return the run."""
        self._known_run()
        return pb.GetRunResponse(run=self._frames.run)

    def _known_run(self) -> None:
        if self._frames.run is None:
            raise RunUnknownError("frames: waits for svc_sim to tell the run; try again")

    def _check_sensor(self, field: str, sensor_id: str) -> None:
        if sensor_id not in self._sensor_ids:
            raise InvalidFieldError(field, f"no sensor {sensor_id!r}; known: {', '.join(self._sensor_ids)}")
