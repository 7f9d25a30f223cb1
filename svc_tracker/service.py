"""The servicer: validates and translates a request, calls the domain, translates the result."""

import asyncio
import re
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from typing import Any, TypeAlias

import grpc

from mesh.feeds.watch import confirm, watch
from mesh.serving.errors import InvalidFieldError, LimitReachedError, NotFoundError, RunUnknownError
from qiki.tracker.v1 import tracker_service_pb2 as pb
from qiki.tracker.v1.tracker_service_pb2_grpc import TrackerServiceServicer
from svc_tracker.config import Rules
from svc_tracker.fold import Outputs
from svc_tracker.metrics import SessionMetrics
from svc_tracker.session import Session

MAX_SESSIONS = 16
# Sessions share one thread, frame by frame in turn: so the event loop gets its share of the interpreter immediately.
SESSION_THREADS = 1
_INDEX = re.compile(r"\[\d+\]")
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class TrackerServicer(TrackerServiceServicer):
    """Servicer of the feeds of tracks and of alarms, and of sessions."""

    def __init__(
        self, outputs: Outputs, rules: Rules, metrics: SessionMetrics, sessions: Executor, heartbeat_s: float
    ) -> None:
        """Serve these feeds; the executor `sessions` processes the frames of sessions."""
        self._tracks = outputs.tracks
        self._guard = outputs.guard
        self._model = rules.model
        self._rule_names = tuple(rule.name for rule in rules.guard)
        self._heartbeat_s = heartbeat_s
        self._executor = sessions
        self._sessions = 0
        self._metrics = metrics

    async def WatchTracks(
        self, request: pb.WatchTracksRequest, context: _Context
    ) -> AsyncIterator[pb.WatchTracksResponse]:
        """Stream track sets."""
        every = request.filter.every_nth_frame
        accept = (lambda entry: entry.input_sequence % every == 0) if every > 1 else None
        async for response in watch(self._tracks, request, pb.WatchTracksResponse, self._heartbeat_s, accept):
            yield response

    async def ConfirmTracks(self, request: pb.ConfirmTracksRequest, context: _Context) -> pb.ConfirmTracksResponse:
        """Accept a required reader's confirmation."""
        sequence = await confirm(self._tracks, request)
        return pb.ConfirmTracksResponse(confirmed_sequence=sequence)

    async def GetTracks(self, request: pb.GetTracksRequest, context: _Context) -> pb.GetTracksResponse:
        """Return the newest set."""
        self._known_run()
        ring = self._tracks.store
        entry = ring.get(ring.last_sequence)
        if entry is None:
            raise NotFoundError("no tracks yet: the first frame has not come")
        last = pb.WatchTracksResponse.FromString(entry.response)
        first = max(ring.oldest_sequence, ring.last_sequence - last.track_set.parts + 1)
        entries = [ring.get(sequence) for sequence in range(first, ring.last_sequence + 1)]
        sets = [pb.WatchTracksResponse.FromString(each.response).track_set for each in entries if each is not None]
        return pb.GetTracksResponse(resume_token=last.resume_token, context=last.context, track_sets=sets)

    async def WatchGuard(
        self, request: pb.WatchGuardRequest, context: _Context
    ) -> AsyncIterator[pb.WatchGuardResponse]:
        """Stream guard events."""
        for index, rule in enumerate(request.filter.rules):
            if rule not in self._rule_names:
                known = ", ".join(self._rule_names) or "none"
                raise InvalidFieldError(f"filter.rules[{index}]", f"no rule {rule!r}; known: {known}")
        wanted = frozenset(request.filter.rules)
        accept = (lambda entry: entry.subject in wanted) if wanted else None
        async for response in watch(self._guard, request, pb.WatchGuardResponse, self._heartbeat_s, accept):
            yield response

    async def ConfirmGuard(self, request: pb.ConfirmGuardRequest, context: _Context) -> pb.ConfirmGuardResponse:
        """Accept a required reader's confirmation."""
        return pb.ConfirmGuardResponse(confirmed_sequence=await confirm(self._guard, request))

    async def GetRun(self, request: pb.GetRunRequest, context: _Context) -> pb.GetRunResponse:
        """Return the run."""
        self._known_run()
        return pb.GetRunResponse(run=self._tracks.run)

    async def TrackFrames(
        self, request_iterator: AsyncIterator[pb.TrackFramesRequest], context: _Context
    ) -> AsyncIterator[pb.TrackFramesResponse]:
        """Run one session.

        A session has at most one frame in the executor's queue, which is processed in order: so the sessions take
        turns, however many frames one has sent ahead. A client that disconnects frees its session immediately, and its
        frame leaves the queue unless it is being processed.
        """
        if self._sessions >= MAX_SESSIONS:
            raise LimitReachedError(f"{MAX_SESSIONS} sessions are open already", limit=str(MAX_SESSIONS))
        self._sessions += 1
        session, loop = None, asyncio.get_running_loop()
        try:
            async for request in request_iterator:
                if session is None:
                    session = Session(_session_of(request), self._model)
                    continue
                if request.WhichOneof("request") != "frame":
                    raise InvalidFieldError("frame", "after its first message a session takes frames alone")
                responses = await loop.run_in_executor(self._executor, session.answer, request.frame)
                self._count(responses[0])
                for response in responses:
                    yield response
        finally:
            self._sessions -= 1

    def _count(self, response: pb.TrackFramesResponse) -> None:
        """Count a frame by the first response to it; a refused one by its field, whichever detection it belongs to."""
        self._metrics.frames.inc(response.WhichOneof("response") or "")
        if response.HasField("rejection"):
            self._metrics.refusals.inc(_INDEX.sub("[]", response.rejection.field))

    def _known_run(self) -> None:
        if self._tracks.run is None:
            raise RunUnknownError("tracks: waits for svc_radar to tell the run; try again")


def _session_of(request: pb.TrackFramesRequest) -> pb.Session:
    if request.WhichOneof("request") != "session":
        raise InvalidFieldError("session", "the first message must say what the session is about")
    return request.session
