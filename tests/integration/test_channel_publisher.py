"""One channel published to a real nats-server: its storing, confirmations, refusals and reports."""

import resource
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from adapters.jetstream.client.writer import MAX_BATCH_BYTES
from adapters.jetstream.codec.cloudevents import to_headers
from adapters.jetstream.outbound.channel import BATCH_FROM
from adapters.jetstream.outbound.channel_status import CARRYING
from adapters.jetstream.outbound.queue import MAX_MESSAGES
from code_proofs import prove
from publisher_rig import RecordingSource, Rig, rig, until
from qiki.common.v1.stream_pb2 import EventContext, Run
from qiki.radar.v1 import radar_service_pb2 as pb
from qiki_sdk.codes import CHANNEL_CARRYING, CHANNEL_STOPPED, RUN_SUPERSEDED, STORE_RESUMED, STORE_STALLED

pytestmark = pytest.mark.asyncio
CREATED_S = 1_767_225_600
LATER_RUN = "22222222-2222-4333-8444-555555555555"
NEWEST_RUN = "33333333-2222-4333-8444-555555555555"


@pytest.fixture
def source() -> RecordingSource:
    return RecordingSource()


def headers_of(run_id: str, created_s: int) -> dict[str, str]:
    context = EventContext(id=f"{run_id}-1", source="/s", type="t", sequence=1, run_id=run_id)
    context.time.seconds = context.recorded_time.seconds = context.run_created.seconds = created_s
    return to_headers(context, "token", None)


# -- confirmations -----------------------------------------------------------------------------------------------------


async def test_an_event_read_but_not_stored_is_not_confirmed(tmp_path: Path, source: RecordingSource) -> None:
    async with rig(tmp_path, source) as running:
        running.append(5)
        await until(lambda: running.facts["sequence"] == 5)
        running.server.freeze()
        running.append(20)
        await until(lambda: running.facts["waiting"] == 20)
        assert await running.confirmation() == 5
        running.server.thaw()
        await until(lambda: running.facts["sequence"] == 25)
        assert await running.confirmation() == 25
        assert await running.stored() == [*range(1, 26)]


async def test_of_a_batch_cut_short_by_its_bytes_only_the_stored_part_is_confirmed(
    tmp_path: Path, source: RecordingSource
) -> None:
    """The stream has room for the first part of the batch alone: the second, a batch too, is refused as a whole."""
    count, size_bytes = 26, 600_000
    for _ in range(count):
        source.append(size_bytes)
    source.gate.clear()
    async with rig(tmp_path, source, max_bytes=10 * 1024 * 1024) as running:
        await until(source.asked.is_set)
        running.server.freeze()
        source.gate.set()
        await until(lambda: running.facts["waiting"] == count)
        running.server.thaw()
        await until(lambda: "maximum bytes" in running.facts["state"])
        first_part = 1 + MAX_BATCH_BYTES // size_bytes  # one was in flight already
        assert count - first_part >= BATCH_FROM
        assert await running.confirmation() == first_part
        assert await running.stored() == [*range(1, first_part + 1)]


# -- stopped channels --------------------------------------------------------------------------------------------------


async def test_a_subject_that_holds_a_later_run_is_not_changed(tmp_path: Path, source: RecordingSource) -> None:
    source.append(200)
    async with rig(tmp_path, source, headers_of(LATER_RUN, CREATED_S + 1)) as running:
        await until(lambda: "RUN_SUPERSEDED" in running.facts["state"])
        assert f"`qiki nats drop-run {LATER_RUN}`" in running.facts["state"]
        assert [name for name, _text in running.reports.events] == ["RUN_SUPERSEDED"]
        prove(RUN_SUPERSEDED, [name for name, _text in running.reports.events])
        assert not running.health.serving
        assert await running.stored() == [1]
        assert source.confirmed == []


async def test_a_subject_that_ends_in_a_foreign_message_is_not_changed(tmp_path: Path, source: RecordingSource) -> None:
    source.append(200)
    async with rig(tmp_path, source, {"ce-sequence": "1"}) as running:
        await until(lambda: "FOREIGN_TAIL" in running.facts["state"])
        assert [name for name, _text in running.reports.events] == ["CHANNEL_STOPPED"]
        assert not running.health.serving
        assert await running.stored() == [1]


class Skips(RecordingSource):
    """A source whose stream lacks an event in the middle."""

    async def WatchFrames(self, request: pb.WatchFramesRequest, context: Any) -> AsyncIterator[pb.WatchFramesResponse]:
        async for response in super().WatchFrames(request, context):
            if response.context.sequence != 8:
                yield response


async def test_an_event_after_a_gap_in_the_sequence_is_never_stored(tmp_path: Path) -> None:
    async with rig(tmp_path, Skips()) as running:
        running.append(20)
        await until(lambda: "NOT_CONTIGUOUS" in running.facts["state"])
        assert "event 9 after event 7" in running.facts["state"]
        assert [name for name, _text in running.reports.events] == ["CHANNEL_CARRYING", "CHANNEL_STOPPED"]
        prove(CHANNEL_STOPPED, [name for name, _text in running.reports.events])
        assert await running.stored() == [*range(1, 8)]


class ChangesItsRun(RecordingSource):
    """A source that answers the first request with one run, and streams another one."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = 0

    async def GetRun(self, request: pb.GetRunRequest, context: Any) -> pb.GetRunResponse:
        self.answers += 1
        if self.answers > 1:
            return await super().GetRun(request, context)
        newest = Run(run_id=NEWEST_RUN)
        newest.created.seconds = CREATED_S + 2
        return pb.GetRunResponse(run=newest)


async def test_a_run_that_changed_between_request_and_stream_is_requested_again(tmp_path: Path) -> None:
    """The subject ends in a run between the two: the streamed one is older, and must not be stored behind it."""
    source = ChangesItsRun()
    source.append(200)
    async with rig(tmp_path, source, headers_of(LATER_RUN, CREATED_S + 1)) as running:
        await until(lambda: "RUN_SUPERSEDED" in running.facts["state"])
        assert source.answers > 1
        assert await running.stored() == [1]


# -- an outage ---------------------------------------------------------------------------------------------------------


async def test_the_number_of_waiting_events_is_exact_throughout_an_outage(
    tmp_path: Path, source: RecordingSource
) -> None:
    async with rig(tmp_path, source) as running:
        running.append(5)
        await until(lambda: running.facts["sequence"] == 5)
        await running.server.kill()
        running.append(20)
        await until(lambda: running.metric("qiki_bridge_waiting_messages") == 20)
        await until(lambda: not running.facts["storing"])
        running.append(30)
        await until(lambda: running.metric("qiki_bridge_waiting_messages") == 50)
        assert running.metric("qiki_bridge_unstored_seconds") >= 5
        await running.server.start()
        await until(lambda: running.metric("qiki_bridge_waiting_messages") == 0)
        assert await running.stored() == [*range(1, 56)]


async def test_waiting_events_are_counted_beyond_the_queue_throughout_an_outage(
    tmp_path: Path, source: RecordingSource
) -> None:
    async with rig(tmp_path, source) as running:
        running.append(5)
        await until(lambda: running.facts["sequence"] == 5)
        running.server.freeze()
        for more, total in ((MAX_MESSAGES + 100, MAX_MESSAGES + 100), (200, MAX_MESSAGES + 300)):
            running.append(more)
            await until(lambda expected=total: running.metric("qiki_bridge_waiting_messages") == expected)
            assert running.facts["waiting"] == total
        running.server.thaw()
        await until(lambda: running.metric("qiki_bridge_waiting_messages") == 0)
        assert running.facts["sequence"] == 5 + MAX_MESSAGES + 300


@pytest.mark.skipif(sys.platform != "linux", reason="a running process's limits can be set on Linux alone")
async def test_after_a_full_disk_the_channel_reports_a_storage_problem_until_an_event_is_stored(
    tmp_path: Path, source: RecordingSource
) -> None:
    async with rig(tmp_path, source) as running:
        running.append(5)
        await until(lambda: running.facts["sequence"] == 5)
        assert running.facts["state"] == CARRYING
        before = resource.prlimit(running.server.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(running.server.pid, resource.RLIMIT_FSIZE, (64, before[1]))
        running.append(1)
        await until(lambda: not running.facts["storing"])
        resource.prlimit(running.server.pid, resource.RLIMIT_FSIZE, before)
        await until(lambda: running.reports.events != [])
        await until(lambda: "no answer about" in running.facts["store_error"])
        assert_not_carrying(running)
        running.append(1)
        await until(lambda: running.metric("qiki_bridge_unstored_seconds") > 12)  # two further tries, and no answer
        assert_not_carrying(running)
        assert [name for name, _text in running.reports.events if name != "CHANNEL_CARRYING"] == ["STORE_STALLED"]
        await running.server.restart()
        await until(lambda: running.facts["sequence"] == 7)
        await until(lambda: running.health.serving)
        assert (running.facts["state"], running.facts["storing"], running.facts["store_error"]) == (CARRYING, True, "")
        assert running.metric("qiki_bridge_channel_publishing") == 1
        assert running.metric("qiki_bridge_unstored_seconds") == 0
        names = [name for name, _text in running.reports.events]
        assert [name for name in names if name != "CHANNEL_CARRYING"] == ["STORE_STALLED", "STORE_RESUMED"]
        prove(CHANNEL_CARRYING, names)
        prove(STORE_STALLED, names)
        prove(STORE_RESUMED, names)
        assert await running.stored() == [*range(1, 8)]


def assert_not_carrying(running: Rig) -> None:
    report = running.health
    assert not report.serving
    assert "JetStream has acknowledged nothing for" in report.detail
    assert "JetStream has acknowledged nothing for" in running.facts["store_error"]
    assert CARRYING not in f"{running.facts} {report.detail}"
    assert running.metric("qiki_bridge_channel_publishing") == 0


async def test_a_write_whose_answer_was_lost_is_found_stored_and_reading_goes_on(
    tmp_path: Path, source: RecordingSource
) -> None:
    async with rig(tmp_path, source) as running:
        running.append(5)
        await until(lambda: running.facts["sequence"] == 5)
        running.server.freeze()
        running.append(1)
        await until(lambda: running.facts["waiting"] == 1)
        running.append(BATCH_FROM)
        await until(lambda: "no answer about" in running.facts["state"])  # the write has waited in vain
        running.server.thaw()
        await until(lambda: running.facts["sequence"] == 6 + BATCH_FROM)
        assert await running.stored() == [*range(1, 7 + BATCH_FROM)]
        assert running.metric("qiki_bridge_resumes_total") >= 1
