"""Clients that send invalid requests or disconnect during a call, over every RPC of every service.

The request is refused with a reason, the log has no error, and the server keeps serving.
"""

import asyncio
import logging
import math
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from archive_cases import archive
from mesh.serving.departures import GRPC_LOGGER
from qiki.archive.v1.archive_service_pb2 import WatchArchiveRequest
from qiki.registrar.v1.registrar_service_pb2 import RecordEventsRequest
from qiki.tracker.v1.tracker_service_pb2 import TrackFramesRequest, TrackFramesResponse
from qiki_sdk import QikiError
from qiki_sdk.audit_event import make_event
from qiki_sdk.channel import MAX_MESSAGE_BYTES, connect
from qiki_sdk.codes import BOOT_OK
from qiki_sdk.errors import from_rpc_error
from watch_cases import CASES, WAIT_S, Served, WatchCase, serve

pytestmark = pytest.mark.asyncio

SERVICES = ("sim", "radar", "tracker", "registrar", "archive")
BY_FEED = {case.feed_name: case for case in CASES}
MALFORMED = {
    "a field number that never ends": b"\xff\xff\xff",
    "a varint of eleven bytes": b"\x08" + b"\xff" * 10 + b"\x01",
    "a text that is cut off": b"\x0a\x05ab",
    "a group that is not closed": b"\x0b",
    "a tag without its value": b"\x08",
}
# Field 1,000 with bytes: unknown to every message of the API, so that it adds only size.
TOO_LARGE = b"\xc2\x3e" + b"\x80\x80\xc0\x02" + bytes(5 * 1024 * 1024)
UNKNOWN_ENUM = 9_999
# The other required fields of a request.
VALID = {"WatchArchive": WatchArchiveRequest(channel="frames")}
# It reports an invalid command in a durable result: see test_commands.
ANSWERS_BY_RESULT = "ExecuteCommand"
# The radar serves it only if configured to, and refuses it before it reads the request.
NOT_SERVED = "WatchTruth"
NOT_FINITE = (math.nan, math.inf, -math.inf)
# A client must never see these: the first two mean a bug in the server, the third a crash.
FAULTS = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS)
KILLED = """
import asyncio, sys
import grpc

async def main():
    channel = grpc.aio.insecure_channel(sys.argv[1])
    calls = [channel.unary_stream(sys.argv[2])(bytes.fromhex(sys.argv[3])) for _ in range(8)]
    for call in calls:
        await call.read()
    print("reading", flush=True)
    await asyncio.sleep(3600)

asyncio.run(main())
"""


@dataclass(frozen=True)
class Server:
    """A running server and a channel to it that sends and receives bytes."""

    port: int
    channel: grpc.aio.Channel
    methods: tuple[MethodDescriptor, ...]

    def start(self, method: MethodDescriptor, data: bytes, timeout_s: float = WAIT_S) -> Any:
        """Begin a call with one request of these bytes."""
        path = f"/{method.containing_service.full_name}/{method.name}"
        if method.client_streaming:
            return self.channel.stream_stream(path)(iter([data]), timeout=timeout_s)
        if method.server_streaming:
            return self.channel.unary_stream(path)(data, timeout=timeout_s)
        return self.channel.unary_unary(path)(data, timeout=timeout_s)

    async def goes_on(self) -> bool:
        """Return whether the server answers over the same connection."""
        stub = health_pb2_grpc.HealthStub(self.channel)
        return isinstance(await stub.Check(health_pb2.HealthCheckRequest(), timeout=WAIT_S), Message)


async def outcome(call: Any) -> QikiError | None:
    """Wait for a unary call's answer, or read a stream until its first payload; return the refusal if there is one."""
    try:
        async with asyncio.timeout(WAIT_S):
            if not hasattr(call, "read"):
                await call
            else:
                await call.read()
                await call.read()
    except grpc.aio.AioRpcError as error:
        return from_rpc_error(error)
    finally:
        call.cancel()
    return None


@pytest_asyncio.fixture(params=SERVICES)
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Server]:
    async with serving(request.param, tmp_path) as port, connect(f"127.0.0.1:{port}") as channel:
        yield Server(port, channel, await methods_of(channel))


@asynccontextmanager
async def serving(service: str, directory: Path) -> AsyncIterator[int]:
    """Serve one service of the mesh on its own wiring; give its port."""
    if service == "archive":
        async with archive(directory) as running:
            yield running.server.port
        return
    case = next(case for case in CASES if case.service == service)
    async with serve(case, directory) as served:
        await served.produce(3)
        yield served.server.port


async def methods_of(channel: grpc.aio.Channel) -> tuple[MethodDescriptor, ...]:
    """Return every method of every service that the server itself names, health and reflection among them."""
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    async with asyncio.timeout(WAIT_S):
        answer = await call.read()
    call.cancel()
    pool = descriptor_pool.Default()
    services = [pool.FindServiceByName(each.name) for each in answer.list_services_response.service]
    assert len(services) == 3
    return tuple(method for service in services for method in service.methods)


@pytest.fixture(autouse=True)
def no_errors(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Fail a test after which the server has logged an error or printed a traceback."""
    caplog.set_level(logging.INFO)
    yield
    wrong = [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR or record.exc_info]
    assert [(record.name, record.getMessage(), record.exc_text) for record in wrong] == []
    assert "Traceback" not in capfd.readouterr().err


# -- invalid requests ----------------------------------------------------------------------------------------------


async def test_bytes_that_are_no_request_are_refused_with_a_reason_by_every_method(server: Server) -> None:
    assert len(server.methods) >= 5
    for method in server.methods:
        message = GetMessageClass(method.input_type)
        for name, data in MALFORMED.items():
            with pytest.raises(DecodeError):
                message.FromString(data)
            error = await outcome(server.start(method, data))
            assert error is not None, f"{method.full_name} took {name}"
            assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_MALFORMED"), (method, name)
            assert error.metadata["type"] == method.input_type.full_name
    assert await server.goes_on()


async def test_a_message_over_the_transports_limit_ends_its_call_alone(server: Server) -> None:
    assert len(TOO_LARGE) > MAX_MESSAGE_BYTES
    for method in server.methods:
        GetMessageClass(method.input_type).FromString(TOO_LARGE)
        error = await outcome(server.start(method, TOO_LARGE))
        assert error is not None, method.full_name
        assert error.code is grpc.StatusCode.RESOURCE_EXHAUSTED, method.full_name
    assert await server.goes_on()


async def test_an_enum_number_that_is_not_known_is_no_fault_of_the_server(server: Server) -> None:
    for method, _path, request in with_field(server.methods, FieldDescriptor.TYPE_ENUM, [UNKNOWN_ENUM]):
        error = await outcome(server.start(method, request.SerializeToString(), timeout_s=2.0))
        assert error is None or error.code not in FAULTS, (method.full_name, error)
    assert await server.goes_on()


async def test_a_number_that_is_not_finite_is_refused_by_its_field(server: Server) -> None:
    looked_at = 0
    for method, path, request in with_field(server.methods, FieldDescriptor.TYPE_DOUBLE, NOT_FINITE):
        if method.client_streaming or method.name in (ANSWERS_BY_RESULT, NOT_SERVED):  # sessions: see test_track_frames
            continue
        looked_at += 1
        error = await outcome(server.start(method, request.SerializeToString()))
        assert error is not None, f"{method.full_name} took {request}"
        assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD"), (method, path, error)
        assert path.endswith(error.metadata["field"].rpartition(".")[2]), (path, error.metadata["field"])
    assert await server.goes_on()
    names = {method.containing_service.name for method in server.methods}
    assert looked_at > 0 or not names & {"SimService", "ArchiveService"}


async def test_a_session_that_has_begun_ends_at_a_frame_that_is_none(tmp_path: Path) -> None:
    async with serve(BY_FEED["tracks"], tmp_path) as served:
        path = "/qiki.tracker.v1.TrackerService/TrackFrames"
        call = served.channel.stream_stream(path)()
        for data in (session(), frame()):
            await call.write(data)
        async with asyncio.timeout(WAIT_S):
            answer = TrackFramesResponse.FromString(await call.read())
        assert answer.WhichOneof("response") == "track_set"
        await call.write(MALFORMED["a text that is cut off"])
        error = await outcome(call)
        assert error is not None
        assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_MALFORMED")


# -- clients that go away ---------------------------------------------------------------------------------------------


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> WatchCase:
    chosen: WatchCase = request.param
    return chosen


async def test_a_reader_that_cancels_while_it_is_written_to_is_no_error(case: WatchCase, tmp_path: Path) -> None:
    async with serve(case, tmp_path) as served:
        await served.produce(60)
        for turns in range(200):  # each time at another point of the server's work, which shares this event loop
            call = served.watch(from_oldest=True)
            for _ in range(turns):
                await asyncio.sleep(0)
            call.cancel()
        await left(served)


async def test_a_reader_that_closes_its_channel_is_no_error(case: WatchCase, tmp_path: Path) -> None:
    async with serve(case, tmp_path) as served:
        await served.produce(60)
        for count in range(20):
            async with connect(f"127.0.0.1:{served.server.port}") as channel:
                call = getattr(case.stub_type(channel), case.watch)(served.request(from_oldest=True))
                await reads(call, count)
        await left(served)


async def test_a_reader_whose_process_is_killed_is_no_error(case: WatchCase, tmp_path: Path) -> None:
    async with serve(case, tmp_path) as served:
        await served.produce(60)
        path = f"/{case.messages.DESCRIPTOR.package}.{case.stub_type.__name__.removesuffix('Stub')}/{case.watch}"
        request = served.request(from_oldest=True).SerializeToString().hex()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", KILLED, f"127.0.0.1:{served.server.port}", path, request),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        async with asyncio.timeout(WAIT_S):
            assert await process.stdout.readline() == b"reading\n"
        process.kill()
        await process.wait()
        await left(served)


@pytest.mark.parametrize("path", ["GetRun", "GetSimulation", "ListSensors"])
async def test_a_caller_that_goes_away_before_its_answer_is_no_error(tmp_path: Path, path: str) -> None:
    async with serve(BY_FEED["world"], tmp_path) as served:
        for number in range(60):
            async with connect(f"127.0.0.1:{served.server.port}") as channel:
                call = channel.unary_unary(f"/qiki.sim.v1.SimService/{path}")(b"")
                for _ in range(number % 6):
                    await asyncio.sleep(0)
                if number % 2:
                    call.cancel()
        assert await Server(served.server.port, served.channel, ()).goes_on()


async def test_a_writer_that_goes_away_before_its_receipt_is_no_error(tmp_path: Path) -> None:
    async with serve(BY_FEED["audit"], tmp_path) as served:
        for turns in range(120):
            event = make_event("test", BOOT_OK, f"event {turns}")
            call = served.stub.RecordEvents(RecordEventsRequest(events=[event]))
            for _ in range(turns):
                await asyncio.sleep(0)
            call.cancel()
        before = served.feed.store.last_sequence
        assert await served.produce(1) > before


async def test_an_error_of_the_grpc_library_itself_is_still_logged_as_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    logger = logging.getLogger(GRPC_LOGGER)
    for text, level in (
        ('Failed "execute_batch": (x,)', logging.DEBUG),
        ("Failed grpc_call_start_batch", logging.ERROR),
    ):
        with caplog.at_level(logging.DEBUG, GRPC_LOGGER):
            failure = type("ExecuteBatchError", (Exception,), {})(text)
            logger.error("raised", exc_info=failure)
        (record,) = [each for each in caplog.records if each.name == GRPC_LOGGER and each.getMessage() == "raised"]
        assert record.levelno == level
        caplog.clear()


# -- how it is done ---------------------------------------------------------------------------------------------------


async def reads(call: Any, count: int) -> None:
    async with asyncio.timeout(WAIT_S):
        for _ in range(count):
            await call.read()


async def left(served: Served) -> None:
    """Wait until no reader is left, while the feed goes on; then one more reads it."""
    async with asyncio.timeout(WAIT_S):
        while served.feed.open_readers:
            await served.produce(1)
            await asyncio.sleep(0)
    call = served.watch(from_oldest=True)
    await reads(call, 2)
    call.cancel()


def session() -> bytes:
    request = TrackFramesRequest()
    sensor = request.session.sensors.add()
    sensor.sensor_id.value = "aaaaaaaa-0000-4000-8000-000000000001"
    sensor.pose.position.SetInParent()
    model = sensor.model
    model.max_range_m, model.min_elev_deg, model.max_elev_deg = 1_000.0, -30.0, 60.0
    model.range_sigma_m = model.bearing_sigma_deg = model.elev_sigma_deg = model.vr_sigma_mps = 1.0
    model.detection_probability, model.clutter_per_scan = 0.9, 1.0
    return request.SerializeToString()


def frame() -> bytes:
    request = TrackFramesRequest()
    request.frame.schema_version = 1
    request.frame.frame_id.value = "bbbbbbbb-0000-4000-8000-000000000001"
    request.frame.sensor_id.value = "aaaaaaaa-0000-4000-8000-000000000001"
    request.frame.timestamp.seconds = 1_000
    return request.SerializeToString()


def with_field(
    methods: tuple[MethodDescriptor, ...], kind: int, values: Any
) -> Iterator[tuple[MethodDescriptor, str, Message]]:
    """Yield, for each field of the kind in the request of each method, the request with nothing but that field set."""
    for method in methods:
        for path in paths(method.input_type, kind):
            for value in values:
                request = GetMessageClass(method.input_type)()
                if method.name in VALID:
                    request.MergeFrom(VALID[method.name])
                put(request, path, value)
                yield method, ".".join(path), request


def paths(message: Descriptor, kind: int, depth: int = 4) -> Iterator[tuple[str, ...]]:
    for field in message.fields:
        if field.type == kind:
            yield (field.name,)
        elif field.message_type is not None and depth:
            for rest in paths(field.message_type, kind, depth - 1):
                yield (field.name, *rest)


def put(message: Any, path: tuple[str, ...], value: object) -> None:
    *outer, last = path
    for name in outer:
        found = getattr(message, name)
        message = found.add() if message.DESCRIPTOR.fields_by_name[name].is_repeated else found
    if message.DESCRIPTOR.fields_by_name[last].is_repeated:
        getattr(message, last).append(value)
    else:
        setattr(message, last, value)
