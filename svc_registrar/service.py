"""The servicer: validates and translates a request, calls the domain, translates the result."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeAlias

import grpc

from mesh.feeds.store import Entry
from mesh.feeds.watch import confirm, watch
from mesh.serving.errors import InvalidFieldError
from mesh.threads import finish_in_thread
from qiki.common.v1.error_pb2 import ErrorReason
from qiki.registrar.v1 import registrar_service_pb2 as pb
from qiki.registrar.v1.registrar_service_pb2_grpc import RegistrarServiceServicer
from qiki_sdk.codes import MAX_EVENTS_A_REQUEST
from svc_registrar import listing, proofs, wire
from svc_registrar.domain.audit_record import InvalidEventError
from svc_registrar.domain.index import Matcher, Query
from svc_registrar.feed import LogFeed
from svc_registrar.log.log import Log
from svc_registrar.producers import ProducerPositions
from svc_registrar.recorder import ContradictionError, Recorder

# Events of a request that are checked before other work gets its turn: some milliseconds.
CHECKED_AT_ONCE = 64
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class RegistrarServicer(RegistrarServiceServicer):
    """Servicer of one log."""

    def __init__(
        self,
        log: Log,
        log_feed: LogFeed,
        recorder: Recorder,
        *,
        producers: ProducerPositions,
        heartbeat_s: float,
    ) -> None:
        self._log = log
        self._feed = log_feed.feed
        self._run = log_feed.run
        self._recorder = recorder
        self._producers = producers
        self._heartbeat_s = heartbeat_s
        self._pages = listing.Pages(log_feed, log.index)

    async def RecordEvents(self, request: pb.RecordEventsRequest, context: _Context) -> pb.RecordEventsResponse:
        """Record events."""
        if not 1 <= len(request.events) <= MAX_EVENTS_A_REQUEST:
            count = len(request.events)
            raise InvalidFieldError("events", f"holds {count} events, 1 to {MAX_EVENTS_A_REQUEST} are taken")
        checked = await _check_all(request.events)
        answers = iter(await self._record(request, checked))
        results = (
            pb.RecordEventsResult(rejection=item) if isinstance(item, pb.Rejection) else _result(index, next(answers))
            for index, item in enumerate(checked)
        )
        return pb.RecordEventsResponse(results=results)

    async def _record(
        self, request: pb.RecordEventsRequest, checked: Sequence[wire.Submission | pb.Rejection]
    ) -> list[pb.Receipt | ContradictionError]:
        """Record what can be recorded, and each gap of a producer before the event behind it; return the answers."""
        answered = request.answered_sequence if request.HasField("answered_sequence") else None
        gaps = dict(self._producers.take(request.events, answered))
        submissions: list[wire.Submission] = []
        own: set[int] = set()
        for index, item in enumerate(checked):
            if index in gaps:
                own.add(len(submissions))
                submissions.append(wire.to_submission(gaps[index]))
            if isinstance(item, wire.Submission):
                submissions.append(item)
        try:
            answers = await self._recorder.record(submissions)
        except BaseException:
            self._producers.failed(request.events)
            raise
        self._producers.recorded(request.events)
        return [answer for number, answer in enumerate(answers) if number not in own]

    async def ListEvents(self, request: pb.ListEventsRequest, context: _Context) -> pb.ListEventsResponse:
        """Return a page of events."""
        if request.page_size > listing.MAX_PAGE:
            raise InvalidFieldError("page_size", f"is {request.page_size}, at most {listing.MAX_PAGE} are given")
        query = _query(request.filter) or Query()
        place = self._feed.resolve(request.resume_token) if request.resume_token else None
        page_request = listing.ListRequest(
            query, request.page_size or listing.DEFAULT_PAGE, place, request.newest_first
        )
        return await self._pages.page(page_request)

    async def WatchEvents(
        self, request: pb.WatchEventsRequest, context: _Context
    ) -> AsyncIterator[pb.WatchEventsResponse]:
        """Stream events."""
        query = _query(request.filter)

        matcher = Matcher(query or Query())

        def accept(entry: Entry) -> bool:
            if not self._log.index.accepts(entry.sequence, matcher):
                return False
            text = query.text if query else ""
            return not text or wire.has_text(pb.WatchEventsResponse.FromString(entry.response).audit_event, text)

        accepts = accept if query else None
        async for response in watch(self._feed, request, pb.WatchEventsResponse, self._heartbeat_s, accepts):
            yield response

    async def ConfirmEvents(self, request: pb.ConfirmEventsRequest, context: _Context) -> pb.ConfirmEventsResponse:
        """Accept a required reader's confirmation."""
        sequence = await confirm(self._feed, request)
        return pb.ConfirmEventsResponse(confirmed_sequence=sequence)

    async def GetLog(self, request: pb.GetLogRequest, context: _Context) -> pb.GetLogResponse:
        """Return the log's description."""
        run, last_sequence = self._run, self._feed.store.last_sequence
        return pb.GetLogResponse(
            log_id=run.run_id,
            created=run.created,
            bot_id=run.bot_id,
            last_sequence=last_sequence,
            size_bytes=self._log.size_bytes,
            resume_token=self._feed.place(last_sequence).encode(),
        )

    async def GetCheckpoint(self, request: pb.GetCheckpointRequest, context: _Context) -> pb.GetCheckpointResponse:
        """Return the newest checkpoint."""
        return proofs.checkpoint(self._log)

    async def GetInclusionProof(
        self, request: pb.GetInclusionProofRequest, context: _Context
    ) -> pb.GetInclusionProofResponse:
        """Return the proof that an event is in a tree."""
        return await finish_in_thread(proofs.inclusion, self._log, request)

    async def GetConsistencyProof(
        self, request: pb.GetConsistencyProofRequest, context: _Context
    ) -> pb.GetConsistencyProofResponse:
        """Return the proof that the log only grew."""
        return await finish_in_thread(proofs.consistency, self._log, request)

    async def GetRun(self, request: pb.GetRunRequest, context: _Context) -> pb.GetRunResponse:
        """Return the log as a run."""
        return pb.GetRunResponse(run=self._run)


async def _check_all(events: Sequence[pb.AuditEvent]) -> list[wire.Submission | pb.Rejection]:
    """Check the events of a request; those of a large one in a thread, slice by slice."""
    if len(events) <= CHECKED_AT_ONCE:
        return _check_slice(events, 0)
    checked: list[wire.Submission | pb.Rejection] = []
    for first in range(0, len(events), CHECKED_AT_ONCE):
        checked += await finish_in_thread(_check_slice, events[first : first + CHECKED_AT_ONCE], first)
    return checked


def _check_slice(events: Sequence[pb.AuditEvent], first: int) -> list[wire.Submission | pb.Rejection]:
    return [_check(index, event) for index, event in enumerate(events, first)]


def _check(index: int, event: pb.AuditEvent) -> wire.Submission | pb.Rejection:
    try:
        return wire.to_submission(event)
    except InvalidEventError as error:
        return _rejection(index, error.field, error.problem)


def _result(index: int, answer: pb.Receipt | ContradictionError) -> pb.RecordEventsResult:
    if isinstance(answer, ContradictionError):
        return pb.RecordEventsResult(rejection=_rejection(index, "event_id", str(answer)))
    return pb.RecordEventsResult(receipt=answer)


def _rejection(index: int, field: str, problem: str) -> pb.Rejection:
    name = f"events[{index}].{field}" if field else f"events[{index}]"
    return pb.Rejection(field=name, reason=ErrorReason.ERROR_REASON_INVALID_FIELD, message=f"{name}: {problem}")


def _query(page_request: pb.EventsFilter) -> Query | None:
    try:
        return wire.to_query(page_request)
    except InvalidEventError as error:
        raise InvalidFieldError(error.field, error.problem) from None
