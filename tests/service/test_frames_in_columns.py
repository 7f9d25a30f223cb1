"""Frames in columns over a real socket: the same events in another layout, and the same tracks to the byte."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

import svc_tracker.wiring
from mesh.feeds.feed import Feed
from mesh.feeds.token import decode, short_digest
from mesh.serving.runtime import ServiceParts
from mesh.serving.server import GrpcService
from qiki.radar.v1 import radar_service_pb2 as pb
from qiki.radar.v1.radar_pb2 import RadarFrame
from qiki.radar.v1.radar_service_pb2_grpc import RadarServiceServicer, add_RadarServiceServicer_to_server
from qiki_sdk import Stream
from qiki_sdk.columns import detection_columns
from svc_tracker.config import TrackerSettings
from watch_cases import DERIVED_CASES, WAIT_S, Served, running, serve, service_context

pytestmark = pytest.mark.asyncio

FRAMES = next(case for case in DERIVED_CASES if case.feed_name == "frames")


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(FRAMES, tmp_path) as radar:
        yield radar


async def take(served: Served, count: int, **fields: Any) -> list[pb.WatchFramesResponse]:
    """Return the next frames of a new stream."""
    found: list[pb.WatchFramesResponse] = []
    call = served.watch(**fields)
    async with asyncio.timeout(WAIT_S):
        while len(found) < count:
            response = await call.read()
            if response.WhichOneof("event") == "frame":
                found.append(response)
    call.cancel()
    return found


def without_detections(response: pb.WatchFramesResponse) -> bytes:
    """Return all of a response but the detections, in either layout."""
    rest = pb.WatchFramesResponse()
    rest.CopyFrom(response)
    rest.frame.ClearField("detections")
    rest.frame.ClearField("detection_columns")
    return rest.SerializeToString(deterministic=True)


async def test_a_reader_that_asks_for_columns_gets_the_same_events_with_their_detections_as_columns(
    served: Served,
) -> None:
    count = await served.produce(12)
    plain = await take(served, count, from_oldest=True)
    columnar = await take(served, count, from_oldest=True, columns=True)
    assert any(response.frame.detections for response in plain)
    for one, other in zip(plain, columnar, strict=True):
        assert without_detections(other) == without_detections(one)
        assert not other.frame.detections
        assert not one.frame.HasField("detection_columns")
        found, expected = other.frame.detection_columns, detection_columns(one.frame)
        assert len(found.range_m) == len(one.frame.detections)
        for field in expected.DESCRIPTOR.fields:
            if field.is_repeated:
                values = [getattr(detection, field.name) for detection in one.frame.detections]
                assert list(getattr(found, field.name)) in ([], values)
                assert getattr(found, field.name) or not any(values)
        assert found.range_band == expected.range_band


async def test_the_digest_in_a_token_is_of_the_payload_in_messages_whichever_layout_is_read(served: Served) -> None:
    count = await served.produce(4)
    plain = await take(served, count, from_oldest=True)
    columnar = await take(served, count, from_oldest=True, columns=True)
    for one, other in zip(plain, columnar, strict=True):
        assert decode(other.resume_token).digest == short_digest(one.frame.SerializeToString(deterministic=True))


async def test_a_stream_can_resume_in_the_other_layout(served: Served) -> None:
    count = await served.produce(8)
    plain = await take(served, 3, from_oldest=True)
    columnar = await take(served, 2, resume_token=plain[-1].resume_token, columns=True)
    rest = await take(served, count - 5, resume_token=columnar[-1].resume_token)
    assert [each.context.sequence for each in (*plain, *columnar, *rest)] == list(range(1, count + 1))


async def test_the_clients_stream_asks_for_columns_again_after_a_disconnect(served: Served) -> None:
    await served.produce(6)
    stream: Stream[RadarFrame] = Stream(served.stub.WatchFrames, pb.WatchFramesRequest(from_oldest=True, columns=True))
    layouts = []
    for _ in range(2):
        async for event in stream:
            layouts.append(event.payload.HasField("detection_columns"))
            break
    assert layouts == [True, True]


# -- the same tracks ---------------------------------------------------------------------------------------------------


class OlderRadar(RadarServiceServicer):
    """A radar without support for columns: forwards another radar's stream requested without them."""

    def __init__(self, stub: Any) -> None:
        self._stub = stub
        self.asked: list[bool] = []

    async def WatchFrames(self, request: pb.WatchFramesRequest, context: Any) -> AsyncIterator[pb.WatchFramesResponse]:
        self.asked.append(request.columns)
        request.columns = False
        call = self._stub.WatchFrames(request)
        try:
            async for response in call:
                yield response
        finally:
            call.cancel()

    async def ConfirmFrames(self, request: pb.ConfirmFramesRequest, context: Any) -> pb.ConfirmFramesResponse:
        response: pb.ConfirmFramesResponse = await self._stub.ConfirmFrames(request)
        return response

    async def GetRun(self, request: pb.GetRunRequest, context: Any) -> pb.GetRunResponse:
        response: pb.GetRunResponse = await self._stub.GetRun(request)
        return response


def tracker(port: int) -> ServiceParts:
    settings = TrackerSettings(radar_target=f"127.0.0.1:{port}", grpc_port=0, http_port=0, registrar_target="")
    base = service_context()
    return svc_tracker.wiring.build(settings, base)


def bodies(feed: Feed) -> list[bytes]:
    entries = [feed.store.get(sequence) for sequence in range(1, feed.store.last_sequence + 1)]
    return [entry.digest for entry in entries if entry is not None]


async def test_a_tracker_asks_for_columns_and_makes_the_same_tracks_of_messages(served: Served) -> None:
    older = OlderRadar(served.stub)  # type: ignore[abstract]  # its other RPCs are not asked for
    parts = ServiceParts(mounts=[GrpcService("qiki.radar.v1.RadarService", add_RadarServiceServicer_to_server, older)])
    async with AsyncExitStack() as stack:
        of_columns = tracker(served.server.port)
        of_messages = tracker((await stack.enter_async_context(running(parts))).port)
        for each in (of_columns, of_messages):
            await stack.enter_async_context(running(each, each.loops))
        count = await served.produce(24)
        for each in (of_columns, of_messages):
            async with asyncio.timeout(WAIT_S):
                while each.feeds[0].store.last_sequence < count:
                    await each.feeds[0].change.wait(0.05)
        assert older.asked == [True]
        assert bodies(of_columns.feeds[0]) == bodies(of_messages.feeds[0])
        assert len(bodies(of_columns.feeds[0])) == count
