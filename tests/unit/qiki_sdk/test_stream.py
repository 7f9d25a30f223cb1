import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.serving.errors import MeshError, RunChangedError, RunUnknownError, to_status
from qiki.common.v1.stream_pb2 import Draining, Ended, EventContext, Heartbeat
from qiki.radar.v1.radar_pb2 import RadarFrame
from qiki.radar.v1.radar_service_pb2 import WatchFramesRequest, WatchFramesResponse
from qiki.radar.v1.radar_service_pb2_grpc import (
    RadarServiceServicer,
    RadarServiceStub,
    add_RadarServiceServicer_to_server,
)
from qiki_sdk import Backoff, Event, Idle, QikiError, Stream, StreamSettings, connect
from qiki_sdk import RunChangedError as SdkRunChangedError
from qiki_sdk.channel import SERVER_OPTIONS
from qiki_sdk.stream import TRANSIENT

WAIT_S = 20.0
AT_ONCE = Backoff(first_s=0.0, cap_s=0.0, floor_s=0.0)
SETTINGS = StreamSettings(silence_s=10.0, backoff=AT_ONCE)
# A server's script for one call: yields responses, ends, or raises.
Behaviour = Callable[[WatchFramesRequest, Any], AsyncIterator[WatchFramesResponse]]


def token(place: int) -> str:
    return f"after {place}"


def frame(place: int) -> WatchFramesResponse:
    context = EventContext(sequence=place)
    return WatchFramesResponse(resume_token=token(place), context=context, frame=RadarFrame(scan_number=place))


def heartbeat(place: int) -> WatchFramesResponse:
    return WatchFramesResponse(resume_token=token(place), heartbeat=Heartbeat(last_sequence=place))


def ended(place: int) -> WatchFramesResponse:
    return WatchFramesResponse(resume_token=token(place), ended=Ended(last_sequence=place))


def draining(place: int) -> WatchFramesResponse:
    return WatchFramesResponse(resume_token=token(place), draining=Draining())


def says(*responses: WatchFramesResponse, then: Exception | grpc.StatusCode | None = None) -> Behaviour:
    """Send these responses, then end the call: normally, with a status, or with a refusal of the mesh."""

    async def behave(request: WatchFramesRequest, context: Any) -> AsyncIterator[WatchFramesResponse]:
        for response in responses:
            yield response
        if isinstance(then, MeshError):
            details = (("grpc-status-details-bin", to_status(then).SerializeToString()),)
            await context.abort(then.code, then.message, details)
        elif isinstance(then, grpc.StatusCode):
            await context.abort(then, "as the test wants it")
        elif then is not None:
            raise then

    return behave


def says_and_falls_silent(*responses: WatchFramesResponse) -> Behaviour:
    async def behave(request: WatchFramesRequest, context: Any) -> AsyncIterator[WatchFramesResponse]:
        for response in responses:
            yield response
        await asyncio.Event().wait()

    return behave


@dataclass
class Misbehaving(RadarServiceServicer):
    """A server that runs the next script for each call; keeps the requests and the open calls."""

    behaviours: list[Behaviour]
    requests: list[WatchFramesRequest] = field(default_factory=list)
    open_calls: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def WatchFrames(self, request: WatchFramesRequest, context: Any) -> AsyncIterator[WatchFramesResponse]:
        self.requests.append(request)
        self.open_calls += 1
        try:
            async for response in self.behaviours.pop(0)(request, context):
                yield response
        finally:
            self.open_calls -= 1
            self.closed.set()

    @property
    def tokens(self) -> list[str]:
        """The tokens that the calls asked to resume after."""
        return [request.resume_token for request in self.requests]

    async def all_closed(self) -> None:
        async with asyncio.timeout(WAIT_S):
            while self.open_calls:
                self.closed.clear()
                await self.closed.wait()


def misbehaving(*behaviours: Behaviour) -> Misbehaving:
    return Misbehaving(list(behaviours))  # type: ignore[abstract]  # its other RPCs are not asked for


@dataclass
class Served:
    server: Misbehaving
    stub: Any

    def stream(self, settings: StreamSettings = SETTINGS, states: list[str] | None = None) -> Stream[RadarFrame]:
        on_state = None if states is None else states.append
        return Stream[RadarFrame](self.stub.WatchFrames, WatchFramesRequest(from_oldest=True), settings, on_state)


@asynccontextmanager
async def serving(*behaviours: Behaviour) -> AsyncIterator[Served]:
    servicer = misbehaving(*behaviours)
    server = grpc.aio.server(options=SERVER_OPTIONS)
    add_RadarServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with connect(f"127.0.0.1:{port}") as channel:
            yield Served(servicer, RadarServiceStub(channel))
    finally:
        await server.stop(None)


async def sequences(stream: Stream[RadarFrame]) -> list[int]:
    async with asyncio.timeout(WAIT_S):
        return [event.context.sequence async for event in stream]


# -- items of the stream -----------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_events_come_with_payload_context_and_token() -> None:
    async with serving(says(heartbeat(0), frame(1), ended(1))) as served:
        async with asyncio.timeout(WAIT_S):
            (event,) = [event async for event in served.stream()]
    assert event == Event(frame(1).frame, frame(1).context, token(1))


@pytest.mark.asyncio
async def test_heartbeats_appear_among_items_and_move_the_token() -> None:
    async with serving(says(heartbeat(0), frame(1), heartbeat(7), ended(7))) as served:
        stream = served.stream()
        async with asyncio.timeout(WAIT_S):
            kinds = [(type(item), stream.resume_token) async for item in stream.items()]
    assert kinds == [(Idle, token(0)), (Event, token(1)), (Idle, token(7))]
    assert stream.resume_token == token(7)


@pytest.mark.asyncio
async def test_the_end_of_the_run_ends_the_stream_and_iterating_again_makes_no_call() -> None:
    async with serving(says(frame(1), ended(1))) as served:
        stream = served.stream()
        assert await sequences(stream) == [1]
        assert stream.ended == Ended(last_sequence=1)
        assert await sequences(stream) == []
        assert len(served.server.requests) == 1


@pytest.mark.asyncio
async def test_an_unknown_kind_of_response_is_skipped_but_its_token_kept() -> None:
    unknown = WatchFramesResponse(resume_token=token(3))
    async with serving(says(frame(2), unknown), says(ended(3))) as served:
        assert await sequences(served.stream()) == [2]
        assert served.server.tokens == ["", token(3)]


# -- retried failures --------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_stream_closed_without_a_status_is_reopened_after_its_token() -> None:
    async with serving(says(frame(1), frame(2)), says(), says(frame(3), ended(3))) as served:
        assert await sequences(served.stream()) == [1, 2, 3]
        assert served.server.tokens == ["", token(2), token(2)]
        assert all(request.from_oldest for request in served.server.requests), "the rest of the request stays"


@pytest.mark.parametrize("code", sorted(TRANSIENT, key=str))
@pytest.mark.asyncio
async def test_a_transient_status_is_retried(code: grpc.StatusCode) -> None:
    async with serving(says(then=code), says(frame(1), then=code), says(frame(2), ended(2))) as served:
        assert await sequences(served.stream()) == [1, 2]
        assert served.server.tokens == ["", "", token(1)]


@pytest.mark.asyncio
async def test_a_server_that_fails_is_retried() -> None:
    async with serving(says(frame(1), then=RuntimeError("boom")), says(frame(2), ended(2))) as served:
        assert await sequences(served.stream()) == [1, 2]


@pytest.mark.asyncio
async def test_without_a_limit_any_number_of_consecutive_failures_is_retried() -> None:
    unavailable = [says(then=RunUnknownError("not yet")) for _ in range(25)]
    async with serving(*unavailable, says(frame(1), ended(1))) as served:
        assert await sequences(served.stream()) == [1]


@pytest.mark.asyncio
async def test_a_silent_call_is_cancelled_and_the_server_is_called_again() -> None:
    settings = StreamSettings(silence_s=0.05, backoff=AT_ONCE)
    states: list[str] = []
    async with serving(says_and_falls_silent(frame(1)), says(frame(2), ended(2))) as served:
        assert await sequences(served.stream(settings, states)) == [1, 2]
        await served.server.all_closed()
    assert states == ["connected", "DEADLINE_EXCEEDED: silent for 0.05 s", "connected"]


@pytest.mark.asyncio
async def test_a_draining_server_is_left_and_the_next_one_goes_on_after_the_token() -> None:
    """The second server binds the port of the first one."""
    first, second = misbehaving(says(frame(1), draining(1))), misbehaving(says(frame(2), ended(2)))
    old = grpc.aio.server(options=SERVER_OPTIONS)
    add_RadarServiceServicer_to_server(first, old)
    port = old.add_insecure_port("127.0.0.1:0")
    await old.start()
    async with connect(f"127.0.0.1:{port}") as channel, asyncio.timeout(WAIT_S):
        stub: Any = RadarServiceStub(channel)
        found = []
        async for event in Stream[RadarFrame](stub.WatchFrames, WatchFramesRequest(), SETTINGS):
            found.append(event.context.sequence)
            if found == [1]:
                await old.stop(None)
                new = grpc.aio.server(options=SERVER_OPTIONS)
                add_RadarServiceServicer_to_server(second, new)
                assert new.add_insecure_port(f"127.0.0.1:{port}") == port
                await new.start()
        await new.stop(None)
    assert found == [1, 2]
    assert second.tokens == [token(1)]


@pytest.mark.asyncio
async def test_states_are_described_in_a_few_words() -> None:
    states: list[str] = []
    refusal = says(then=RunUnknownError("waits for svc_sim"))
    async with serving(refusal, says(frame(1)), says(ended(1))) as served:
        await sequences(served.stream(states=states))
    assert states == [
        "UNAVAILABLE RUN_UNKNOWN: waits for svc_sim",
        "connected",
        "UNAVAILABLE: the stream was closed",
        "connected",
    ]


# -- raised errors -----------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_permanent_refusal_is_raised_at_once_as_its_type() -> None:
    async with serving(says(frame(1), then=RunChangedError("moved on", run_id="r2"))) as served:
        items = served.stream().items()
        assert isinstance(await anext(items), Event)
        with pytest.raises(SdkRunChangedError, match="moved on") as caught:
            async with asyncio.timeout(WAIT_S):
                await anext(items)
        assert caught.value.metadata["run_id"] == "r2"
        assert len(served.server.requests) == 1


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.DATA_LOSS,
        grpc.StatusCode.UNAUTHENTICATED,
    ],
)
@pytest.mark.asyncio
async def test_a_status_that_is_not_transient_is_raised_at_once(code: grpc.StatusCode) -> None:
    async with serving(says(then=code)) as served:
        with pytest.raises(QikiError) as caught:
            await sequences(served.stream())
        assert caught.value.code is code


UNAVAILABLE = says(then=grpc.StatusCode.UNAVAILABLE)


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        (UNAVAILABLE, grpc.StatusCode.UNAVAILABLE),
        (says(), grpc.StatusCode.UNAVAILABLE),
        (says(draining(0)), grpc.StatusCode.UNAVAILABLE),
        (says_and_falls_silent(), grpc.StatusCode.DEADLINE_EXCEEDED),
    ],
    ids=["unavailable", "closed", "draining", "silent"],
)
@pytest.mark.asyncio
async def test_after_max_tries_consecutive_failures_the_error_is_raised(
    behaviour: Behaviour, code: grpc.StatusCode
) -> None:
    settings = StreamSettings(silence_s=0.05, backoff=AT_ONCE, max_tries=3)
    async with serving(*[behaviour] * 5) as served:
        with pytest.raises(QikiError) as caught:
            await sequences(served.stream(settings))
        assert caught.value.code is code
        assert len(served.server.requests) == 3


@pytest.mark.asyncio
async def test_a_response_resets_the_count_of_tries() -> None:
    settings = StreamSettings(backoff=AT_ONCE, max_tries=2)
    behaviours = [UNAVAILABLE, says(heartbeat(0)), UNAVAILABLE, says(frame(1)), UNAVAILABLE, says(ended(1))]
    async with serving(*behaviours) as served:
        assert await sequences(served.stream(settings)) == [1]


@pytest.mark.asyncio
async def test_without_a_listening_server_the_error_is_raised_after_max_tries() -> None:
    async with connect("127.0.0.1:1") as channel, asyncio.timeout(WAIT_S):
        stub: Any = RadarServiceStub(channel)
        settings = StreamSettings(backoff=AT_ONCE, max_tries=2)
        with pytest.raises(QikiError) as caught:
            await sequences(Stream(stub.WatchFrames, WatchFramesRequest(), settings))
        assert caught.value.code is grpc.StatusCode.UNAVAILABLE


# -- open calls --------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_cancelled_reader_leaves_no_call_open_on_the_server() -> None:
    async with serving(says_and_falls_silent(frame(1))) as served:
        stream, reached = served.stream(), asyncio.Event()

        async def read() -> None:
            async for _event in stream:
                reached.set()

        async with asyncio.TaskGroup() as group:
            reading = group.create_task(read())
            await reached.wait()
            reading.cancel()
        assert reading.cancelled()
        await served.server.all_closed()


@pytest.mark.asyncio
async def test_a_reader_that_breaks_off_leaves_no_call_open_on_the_server() -> None:
    async with serving(says_and_falls_silent(frame(1), frame(2))) as served:
        async for _event in served.stream():
            break
        await served.server.all_closed()


@pytest.mark.asyncio
async def test_a_reader_that_closes_the_iteration_has_closed_the_call() -> None:
    async with serving(says_and_falls_silent(heartbeat(0))) as served:
        items = served.stream().items()
        assert isinstance(await anext(items), Idle)
        await items.aclose()
        await served.server.all_closed()


async def read_and_fail(stream: Stream[RadarFrame]) -> None:
    async for _event in stream:
        raise TimeoutError("mine")


@pytest.mark.asyncio
async def test_an_error_in_the_readers_code_is_not_taken_for_the_streams() -> None:
    async with serving(says_and_falls_silent(frame(1))) as served:
        with pytest.raises(TimeoutError, match="mine"):
            await read_and_fail(served.stream())
        assert len(served.server.requests) == 1


# -- backoff -----------------------------------------------------------------------------------------------------------


@given(st.floats(0.02, 10), st.floats(10, 100), st.integers(1, 50))
def test_waits_grow_up_to_the_cap_and_never_fall_below_the_floor(first_s: float, cap_s: float, count: int) -> None:
    delays = Backoff(first_s, cap_s, floor_s=0.02).delays()
    for index in range(count):
        assert 0.02 <= next(delays) <= min(cap_s, first_s * 2**index)


def test_waits_are_drawn_from_a_range_that_doubles_up_to_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qiki_sdk.backoff.random.uniform", lambda _low, high: high)
    delays = Backoff(first_s=0.5, cap_s=3.0).delays()
    assert [next(delays) for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]
