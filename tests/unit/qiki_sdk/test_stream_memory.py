"""A stream retains none of the events that it has read, however long it runs."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest

from qiki.common.v1.stream_pb2 import EventContext
from qiki.radar.v1.radar_pb2 import RadarFrame
from qiki.radar.v1.radar_service_pb2 import WatchFramesRequest, WatchFramesResponse
from qiki_sdk.stream import Stream

EVENTS = 60_000
# A token of 60 characters for each event would be more than three times this.
MAX_GROWTH_KIB = 1_024


class EndlessCall:
    """A call that answers with one event after another, each with a token of its own."""

    def __init__(self) -> None:
        self._sent = 0

    async def read(self) -> Any:
        await asyncio.sleep(0)  # yields to the loop, as a real call does, so that it clears its timers
        self._sent += 1
        return WatchFramesResponse(
            resume_token=f"{self._sent:060d}", context=EventContext(sequence=self._sent), frame=RadarFrame()
        )

    def cancel(self) -> None:
        """Do nothing: there is no call to cancel."""


def resident_kib() -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="resident memory is read from /proc")
@pytest.mark.asyncio
async def test_memory_does_not_grow_with_the_events_read() -> None:
    stream = Stream[RadarFrame](lambda _request: EndlessCall(), WatchFramesRequest())
    read, before_kib = 0, 0
    async for event in stream:
        read += 1
        if read == EVENTS // 4:
            before_kib = resident_kib()
        if read == EVENTS:
            assert event.resume_token == stream.resume_token == f"{EVENTS:060d}"
            break
    assert resident_kib() - before_kib < MAX_GROWTH_KIB


@pytest.mark.asyncio
async def test_a_reopened_stream_resumes_after_the_last_event_and_keeps_the_rest_of_its_request() -> None:
    asked: list[WatchFramesRequest] = []

    class BrokenCall(EndlessCall):
        async def read(self) -> Any:
            if self._sent == 2:
                return grpc.aio.EOF
            return await super().read()

    def watch(request: WatchFramesRequest) -> BrokenCall:
        asked.append(request)
        return BrokenCall()

    count = 0
    async for _event in Stream[RadarFrame](watch, WatchFramesRequest(from_oldest=True, reader="somebody")):
        count += 1
        if count == 3:
            break
    assert asked[0] == WatchFramesRequest(from_oldest=True, reader="somebody")
    assert asked[1] == WatchFramesRequest(from_oldest=True, reader="somebody", resume_token=f"{2:060d}")
