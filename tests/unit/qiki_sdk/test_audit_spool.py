"""The spool between a service and the registrar: non-blocking, bounded, ordered, and it reports dropped events."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from code_proofs import prove
from mesh.serving.errors import RETRY_DELAY_S, OverloadedError, to_status
from qiki.registrar.v1 import registrar_service_pb2 as pb
from qiki_sdk import Backoff, codes
from qiki_sdk.audit import AuditReporter
from qiki_sdk.channel import SERVER_OPTIONS, connect
from qiki_sdk.spool.spool import MAX_BATCH_BYTES, MAX_BATCH_EVENTS

SERVICE = "qiki.registrar.v1.RegistrarService"
WAIT_S = 10.0
FAST = Backoff(first_s=0.01, cap_s=0.02, floor_s=0.001)


class Registrar:
    """A registrar in memory that records each id once; `answers` scripts other results of the next calls."""

    def __init__(self) -> None:
        self.recorded: dict[str, pb.AuditEvent] = {}
        self.answers: list[str] = []
        self.calls = 0
        self.answered: list[int] = []
        self.sizes: list[tuple[int, int]] = []  # of each request: its events, its bytes
        self.called = asyncio.Event()
        self.go_on = asyncio.Event()

    async def RecordEvents(self, request: pb.RecordEventsRequest, context: Any) -> pb.RecordEventsResponse:
        self.calls += 1
        self.sizes.append((len(request.events), request.ByteSize()))
        self.answered.append(request.answered_sequence)
        answer = self.answers.pop(0) if self.answers else "record"
        self.called.set()
        if answer == "wait":
            await self.go_on.wait()
        if answer == "refuse":
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "not like this")
        if answer == "reject":
            rejection = pb.RecordEventsResult(rejection=pb.Rejection(field="events[0].code", message="unknown"))
            return pb.RecordEventsResponse(results=[rejection] * len(request.events))
        if answer == "overloaded":
            status = to_status(OverloadedError("16 MiB wait")).SerializeToString()
            details = (("grpc-status-details-bin", status),)
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "16 MiB wait", trailing_metadata=details)
        if answer == "nothing":
            return pb.RecordEventsResponse()
        for event in request.events:
            self.recorded.setdefault(event.event_id, event)
        if answer == "lose the answer":
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the receipt is lost")
        return pb.RecordEventsResponse(
            results=[pb.RecordEventsResult(receipt=pb.Receipt(event_id=event.event_id)) for event in request.events]
        )

    def messages(self) -> list[str]:
        return [event.message for event in self.recorded.values()]


@asynccontextmanager
async def serving(registrar: Registrar, port: int = 0) -> AsyncIterator[str]:
    server = grpc.aio.server(options=SERVER_OPTIONS)
    method = grpc.unary_unary_rpc_method_handler(
        registrar.RecordEvents, pb.RecordEventsRequest.FromString, pb.RecordEventsResponse.SerializeToString
    )
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, {"RecordEvents": method})])
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield f"127.0.0.1:{bound}"
    finally:
        await server.stop(0)


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.asyncio
async def test_events_arrive_once_and_in_the_order_of_their_reporting() -> None:
    registrar = Registrar()
    async with serving(registrar) as target, AuditReporter(target, "test") as audit:
        for number in range(3 * MAX_BATCH_EVENTS):
            audit.report(codes.BOOT_OK, f"{number}", number=number)
        assert await audit.flush(WAIT_S)
        assert registrar.messages() == [f"{number}" for number in range(3 * MAX_BATCH_EVENTS)]
        assert audit.counts().delivered == 3 * MAX_BATCH_EVENTS
        assert audit.counts().waiting == 0


@pytest.mark.asyncio
async def test_events_reported_while_the_registrar_is_away_arrive_when_it_returns(free_port: int) -> None:
    registrar = Registrar()
    async with AuditReporter(f"127.0.0.1:{free_port}", "test", backoff=FAST) as audit:
        ids = [audit.report(codes.BOOT_OK, f"{number}") for number in range(10)]
        assert not await audit.flush(0.2)
        assert audit.counts().waiting == 10
        async with serving(registrar, free_port):
            assert await audit.flush(WAIT_S)
    assert list(registrar.recorded) == ids


@pytest.mark.asyncio
async def test_a_full_spool_drops_the_oldest_events_and_reports_their_number_once_in_their_position(
    free_port: int,
) -> None:
    registrar = Registrar()
    async with AuditReporter(f"127.0.0.1:{free_port}", "test", capacity=5, backoff=FAST) as audit:
        audit.report(codes.BOOT_OK, "first")
        assert not await audit.flush(0.1)  # it is on its way, and stays so
        for number in range(100):
            audit.report(codes.GAP, f"{number}")
        assert audit.counts().waiting == 5
        assert audit.counts().dropped == 96
        async with serving(registrar, free_port):
            assert await audit.flush(WAIT_S)
        counts = audit.counts()
    events = list(registrar.recorded.values())
    assert [event.message for event in events if event.code == codes.GAP.number] == ["96", "97", "98", "99"]
    assert [event.code for event in events[:2]] == [codes.BOOT_OK.number, codes.SPOOL_DROPPED.number]
    prove(codes.SPOOL_DROPPED, events)
    facts = {item.name: item.value for item in events[1].attributes}
    assert facts == {"dropped": "96", "first": "2", "last": "97"}
    assert len(events) == 6
    assert (counts.reported, counts.delivered, counts.dropped, counts.waiting) == (102, 6, 96, 0)


@pytest.mark.asyncio
async def test_dropped_events_are_reported_once_and_later_drops_by_another_event(free_port: int) -> None:
    registrar = Registrar()
    async with AuditReporter(f"127.0.0.1:{free_port}", "test", capacity=2, backoff=FAST) as audit:
        for number in range(5):
            audit.report(codes.GAP, f"{number}")
        async with serving(registrar, free_port):
            assert await audit.flush(WAIT_S)
            audit.report(codes.GAP, "more")
            assert await audit.flush(WAIT_S)
            for number in range(7):
                audit.report(codes.GAP, f"again {number}")
            assert await audit.flush(WAIT_S)
        assert audit.counts().waiting == 0
    reported = [event for event in registrar.recorded.values() if event.code == codes.SPOOL_DROPPED.number]
    numbers = [{item.name: item.value for item in event.attributes}["dropped"] for event in reported]
    assert numbers == ["3", "5"]


@pytest.mark.asyncio
async def test_a_batch_is_bounded_in_events_and_in_bytes_however_large_the_events_are() -> None:
    registrar = Registrar()
    largest = {
        f"a{number:02}": "\u20ac" * codes.MAX_ATTRIBUTE_VALUE_CHARACTERS for number in range(codes.MAX_ATTRIBUTES)
    }
    async with serving(registrar) as target, AuditReporter(target, "test") as audit:
        for number in range(MAX_BATCH_EVENTS + 1):
            audit.report(codes.BOOT_OK, f"{number}")
        for _ in range(MAX_BATCH_EVENTS):
            audit.report(codes.GAP, **largest)
        assert await audit.flush(WAIT_S)
    assert max(events for events, _bytes in registrar.sizes) == MAX_BATCH_EVENTS
    assert max(size_bytes for _events, size_bytes in registrar.sizes) <= MAX_BATCH_BYTES + codes.MAX_EVENT_BYTES
    assert len(registrar.recorded) == 2 * MAX_BATCH_EVENTS + 1


@pytest.mark.asyncio
async def test_reporting_never_waits(free_port: int) -> None:
    audit = AuditReporter(f"127.0.0.1:{free_port}", "test", capacity=100)
    started = time.monotonic()
    for number in range(10_000):
        audit.report(codes.BOOT_OK, "", number=number)
    assert time.monotonic() - started < WAIT_S
    assert audit.counts().waiting == 100


@pytest.mark.asyncio
async def test_an_overloaded_registrars_advice_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    sleep = asyncio.sleep

    async def wait(delay_s: float) -> None:
        waits.append(delay_s)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", wait)
    registrar = Registrar()
    registrar.answers = ["overloaded", "lose the answer"]
    async with serving(registrar) as target, AuditReporter(target, "test", backoff=FAST) as audit:
        audit.report(codes.BOOT_OK)
        assert await audit.flush(WAIT_S)
    assert waits[0] == RETRY_DELAY_S
    assert waits[1] <= FAST.cap_s
    assert audit.state == "connected"


@pytest.mark.asyncio
async def test_the_request_has_the_newest_number_that_was_answered() -> None:
    registrar = Registrar()
    async with serving(registrar) as target, AuditReporter(target, "test") as audit:
        for number in range(3):
            audit.report(codes.BOOT_OK, f"{number}")
            assert await audit.flush(WAIT_S)
    assert registrar.answered == [0, 1, 2]
    assert [event.producer_sequence for event in registrar.recorded.values()] == [1, 2, 3]


@pytest.mark.asyncio
async def test_after_a_lost_answer_the_event_is_sent_again_and_recorded_once() -> None:
    registrar = Registrar()
    registrar.answers = ["lose the answer", "nothing", "lose the answer"]
    async with serving(registrar) as target, AuditReporter(target, "test", backoff=FAST) as audit:
        event_id = audit.report(codes.BOOT_OK)
        assert await audit.flush(WAIT_S)
    assert list(registrar.recorded) == [event_id]
    assert registrar.calls == 4


@pytest.mark.asyncio
@pytest.mark.parametrize("answer", ["reject", "refuse"])
async def test_an_event_refused_for_good_is_counted_and_does_not_hold_up_the_others(answer: str) -> None:
    registrar = Registrar()
    registrar.answers = [answer]
    async with serving(registrar) as target, AuditReporter(target, "test", backoff=FAST) as audit:
        audit.report(codes.BOOT_OK, "refused")
        assert await audit.flush(WAIT_S)
        audit.report(codes.BOOT_OK, "taken")
        assert await audit.flush(WAIT_S)
        assert (audit.counts().rejected, audit.counts().delivered) == (1, 1)
    assert registrar.messages() == ["taken"]


@pytest.mark.asyncio
async def test_events_reported_while_a_batch_is_in_flight_follow_it() -> None:
    registrar = Registrar()
    registrar.answers = ["wait"]
    async with serving(registrar) as target, AuditReporter(target, "test") as audit:
        audit.report(codes.BOOT_OK, "1")
        await asyncio.wait_for(registrar.called.wait(), WAIT_S)
        audit.report(codes.BOOT_OK, "2")
        audit.report(codes.BOOT_OK, "3")
        registrar.go_on.set()
        assert await audit.flush(WAIT_S)
    assert registrar.messages() == ["1", "2", "3"]
    assert registrar.calls == 2


@pytest.mark.asyncio
async def test_closing_delivers_the_remaining_events_or_gives_up_on_an_absent_registrar(free_port: int) -> None:
    registrar = Registrar()
    async with serving(registrar) as target:
        async with AuditReporter(target, "test") as audit:
            audit.report(codes.SHUTDOWN)
        assert len(registrar.recorded) == 1
    started = time.monotonic()
    async with AuditReporter(f"127.0.0.1:{free_port}", "test") as audit:
        audit.report(codes.SHUTDOWN)
    assert time.monotonic() - started < WAIT_S
    assert audit.counts().waiting == 1


@pytest.mark.asyncio
async def test_an_error_in_the_body_is_raised_unchanged(free_port: int) -> None:
    with pytest.raises(ZeroDivisionError):
        async with AuditReporter(f"127.0.0.1:{free_port}", "test"):
            raise ZeroDivisionError


@pytest.mark.asyncio
async def test_a_channel_that_was_given_is_not_closed() -> None:
    registrar = Registrar()
    async with serving(registrar) as target, connect(target) as channel:
        for _time in range(2):
            async with AuditReporter(channel, "test") as audit:
                audit.report(codes.BOOT_OK)
                assert await audit.flush(WAIT_S)
    assert len(registrar.recorded) == 2


@pytest.mark.asyncio
async def test_a_spool_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="capacity"):
        AuditReporter("127.0.0.1:1", "test", capacity=0)
