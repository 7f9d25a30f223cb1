"""Filters of events by a range of codes and by text: in pages, however few match, and in the stream."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from qiki.registrar.v1 import registrar_service_pb2 as pb
from qiki_sdk import codes
from qiki_sdk.audit_event import make_event
from svc_registrar import listing
from watch_cases import CASES, WAIT_S, Served, serve

pytestmark = pytest.mark.asyncio

AUDIT = next(case for case in CASES if case.service == "registrar")
COUNT = 120


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(AUDIT, tmp_path) as running:
        kinds = (codes.GAP, codes.SENSOR_IO_OK, codes.NATS_LOST)
        events = [
            make_event("test", kinds[n % 3], f"Event {n}.", attributes={"place": "HARBOUR" if n % 40 == 7 else "sea"})
            for n in range(COUNT)
        ]
        await running.stub.RecordEvents(pb.RecordEventsRequest(events=events), timeout=WAIT_S)
        yield running


async def pages(served: Served, **fields: Any) -> list[pb.ListEventsResponse]:
    found = [await served.stub.ListEvents(pb.ListEventsRequest(**fields), timeout=WAIT_S)]
    while not found[-1].complete:
        request = pb.ListEventsRequest(**fields, resume_token=found[-1].resume_token)
        found.append(await served.stub.ListEvents(request, timeout=WAIT_S))
    return found


def numbers(found: list[pb.ListEventsResponse]) -> list[int]:
    texts = [event.audit_event.message for page in found for event in page.events]
    return [int(text.removeprefix("Event ").removesuffix(".")) for text in texts]


async def test_a_range_of_codes_selects_its_family(served: Served) -> None:
    found = await pages(served, page_size=10, filter=pb.EventsFilter(min_code=600, max_code=699))
    assert numbers(found) == [n for n in range(COUNT) if n % 3 != 1]


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("page_size", [1, 2, 100])
async def test_text_is_found_in_messages_and_attributes_whatever_the_pages(
    served: Served, monkeypatch: pytest.MonkeyPatch, newest_first: bool, page_size: int
) -> None:
    monkeypatch.setattr(listing, "TEXT_EVENTS_A_PAGE", 7)
    for text, expected in (("harbour", [7, 47, 87]), ("event 11", [11, *range(110, 120)]), ("nowhere", [])):
        wanted = pb.EventsFilter(text=text, min_code=200)
        found = await pages(served, page_size=page_size, newest_first=newest_first, filter=wanted)
        assert numbers(found) == (expected[::-1] if newest_first else expected)
        assert len(found) >= COUNT // 7, "a page reads a bounded number of events"


async def test_a_stream_is_filtered_by_text_too(served: Served) -> None:
    wanted = pb.EventsFilter(text="HARBOUR")
    call = served.watch(from_oldest=True, filter=wanted)
    found: list[str] = []
    try:
        async with asyncio.timeout(WAIT_S):
            while len(found) < 3:
                response = await call.read()
                if response.HasField("audit_event"):
                    found.append(response.audit_event.message)
    finally:
        call.cancel()
    assert found == ["Event 7.", "Event 47.", "Event 87."]
