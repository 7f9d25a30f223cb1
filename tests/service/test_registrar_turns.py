"""Large requests to the registrar: processed in slices in threads, so that others are answered meanwhile."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio

from qiki.registrar.v1 import registrar_service_pb2 as pb
from qiki_sdk.audit_event import make_event
from qiki_sdk.codes import BOOT_OK, MAX_EVENTS_A_REQUEST
from svc_registrar import listing, wire
from svc_registrar.log.index import Index
from svc_registrar.log.log import Log
from svc_registrar.service import CHECKED_AT_ONCE
from watch_cases import CASES, WAIT_S, Served, serve

pytestmark = pytest.mark.asyncio

AUDIT = next(case for case in CASES if case.service == "registrar")
COUNT = 500


class Gate:
    """Blocks calls of a function in threads until it is opened; calls on the event loop are never blocked."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()
        self.on_loop = self.beside_loop = 0
        self._function = function
        self._loop_thread = threading.get_ident()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if threading.get_ident() == self._loop_thread:
            self.on_loop += 1
        else:
            self.beside_loop += 1
            self.reached.set()
            assert self.opened.wait(WAIT_S)
        return self._function(*args, **kwargs)

    async def until_reached(self) -> None:
        assert await asyncio.to_thread(self.reached.wait, WAIT_S)


def gated(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> Gate:
    gate = Gate(getattr(owner, name))

    def call(*args: Any, **kwargs: Any) -> Any:  # a function, so that it is a method where the original is one
        return gate(*args, **kwargs)

    monkeypatch.setattr(owner, name, call)
    return gate


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(AUDIT, tmp_path) as running:
        await running.produce(COUNT)
        yield running


async def page(served: Served, **fields: Any) -> pb.ListEventsResponse:
    response: pb.ListEventsResponse = await served.stub.ListEvents(pb.ListEventsRequest(**fields), timeout=WAIT_S)
    return response


def unreadable(*_args: Any) -> Any:
    raise OSError("gone")


def numbers(response: pb.ListEventsResponse) -> list[int]:
    return [event.receipt.sequence for event in response.events]


async def test_a_page_is_selected_and_read_in_a_thread(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    choosing, reading = gated(monkeypatch, Index, "select"), gated(monkeypatch, Log, "read")
    choosing.opened.set()
    reading.opened.set()
    answer = await page(served, page_size=listing.MAX_PAGE)
    assert numbers(answer) == list(range(1, served.feed.store.last_sequence + 1))
    assert (choosing.on_loop, choosing.beside_loop) == (0, 1)
    assert reading.beside_loop == len(answer.events)
    assert reading.on_loop <= 1, "the one at the page's end, for its token"


@pytest.mark.parametrize("newest_first", [False, True])
async def test_a_page_read_while_events_arrive_ends_at_the_logs_end_of_the_request_time(
    served: Served, monkeypatch: pytest.MonkeyPatch, newest_first: bool
) -> None:
    last = served.feed.store.last_sequence
    gate = gated(monkeypatch, Log, "read")
    reading = asyncio.get_running_loop().create_task(
        page(served, page_size=listing.MAX_PAGE, newest_first=newest_first)
    )
    await gate.until_reached()
    await served.produce(50)  # which would stay unanswered if reading blocked the event loop
    gate.opened.set()
    answer = await reading
    expected = list(range(1, last + 1))
    assert numbers(answer) == (expected[::-1] if newest_first else expected)
    assert answer.complete
    if not newest_first:
        rest = await page(served, page_size=listing.MAX_PAGE, resume_token=answer.resume_token)
        assert numbers(rest) == list(range(last + 1, served.feed.store.last_sequence + 1))


async def test_callers_who_give_up_free_their_pages_for_others(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = gated(monkeypatch, Log, "read")
    calls = [
        served.stub.ListEvents(pb.ListEventsRequest(page_size=listing.MAX_PAGE))
        for _ in range(3 * listing.PAGES_AT_ONCE)
    ]
    await gate.until_reached()
    for call in calls:
        call.cancel()
    gate.opened.set()
    answer = await page(served, page_size=listing.MAX_PAGE)
    assert len(answer.events) == served.feed.store.last_sequence
    assert gate.beside_loop <= len(answer.events) + len(calls) * listing.SLICE_EVENTS, (
        "a slice more, not the whole page"
    )


async def test_the_number_of_pages_read_at_a_time_is_bounded(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most, lock, read = 0, 0, threading.Lock(), listing._recorded

    def counted(*args: Any) -> Any:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        try:
            return read(*args)
        finally:
            with lock:
                inside -= 1

    monkeypatch.setattr(listing, "_recorded", counted)
    answers = await asyncio.gather(*(page(served, page_size=listing.MAX_PAGE) for _ in range(12)))
    assert 1 <= most <= listing.PAGES_AT_ONCE
    assert all(numbers(answer) == numbers(answers[0]) for answer in answers)


async def test_a_page_that_cannot_be_read_is_refused_and_the_next_one_is_read(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(Log, "read", unreadable)
        for _ in range(listing.PAGES_AT_ONCE + 1):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await page(served)
            assert refused.value.code() is grpc.StatusCode.DATA_LOSS
    assert len((await page(served)).events) == listing.DEFAULT_PAGE


async def test_the_events_of_a_large_request_are_checked_in_a_thread_and_keep_their_order(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = gated(monkeypatch, wire, "to_submission")
    events = [make_event("test", BOOT_OK, f"large {number}") for number in range(MAX_EVENTS_A_REQUEST)]
    events[777].event_id = "wrong"
    recording = served.stub.RecordEvents(pb.RecordEventsRequest(events=events), timeout=WAIT_S)
    await gate.until_reached()
    assert gate.on_loop == 0
    await served.produce(CHECKED_AT_ONCE)  # a small one is checked on the loop, which is not blocked
    assert gate.on_loop == CHECKED_AT_ONCE
    gate.opened.set()
    results = (await recording).results
    assert results[777].rejection.field == "events[777].event_id"
    receipts = [result.receipt.sequence for number, result in enumerate(results) if number != 777]
    assert receipts == sorted(receipts)
    assert len(receipts) == len(set(receipts)) == MAX_EVENTS_A_REQUEST - 1
    again = await served.stub.RecordEvents(pb.RecordEventsRequest(events=events), timeout=WAIT_S)
    assert [result.receipt.sequence for number, result in enumerate(again.results) if number != 777] == receipts
