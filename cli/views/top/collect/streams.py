"""The streams that the view reads through the SDK: tracks, frames and audit events."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import grpc

from cli.views.top.collect.endpoints import Endpoints
from mesh.tasks import raise_if_cancelled
from qiki.radar.v1.radar_pb2 import RadarFrame
from qiki.radar.v1.radar_service_pb2 import WatchFramesRequest
from qiki.radar.v1.radar_service_pb2_grpc import RadarServiceStub
from qiki.radar.v1.track_pb2 import TrackSet
from qiki.registrar.v1.registrar_service_pb2 import AuditEvent, ListEventsRequest, WatchEventsRequest
from qiki.registrar.v1.registrar_service_pb2_grpc import RegistrarServiceStub
from qiki.tracker.v1.tracker_service_pb2 import GetTracksRequest, GetTracksResponse, WatchTracksRequest
from qiki.tracker.v1.tracker_service_pb2_grpc import TrackerServiceStub
from qiki_sdk import QikiError, Stream, StreamSettings, connect

RETRY_S: Final = 1.0
UNARY_LIMIT_S: Final = 2.0
AUDIT_PAGE: Final = 200
# Beyond so many failed openings the address is read again: the mesh may have been started again on other ports.
SETTINGS: Final = StreamSettings(max_tries=3)
CONNECTED: Final = ""

OnState = Callable[[str], None]
ReadEndpoints = Callable[[], Endpoints]


async def list_tracks(endpoints: Endpoints) -> list[tuple[TrackSet, float]]:
    """Return the parts of the newest track set with its time on the monotonic clock; none without an address.

    Raises AioRpcError where the tracker gives no answer.
    """
    if "tracker" not in endpoints:
        return []
    async with connect(endpoints["tracker"].grpc) as channel:
        return _with_time(await TrackerServiceStub(channel).GetTracks(GetTracksRequest(), timeout=UNARY_LIMIT_S))


async def list_audit(endpoints: Endpoints, count: int) -> list[AuditEvent]:
    """Return the newest recorded events, newest first; none without an address.

    Raises AioRpcError where the registrar gives no answer.
    """
    if "registrar" not in endpoints:
        return []
    async with connect(endpoints["registrar"].grpc) as channel:
        request = ListEventsRequest(page_size=count, newest_first=True)
        page = await RegistrarServiceStub(channel).ListEvents(request, timeout=UNARY_LIMIT_S)
    return [event.audit_event for event in page.events]


async def watch_tracks(endpoints: ReadEndpoints, take: Callable[[TrackSet, float], None], on_state: OnState) -> None:
    """Pass every part of every track set to `take`, with its time on the monotonic clock, until cancelled."""

    async def read(channel: grpc.aio.Channel) -> None:
        stub = TrackerServiceStub(channel)
        newest = await stub.GetTracks(GetTracksRequest(), timeout=UNARY_LIMIT_S)
        for part, at_s in _with_time(newest):
            take(part, at_s)
        request = WatchTracksRequest(resume_token=newest.resume_token)
        async for event in Stream[TrackSet](stub.WatchTracks, request, SETTINGS, _reporter(on_state)):
            take(event.payload, time.monotonic())

    await _again_and_again("tracker", endpoints, read, on_state)


async def watch_frames(endpoints: ReadEndpoints, take: Callable[[RadarFrame, float], None], on_state: OnState) -> None:
    """Pass every frame to `take`, with its time on the monotonic clock, until cancelled."""

    async def read(channel: grpc.aio.Channel) -> None:
        request = WatchFramesRequest(columns=True)
        stub = RadarServiceStub(channel)
        async for event in Stream[RadarFrame](stub.WatchFrames, request, SETTINGS, _reporter(on_state)):
            take(event.payload, time.monotonic())

    await _again_and_again("radar", endpoints, read, on_state)


async def watch_audit(
    endpoints: ReadEndpoints, take: Callable[[Sequence[AuditEvent]], None], on_state: OnState
) -> None:
    """Pass the newest recorded events, newest first, and then every further one to `take`, until cancelled."""

    async def read(channel: grpc.aio.Channel) -> None:
        stub = RegistrarServiceStub(channel)
        request = ListEventsRequest(page_size=AUDIT_PAGE, newest_first=True)
        page = await stub.ListEvents(request, timeout=UNARY_LIMIT_S)
        take([event.audit_event for event in page.events])
        watch = WatchEventsRequest(
            resume_token=page.events[0].resume_token if page.events else "", from_oldest=not page.events
        )
        async for event in Stream[AuditEvent](stub.WatchEvents, watch, SETTINGS, _reporter(on_state)):
            take([event.payload])

    await _again_and_again("registrar", endpoints, read, on_state)


async def _again_and_again(
    service: str, endpoints: ReadEndpoints, read: Callable[[grpc.aio.Channel], Awaitable[None]], on_state: OnState
) -> None:
    """Connect and read until cancelled; whatever ends the reading is reported, and after RETRY_S it starts again."""
    while True:
        raise_if_cancelled()
        endpoint = endpoints().get(service)
        if endpoint is None:
            on_state(f"{service}: no address known")
        else:
            try:
                async with connect(endpoint.grpc) as channel:
                    await read(channel)
                on_state("the run has ended")
            except QikiError as error:
                on_state(explain(service, error.code, error.message))
            except grpc.aio.AioRpcError as error:
                on_state(explain(service, error.code(), error.details() or ""))
        await asyncio.sleep(RETRY_S)


def explain(service: str, code: grpc.StatusCode, details: str) -> str:
    """Return why a service gave no answer, in a few words."""
    if code is grpc.StatusCode.UNAVAILABLE and "connect" in details:
        return f"no connection to {service}"
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"no answer from {service}"
    return f"{service}: {code.name}: {details}"


def _with_time(newest: GetTracksResponse) -> list[tuple[TrackSet, float]]:
    """Return the parts with the time of their production: the newest set of a tracker that stopped is old."""
    age_s = max(0.0, time.time() - newest.context.recorded_time.ToNanoseconds() / 1e9)
    return [(part, time.monotonic() - age_s) for part in newest.track_sets]


def _reporter(on_state: OnState) -> OnState:
    """Return a listener to a stream's states: connected is the normal one, and needs no words."""
    return lambda state: on_state(CONNECTED if state == "connected" else state.partition("; last error")[0])
