"""The log as an event store."""

from pathlib import Path

import pytest

from mesh.feeds.token import short_digest
from mesh.telemetry.spans import WorkSpans
from qiki.registrar.v1.registrar_service_pb2 import WatchEventsResponse
from qiki_sdk import codes
from qiki_sdk.audit_event import make_event
from store_contract import check_contract
from svc_registrar import wire
from svc_registrar.feed import LogFeed
from svc_registrar.log.log import Log


@pytest.mark.asyncio
async def test_the_log_fulfils_the_contract_of_a_store_up_to_the_last_published_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("svc_registrar.feed.RECENT_EVENTS", 3)
    log = Log.open(tmp_path, "qiki-01", wire.CODEC)
    log_feed = LogFeed(log, (), WorkSpans(1.0))
    events = [make_event("test", codes.GAP, f"event {number}") for number in range(10)]
    submissions = [wire.to_submission(event) for event in events]
    log.append([item.content for item in submissions], [item.entry for item in submissions])
    assert (log_feed.store.last_sequence, log_feed.store.get(1)) == (0, None), "nothing is published yet"
    log_feed.published(8)
    await check_contract(log_feed.store, 1, 8)
    log_feed.published(10)
    await check_contract(log_feed.store, 1, 10)
    entry = log_feed.store.get(3)
    assert entry is not None
    assert entry.digest == short_digest(wire.to_submission(events[2]).body)
    response = WatchEventsResponse.FromString(entry.response)
    assert (response.audit_event, response.resume_token) == (events[2], log_feed.feed.place(3).encode())
    log.close()
