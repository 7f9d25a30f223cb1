"""The servicer: validate, translate, call, translate."""

from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import grpc
from prometheus_client import CollectorRegistry, Counter

from mesh.errors import InvalidFieldError, LimitReachedError, NotFoundError, RunUnknownError
from mesh.feed import Feed
from mesh.watch import watch
from qiki.tracker.v1 import tracker_service_pb2 as pb
from qiki.tracker.v1.tracker_service_pb2_grpc import TrackerServiceServicer
from svc_tracker.session import Session

MAX_SESSIONS = 16
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class TrackerServicer(TrackerServiceServicer):
    """Answers for one feed of tracks, and opens sessions."""

    def __init__(self, tracks: Feed, registry: CollectorRegistry, heartbeat_s: float) -> None:
        self._tracks = tracks
        self._heartbeat_s = heartbeat_s
        self._sessions = 0
        self._frames = Counter(
            "qiki_tracker_session_frames", "Frames pushed to sessions.", ["outcome"], registry=registry
        )

    async def WatchTracks(
        self, request: pb.WatchTracksRequest, context: _Context
    ) -> AsyncIterator[pb.WatchTracksResponse]:
        """Stream track sets."""
        every = request.filter.every_nth_frame
        accept = None
        if every > 1:

            def accept(entry: Any) -> bool:
                track_set = pb.WatchTracksResponse.FromString(entry.response).track_set
                return bool(track_set.frame_sequence % every == 0)

        async for response in watch(self._tracks, request, pb.WatchTracksResponse, self._heartbeat_s, accept):
            yield response

    async def ConfirmTracks(self, request: pb.ConfirmTracksRequest, context: _Context) -> pb.ConfirmTracksResponse:
        """Take a required reader's confirmation."""
        sequence = self._tracks.confirm(request.reader, request.resume_token)
        return pb.ConfirmTracksResponse(confirmed_sequence=sequence)

    async def GetTracks(self, request: pb.GetTracksRequest, context: _Context) -> pb.GetTracksResponse:
        """Answer the newest set."""
        self._known_run()
        ring = self._tracks.ring
        entry = ring.get(ring.last_sequence)
        if entry is None:
            raise NotFoundError("no tracks yet: the first frame has not come")
        last = pb.WatchTracksResponse.FromString(entry.response)
        first = max(ring.oldest_sequence, ring.last_sequence - last.track_set.parts + 1)
        entries = [ring.get(sequence) for sequence in range(first, ring.last_sequence + 1)]
        sets = [pb.WatchTracksResponse.FromString(each.response).track_set for each in entries if each is not None]
        return pb.GetTracksResponse(resume_token=last.resume_token, context=last.context, track_sets=sets)

    async def GetRun(self, request: pb.GetRunRequest, context: _Context) -> pb.GetRunResponse:
        """Tell the run."""
        self._known_run()
        return pb.GetRunResponse(run=self._tracks.run)

    async def TrackFrames(
        self, request_iterator: AsyncIterator[pb.TrackFramesRequest], context: _Context
    ) -> AsyncIterator[pb.TrackFramesResponse]:
        """Run one session."""
        if self._sessions >= MAX_SESSIONS:
            raise LimitReachedError(f"{MAX_SESSIONS} sessions are open already", limit=str(MAX_SESSIONS))
        self._sessions += 1
        session: Session | None = None
        try:
            async for request in request_iterator:
                if session is None:
                    session = Session(_session_of(request))
                    continue
                if request.WhichOneof("request") != "frame":
                    raise InvalidFieldError("frame", "after its first message a session takes frames alone")
                for response in session.answer(request.frame):
                    self._frames.labels(response.WhichOneof("response") or "").inc()
                    yield response
        finally:
            self._sessions -= 1

    def _known_run(self) -> None:
        if self._tracks.run is None:
            raise RunUnknownError("tracks: waits for svc_radar to tell the run; try again")


def _session_of(request: pb.TrackFramesRequest) -> pb.Session:
    if request.WhichOneof("request") != "session":
        raise InvalidFieldError("session", "the first message must say what the session is about")
    return request.session
