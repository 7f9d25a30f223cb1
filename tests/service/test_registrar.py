"""The registrar behind a real server on real files: a receipt is a promise, whatever happens to process and disk."""

import asyncio
import errno
import hashlib
import json
import os
import resource
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health_pb2, health_pb2_grpc

import svc_registrar.wiring
from code_proofs import prove
from declared import runtime_file
from log_cases import first_segment
from mesh.feeds.token import Token, decode
from mesh.serving.health import Health
from mesh.serving.interceptor import MeshInterceptor
from mesh.serving.rpc_metrics import RpcMetrics
from mesh.serving.runtime import ServiceContext
from mesh.serving.server import MeshServer
from mesh.telemetry.telemetry import Telemetry
from qiki.registrar.v1 import registrar_service_pb2 as pb
from qiki.registrar.v1.registrar_service_pb2_grpc import RegistrarServiceStub
from qiki_sdk import Stream, codes
from qiki_sdk.audit import AuditReporter
from qiki_sdk.audit_event import make_event
from qiki_sdk.backoff import Backoff
from qiki_sdk.channel import connect
from qiki_sdk.errors import QikiError, from_rpc_error
from svc_registrar.config import RegistrarSettings
from svc_registrar.verify.verify import Task, own_key, verify

WAIT_S = 20.0
HEARTBEAT_S = 0.1
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Client:
    """The RPCs of a registrar, with refusals typed."""

    def __init__(self, channel: grpc.aio.Channel, target: str, server: MeshServer | None = None) -> None:
        self.stub = RegistrarServiceStub(channel)
        self.health: Any = health_pb2_grpc.HealthStub(channel)
        self.target = target
        self.server = server

    async def call(self, method: str, request: Any) -> Any:
        try:
            return await getattr(self.stub, method)(request, timeout=WAIT_S)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error

    async def record(self, *events: pb.AuditEvent) -> list[pb.RecordEventsResult]:
        return list((await self.call("RecordEvents", pb.RecordEventsRequest(events=events))).results)

    async def receipts(self, *events: pb.AuditEvent) -> list[pb.Receipt]:
        results = await self.record(*events)
        assert all(result.HasField("receipt") for result in results), results
        return [result.receipt for result in results]

    async def page(self, **fields: Any) -> pb.ListEventsResponse:
        response: pb.ListEventsResponse = await self.call("ListEvents", pb.ListEventsRequest(**fields))
        return response

    async def recorded(self) -> list[pb.RecordedEvent]:
        """Return every recorded event, page by page."""
        events: list[pb.RecordedEvent] = []
        page = await self.page(page_size=1000)
        while not page.complete:
            events += page.events
            page = await self.page(page_size=1000, resume_token=page.resume_token)
        return [*events, *page.events]

    async def own(self, reporter: str = "test") -> list[pb.RecordedEvent]:
        """Return the events that the test has recorded."""
        return [item for item in await self.recorded() if item.audit_event.reporter == reporter]

    def watch(self, **fields: Any) -> Any:
        return self.stub.WatchEvents(pb.WatchEventsRequest(**fields))

    async def refusal(self, **fields: Any) -> QikiError:
        """Return the refusal of a stream that cannot be opened."""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.watch(**fields).read()
        return from_rpc_error(caught.value)

    async def until_health(self, wanted: int) -> None:
        async with asyncio.timeout(WAIT_S):
            call = self.health.Watch(health_pb2.HealthCheckRequest())
            try:
                while (await call.read()).status != wanted:
                    pass
            finally:
                call.cancel()


def event(number: int = 0, **fields: Any) -> pb.AuditEvent:
    return make_event("test", codes.GAP, f"event {number}", attributes={"number": number}, **fields)


def digest(body: pb.AuditEvent) -> bytes:
    return hashlib.sha256(body.SerializeToString(deterministic=True)).digest()


@asynccontextmanager
async def served(state_dir: Path, **settings: Any) -> AsyncIterator[Client]:
    """Serve a registrar within this process."""
    name = "svc_registrar"
    base = ServiceContext(Health(name, stall_s=60.0), Telemetry(name), AuditReporter("", name))
    parts = svc_registrar.wiring.build(
        RegistrarSettings(state_dir=state_dir, heartbeat_s=HEARTBEAT_S, **settings), base
    )
    interceptor = MeshInterceptor(RpcMetrics(base.telemetry.registry), base.telemetry)
    server = MeshServer("127.0.0.1:0", parts.mounts, parts.feeds, base.health, interceptor)
    await server.start()
    base.health.up()
    async with AsyncExitStack() as stack:
        stack.enter_context(base.resources)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        tasks = [group.create_task(_run(loop)) for loop in (*parts.loops, server.watch_health)]
        try:
            target = f"127.0.0.1:{server.port}"
            async with connect(target) as channel:
                yield Client(channel, target, server)
        finally:
            await server.drain()
            for task in tasks:
                task.cancel()


async def _run(loop: Callable[[], Awaitable[None]]) -> None:
    await loop()


class Child:
    """A registrar in a separate process."""

    def __init__(self, state_dir: Path, port: int = 0) -> None:
        self.port, self.http_port = port or _free_port(), _free_port()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "svc_registrar"],
            env={
                **os.environ,
                "QIKI_REGISTRAR_STATE_DIR": str(state_dir),
                "QIKI_REGISTRAR_GRPC_PORT": str(self.port),
                "QIKI_REGISTRAR_HTTP_PORT": str(self.http_port),
                "QIKI_REGISTRAR_HEARTBEAT_S": str(HEARTBEAT_S),
                "QIKI_REGISTRAR_SEGMENT_BYTES": str(64 * 1024),
                "QIKI_REGISTRAR_CHECKPOINT_S": "0.1",
            },
            stderr=subprocess.PIPE,
            text=True,
        )

    def healthz(self) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/healthz", timeout=WAIT_S) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            return dict(json.load(error))

    def let_files_grow_to(self, size_bytes: int) -> None:
        hard = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (size_bytes, hard))

    def end(self) -> str:
        """Kill the process if it still runs, and return what it wrote."""
        self.process.kill()
        return self.process.communicate(timeout=WAIT_S)[1]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def spawned(state_dir: Path, port: int = 0) -> AsyncIterator[tuple[Child, Client]]:
    child = Child(state_dir, port)
    try:
        target = f"127.0.0.1:{child.port}"
        async with connect(target) as channel:
            client = Client(channel, target)
            await client.stub.GetLog(pb.GetLogRequest(), wait_for_ready=True, timeout=WAIT_S)
            yield child, client
    finally:
        child.end()


# -- receipts ---------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_receipt_has_position_digest_and_time_of_the_recorded_event(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        sent = [event(1), event(2)]
        receipts = await client.receipts(*sent)
        recorded = await client.own()
        assert [item.receipt for item in recorded] == receipts
        assert [item.audit_event for item in recorded] == sent
        assert [receipt.digest for receipt in receipts] == [digest(item) for item in sent]
        assert receipts[1].sequence == receipts[0].sequence + 1
        assert receipts[0].recorded_time.ToNanoseconds() >= sent[0].reported_time.ToNanoseconds()


@pytest.mark.asyncio
async def test_a_receipt_is_not_given_before_the_disk_has_the_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(tmp_path) as client:
        await client.receipts(event(0))
        called, go_on, fsync = threading.Event(), threading.Event(), os.fsync

        def slow_disk(fd: int) -> None:
            called.set()
            assert go_on.wait(WAIT_S)
            fsync(fd)

        monkeypatch.setattr(os, "fsync", slow_disk)
        last_sequence = (await client.page()).events[-1].receipt.sequence
        async with asyncio.TaskGroup() as group:
            recording = group.create_task(client.receipts(event(1)))
            assert await asyncio.to_thread(called.wait, WAIT_S)
            assert (await client.page()).events[-1].receipt.sequence == last_sequence
            assert not recording.done()
            go_on.set()
        assert recording.result()[0].sequence == last_sequence + 1


@pytest.mark.asyncio
async def test_an_event_with_a_failed_write_is_refused_and_recorded_once_when_it_is_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(tmp_path) as client:
        await client.receipts(event(0))

        def broken_disk(_fd: int) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        monkeypatch.setattr(os, "fsync", broken_disk)
        sent = event(1)
        with pytest.raises(QikiError, match="cannot be written") as caught:
            await client.record(sent)
        assert caught.value.code is grpc.StatusCode.UNAVAILABLE
        assert caught.value.metadata["cause"] == "EIO"
        monkeypatch.undo()
        receipt = (await client.receipts(sent))[0]
        assert [item.receipt for item in await client.recorded() if item.audit_event == sent] == [receipt]
    async with served(tmp_path) as client:
        assert [item.receipt for item in await client.recorded() if item.audit_event == sent] == [receipt]


@pytest.mark.asyncio
async def test_a_rejected_event_names_its_field_and_does_not_lose_the_others(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        broken = event(1)
        broken.code = 199
        results = await client.record(event(0), broken, event(2), pb.AuditEvent())
        assert [result.WhichOneof("result") for result in results] == ["receipt", "rejection", "receipt", "rejection"]
        assert [results[1].rejection.field, results[3].rejection.field] == [
            "events[1].code",
            "events[3].schema_version",
        ]
        assert results[2].receipt.sequence == results[0].receipt.sequence + 1


@pytest.mark.asyncio
@pytest.mark.parametrize("count", [0, 1001])
async def test_a_request_without_events_or_with_too_many_is_refused(tmp_path: Path, count: int) -> None:
    async with served(tmp_path) as client:
        with pytest.raises(QikiError, match=f"holds {count} events") as caught:
            await client.record(*(event(number) for number in range(count)))
        assert (caught.value.code, caught.value.metadata["field"]) == (grpc.StatusCode.INVALID_ARGUMENT, "events")


@pytest.mark.asyncio
async def test_a_repeated_event_gets_its_first_receipt_and_no_second_record(tmp_path: Path) -> None:
    sent, again = event(1), event(1)
    again.event_id = sent.event_id
    async with served(tmp_path) as client:
        first, second = await client.receipts(sent, again)
        many = await asyncio.gather(*(client.receipts(sent) for _number in range(20)))
        assert [first] * 21 == [second, *(receipts[0] for receipts in many)]
    async with served(tmp_path) as client:
        assert await client.receipts(again) == [first]
        assert [item.receipt for item in await client.own()] == [first]


@pytest.mark.asyncio
async def test_a_known_id_with_other_content_is_rejected(tmp_path: Path) -> None:
    sent, other = event(1), event(2)
    other.event_id = sent.event_id
    async with served(tmp_path) as client:
        results = await client.record(sent, other)
        assert results[0].HasField("receipt")
        assert results[1].rejection.field == "events[1].event_id"
        later = (await client.record(other))[0].rejection
        assert (later.field, "other content" in later.message) == ("events[0].event_id", True)


@pytest.mark.asyncio
async def test_receipts_of_many_concurrent_clients_agree_with_the_log(tmp_path: Path) -> None:
    async with served(tmp_path) as client:

        async def report(first: int) -> list[pb.Receipt]:
            return [(await client.receipts(event(number)))[0] for number in range(first, first + 20)]

        batches = await asyncio.gather(*(report(100 * number) for number in range(32)))
        receipts = sorted((item for batch in batches for item in batch), key=lambda item: item.sequence)
        recorded = await client.recorded()
        assert [item.receipt for item in recorded if item.audit_event.reporter == "test"] == receipts
        assert [item.receipt.sequence for item in recorded] == list(range(1, len(recorded) + 1))


@pytest.mark.asyncio
async def test_a_client_that_stops_waiting_does_not_affect_the_receipts_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(tmp_path) as client:
        await client.receipts(event(0))
        go_on, fsync = threading.Event(), os.fsync

        def slow_disk(fd: int) -> None:
            assert go_on.wait(WAIT_S)
            fsync(fd)

        monkeypatch.setattr(os, "fsync", slow_disk)
        shared = event(1)
        impatient = client.stub.RecordEvents(pb.RecordEventsRequest(events=[shared]), timeout=0.2)
        async with asyncio.TaskGroup() as group:
            patient = group.create_task(client.receipts(shared))
            with pytest.raises(grpc.aio.AioRpcError):
                await impatient
            go_on.set()
        assert len(patient.result()) == 1


# -- kills and disks --------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_every_event_with_a_receipt_before_a_kill_is_in_the_log_after_it(tmp_path: Path) -> None:
    receipts: list[pb.Receipt] = []
    sent: dict[str, pb.AuditEvent] = {}
    for _kill in range(3):
        async with spawned(tmp_path) as (child, client):
            goal = len(receipts) + 150

            async def report(client: Client = client, child: Child = child, goal: int = goal) -> None:
                while True:
                    made = [event(len(sent) + number) for number in range(3)]
                    sent.update((item.event_id, item) for item in made)
                    try:
                        receipts.extend(await client.receipts(*made))
                    except QikiError:
                        return  # the process is gone
                    if len(receipts) >= goal:
                        child.process.kill()

            async with asyncio.timeout(WAIT_S):
                await asyncio.gather(*(report() for _client in range(8)))
    async with spawned(tmp_path) as (_child, client):
        recorded = {item.receipt.sequence: item for item in await client.recorded()}
        assert list(recorded) == list(range(1, len(recorded) + 1))
        for receipt in receipts:
            assert recorded[receipt.sequence].receipt == receipt
            assert recorded[receipt.sequence].audit_event == sent[receipt.event_id]
        again = [(await client.receipts(item))[0] for item in sent.values()]
        assert len({receipt.sequence for receipt in again}) == len(sent)
        assert {receipt.event_id: receipt for receipt in again}.items() >= {r.event_id: r for r in receipts}.items()
    directory = tmp_path / "audit"
    assert len(list((directory / "segments").iterdir())) > 1
    found = verify(Task(directory, own_key(directory)))
    assert (found.finding, found.proved > 0) == (None, True)


@pytest.mark.asyncio
async def test_a_torn_tail_is_cut_off_and_recorded(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        receipts = await client.receipts(*(event(number) for number in range(5)))
    with first_segment(tmp_path).open("ab") as file:
        file.write(b'{"index":')
    async with served(tmp_path) as client:
        await client.receipts(event(9))
        recorded = await client.recorded()
        assert [item.receipt for item in recorded if item.receipt in receipts] == receipts
        prove(codes.LOG_TAIL_CUT, [item.audit_event for item in recorded])
        cut = next(item.audit_event for item in recorded if item.audit_event.name == "LOG_TAIL_CUT")
        assert {item.name: item.value for item in cut.attributes}["cut_bytes"] == "9"


@pytest.mark.asyncio
async def test_a_damaged_log_fails_the_start_with_the_position(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await client.receipts(*(event(number) for number in range(5)))
    path = first_segment(tmp_path)
    data = path.read_bytes()
    at = data.index(b"event 2")
    path.write_bytes(data[:at] + b"E" + data[at + 1 :])
    child = Child(tmp_path)
    stderr = child.process.communicate(timeout=WAIT_S)[1]
    assert child.process.returncode == 2
    assert f"{path.name} is damaged at byte" in stderr
    assert "record 4" in stderr
    assert path.stat().st_size == len(data)


@pytest.mark.asyncio
async def test_a_second_registrar_on_the_same_directory_does_not_start(tmp_path: Path) -> None:
    async with served(tmp_path):
        child = Child(tmp_path)
        stderr = child.process.communicate(timeout=WAIT_S)[1]
    assert child.process.returncode == 2
    assert f"the state directory {tmp_path} is in use by process {os.getpid()}: end that one" in stderr


@pytest.mark.asyncio
@pytest.mark.parametrize("lost", ["log", "end"])
async def test_a_log_that_lost_events_fails_the_start_with_the_missing_ones(tmp_path: Path, lost: str) -> None:
    async with served(tmp_path) as client:
        log = await client.call("GetLog", pb.GetLogRequest())
        await client.receipts(*(event(number) for number in range(5)))
    path = first_segment(tmp_path)
    if lost == "log":
        path.unlink()
    else:
        os.truncate(path, path.stat().st_size // 2)
    child = Child(tmp_path)
    stderr = child.process.communicate(timeout=WAIT_S)[1]
    assert child.process.returncode == 2
    assert f"log {log.log_id} had " in stderr
    assert "put back an undamaged copy of the whole directory" in stderr


@pytest.mark.asyncio
async def test_a_full_disk_is_a_typed_refusal_and_not_serving_until_there_is_room_again(tmp_path: Path) -> None:
    async with spawned(tmp_path) as (child, client):
        receipts = await client.receipts(event(0))
        child.let_files_grow_to(first_segment(tmp_path).stat().st_size + 1_000)
        sent = [event(number) for number in range(1, 20)]

        async def fill() -> None:
            for item in sent:  # of some 200 bytes each: a few fit
                receipts.extend(await client.receipts(item))

        with pytest.raises(QikiError) as caught:
            await fill()
        assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "STORAGE_FAILED")
        assert (caught.value.metadata["cause"], len(receipts) > 1) == ("EFBIG", True)
        await client.until_health(NOT_SERVING)
        health = child.healthz()
        assert (health["status"], "cannot be written" in health["detail"]) == ("NOT_SERVING", True)
        log = await client.call("GetLog", pb.GetLogRequest())
        last = log.last_sequence
        assert health["facts"] == {"events": last, "last_sequence": last, "log_id": log.log_id}
        assert [item.receipt for item in await client.own()] == receipts
        child.let_files_grow_to(resource.RLIM_INFINITY)
        await client.until_health(SERVING)
        receipts += await client.receipts(*sent[len(receipts) - 1 :])
        names = [item.audit_event.name for item in await client.recorded()]
        assert "STORAGE_RESTORED" in names
        child.process.kill()
    async with spawned(tmp_path) as (_child, client):
        assert [item.receipt for item in await client.own()] == receipts


@pytest.mark.asyncio
async def test_a_log_that_cannot_be_written_is_unavailable_until_it_can_be(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        receipts = await client.receipts(event(0))
        path = first_segment(tmp_path)
        log_fd = _descriptor_of(path)
        writable, read_only = os.dup(log_fd), os.open(path, os.O_RDONLY)
        os.dup2(read_only, log_fd)
        with pytest.raises(QikiError) as caught:
            await client.record(event(1))
        assert caught.value.code is grpc.StatusCode.UNAVAILABLE
        await client.until_health(NOT_SERVING)
        assert [item.receipt for item in await client.own()] == receipts
        os.dup2(writable, log_fd)
        await client.until_health(SERVING)
        await client.receipts(event(1))
        os.close(writable)
        os.close(read_only)


def _descriptor_of(path: Path) -> int:
    """The number under which this process has the file open for writing."""
    open_files = [entry for entry in Path("/proc/self/fd").iterdir() if entry.exists()]
    return next(int(entry.name) for entry in open_files if entry.samefile(path))


# -- watching ---------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_stream_yields_the_recorded_events_with_their_context(tmp_path: Path) -> None:
    async with served(tmp_path) as client, asyncio.timeout(WAIT_S):
        sent = event(1, simulation_time=Timestamp(seconds=5), run_id=str(uuid.uuid4()))
        receipt = (await client.receipts(sent))[0]
        log = await client.call("GetLog", pb.GetLogRequest())
        run = (await client.call("GetRun", pb.GetRunRequest())).run
        call = client.watch(from_oldest=True)
        first = await call.read()
        assert first.WhichOneof("event") == "heartbeat"
        assert not first.heartbeat.HasField("simulation_time")
        assert not first.heartbeat.replaying
        while (response := await call.read()).context.sequence != receipt.sequence:
            pass
        context = response.context
        assert response.audit_event == sent
        assert (context.id, context.subject, context.time) == (sent.event_id, "test", sent.reported_time)
        assert context.source == f"/qiki/qiki-01/{log.log_id}/audit"
        assert context.type == "qiki.registrar.v1.AuditEvent"
        assert (context.run_id, context.run_created) == (log.log_id, log.created) == (run.run_id, run.created)
        assert context.recorded_time == receipt.recorded_time
        assert decode(response.resume_token).digest == receipt.digest[:8]
        assert (log.last_sequence, log.bot_id, run.bot_id) == (receipt.sequence, "qiki-01", "qiki-01")
        call.cancel()


@pytest.mark.asyncio
async def test_a_stream_resumes_exactly_after_its_token_across_restarts(tmp_path: Path) -> None:
    seen: list[int] = []
    token = ""
    for start in range(3):
        async with served(tmp_path) as client:
            await client.receipts(*(event(10 * start + number) for number in range(10)))
            goal = (await client.page(newest_first=True, page_size=1)).events[0].receipt.sequence
            stream = Stream[pb.AuditEvent](
                client.stub.WatchEvents, pb.WatchEventsRequest(resume_token=token, from_oldest=True)
            )
            async for item in stream:
                seen.append(item.context.sequence)
                if item.context.sequence >= goal - start:  # leaves some events for the next stream
                    break
            token = stream.resume_token
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) > 25


@pytest.mark.asyncio
async def test_an_idle_stream_reports_its_position_and_draining_ends_it(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        receipt = (await client.receipts(event(1)))[0]
        call = client.watch(filter=pb.EventsFilter(codes=[codes.SHUTDOWN.number]))
        await call.read()
        later = (await client.receipts(event(2)))[0]
        response = await call.read()
        assert response.WhichOneof("event") == "heartbeat"
        assert decode(response.resume_token).sequence == later.sequence == receipt.sequence + 1
        assert client.server is not None
        async with asyncio.TaskGroup() as group:
            group.create_task(client.server.drain())
            while (response := await call.read()).WhichOneof("event") == "heartbeat":
                pass
        assert response.WhichOneof("event") == "draining"
        assert decode(response.resume_token).sequence == later.sequence


@pytest.mark.asyncio
async def test_a_foreign_token_is_refused_as_the_contract_requires(tmp_path: Path) -> None:
    async with served(tmp_path / "a") as client:
        await client.receipts(event(1))
        place = decode((await client.call("GetLog", pb.GetLogRequest())).resume_token)
        changed = {
            "RESUME_TOKEN_MALFORMED": Token(place.epoch, bytes(8), place.sequence, place.digest),
            "RUN_CHANGED": Token(bytes(8), place.feed, place.sequence, place.digest),
            "HISTORY_DIVERGED": Token(place.epoch, place.feed, place.sequence, bytes(8)),
        }
        for reason, token in changed.items():
            assert (await client.refusal(resume_token=token.encode())).reason == reason
        ahead = Token(place.epoch, place.feed, place.sequence + 1, place.digest)
        assert (await client.refusal(resume_token=ahead.encode())).reason == "HISTORY_DIVERGED"
        for text in ("x", "x" * 59, place.encode()[:-1] + "!"):
            assert (await client.refusal(resume_token=text)).reason == "RESUME_TOKEN_MALFORMED"
            with pytest.raises(QikiError, match="resume_token"):
                await client.page(resume_token=text)
        assert (await client.refusal(reader="nobody")).reason == "READER_UNKNOWN"
        refusal = await client.refusal(filter=pb.EventsFilter(codes=[1]))
        assert (refusal.reason, refusal.metadata["field"]) == ("INVALID_FIELD", "filter.codes[0]")


@pytest.mark.asyncio
async def test_a_required_reader_may_confirm_and_never_blocks(tmp_path: Path) -> None:
    runtime = runtime_file(tmp_path, "registrar", readers={"audit": ("bridge",)})
    async with served(tmp_path / "state", runtime=runtime) as client:
        await client.receipts(event(1))
        end = await client.call("GetLog", pb.GetLogRequest())
        confirm = pb.ConfirmEventsRequest(reader="bridge", resume_token=end.resume_token)
        for _time in range(2):
            answer = await client.call("ConfirmEvents", confirm)
            assert answer.confirmed_sequence == end.last_sequence
        await client.receipts(event(2))
        refusal = await client.refusal(reader="bridge", filter=pb.EventsFilter(codes=[101]))
        assert refusal.reason == "READER_UNKNOWN"
        with pytest.raises(QikiError, match="not a required reader"):
            await client.call("ConfirmEvents", pb.ConfirmEventsRequest(reader="radar", resume_token=end.resume_token))


# -- listing ----------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize("newest_first", [False, True])
async def test_pages_hold_every_matching_event_once_in_order(tmp_path: Path, newest_first: bool) -> None:
    async with served(tmp_path) as client:
        mixed = [
            make_event(f"r{number % 3}", codes.GAP if number % 2 else codes.BOOT_OK, f"{number}")
            for number in range(50)
        ]
        await client.receipts(*mixed)
        wanted = pb.EventsFilter(codes=[codes.GAP.number], min_severity=pb.SEVERITY_ERROR, reporters=["r0", "r1"])
        found: list[str] = []
        token, complete = "", False
        while not complete:
            page = await client.page(page_size=4, newest_first=newest_first, filter=wanted, resume_token=token)
            found += [item.audit_event.message for item in page.events]
            token, complete = page.resume_token, page.complete
            assert len(page.events) == 4 or complete
        expected = [item.message for item in mixed if item.code == codes.GAP.number and item.reporter in ("r0", "r1")]
        assert found == (expected[::-1] if newest_first else expected)
        after = await client.page(newest_first=newest_first, resume_token=token)
        assert (list(after.events), after.complete) == ([], True)


@pytest.mark.asyncio
async def test_listing_and_then_watching_misses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        await client.receipts(*(event(number) for number in range(5)))
        page = await client.page()
        assert page.complete
        after = (await client.receipts(event(6)))[0]
        call = client.watch(resume_token=page.resume_token)
        await call.read()
        assert (await call.read()).context.sequence == after.sequence == page.events[-1].receipt.sequence + 1
        call.cancel()


@pytest.mark.asyncio
async def test_a_listing_by_time_starts_and_ends_at_the_requested_times(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        receipts = [(await client.receipts(event(number)))[0] for number in range(4)]
        wanted = pb.EventsFilter(recorded_from=receipts[1].recorded_time, recorded_before=receipts[3].recorded_time)
        page = await client.page(filter=wanted)
        assert [item.receipt for item in page.events] == receipts[1:3]


@pytest.mark.asyncio
async def test_a_page_is_bounded_in_number_and_bytes(tmp_path: Path) -> None:
    async with served(tmp_path) as client:
        with pytest.raises(QikiError, match="page_size: is 1001"):
            await client.page(page_size=1001)
        facts = {f"a{number:02}": "\U0001f6f0" * 400 for number in range(32)}
        large = [make_event("test", codes.GAP, "", attributes=facts) for _number in range(60)]
        for first in range(0, 60, 20):
            await client.receipts(*large[first : first + 20])
        page = await client.page(page_size=1000)
        assert not page.complete
        assert page.ByteSize() < 3 * 1024 * 1024
        recorded = await client.recorded()
        assert [item.audit_event for item in recorded if item.audit_event.attributes[0].name == "a00"] == large


# -- the registrar's own events ---------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_every_start_and_every_orderly_end_is_recorded(tmp_path: Path) -> None:
    for _orderly in range(2):
        async with served(tmp_path) as client:
            await client.receipts(event(1))
    async with spawned(tmp_path) as (_killed, client):
        await client.receipts(event(2))
    child = Child(tmp_path)
    async with connect(f"127.0.0.1:{child.port}") as channel:
        client = Client(channel, "")
        await client.stub.GetLog(pb.GetLogRequest(), wait_for_ready=True, timeout=WAIT_S)
        await client.receipts(event(3))
        child.process.terminate()
        await asyncio.to_thread(child.process.communicate, timeout=WAIT_S)
    assert child.process.returncode == 0
    async with served(tmp_path) as client:
        await client.receipts(event(4))
        names = [item.audit_event.name for item in await client.own("svc_registrar")]
    assert names == [*["BOOT_OK", "SHUTDOWN"] * 2, "BOOT_OK", "BOOT_OK", "SHUTDOWN", "BOOT_OK"]


# -- together with the SDK --------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_reporters_events_are_recorded_once_and_in_order_whatever_process_dies(tmp_path: Path) -> None:
    port = _free_port()
    ids: list[str] = []
    fast = Backoff(first_s=0.01, cap_s=0.05, floor_s=0.001)
    async with AuditReporter(f"127.0.0.1:{port}", "agent", backoff=fast) as audit:
        for start in range(3):
            ids += [audit.report(codes.GAP, f"away {start}/{number}") for number in range(300)]
            async with spawned(tmp_path, port) as (child, client):
                while len(await client.recorded()) < len(ids) // 2:
                    ids.append(audit.report(codes.GAP, f"there {start}/{len(ids)}"))
                child.process.kill()
        async with spawned(tmp_path, port) as (_child, client):
            assert await audit.flush(WAIT_S)
            recorded = [
                item.audit_event.event_id for item in await client.recorded() if item.audit_event.reporter == "agent"
            ]
    assert recorded == ids
    assert audit.counts().dropped == 0
