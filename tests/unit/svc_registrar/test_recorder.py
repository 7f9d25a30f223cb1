"""The recorder's queue: bounded in bytes, and freed by completed writes."""

import asyncio
import errno
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from code_proofs import prove
from log_cases import SMALL, first_segment
from mesh.serving.errors import LimitReachedError, MeshError
from mesh.serving.health import Health
from mesh.telemetry.spans import WorkSpans
from qiki.registrar.v1.registrar_service_pb2 import Receipt
from qiki_sdk import codes
from qiki_sdk.audit_event import make_event
from svc_registrar import event_json, wire
from svc_registrar.domain.index import Entry
from svc_registrar.feed import LogFeed
from svc_registrar.log.log import Append, Log, Rotation
from svc_registrar.log.retention import RetentionPolicy
from svc_registrar.metrics import RegistrarMetrics
from svc_registrar.recorder import Recorder
from svc_registrar.upkeep import Upkeep, UpkeepSettings
from svc_registrar.wire import Submission

pytestmark = pytest.mark.asyncio

WAIT_S = 20.0


def submission(number: int) -> Submission:
    return wire.to_submission(make_event("test", codes.GAP, f"event {number}"))


@asynccontextmanager
async def recording(
    state_dir: Path,
    registry: CollectorRegistry | None = None,
    settings: UpkeepSettings | None = None,
    rotation: Rotation | None = None,
) -> AsyncIterator[tuple[Recorder, Log]]:
    log = Log.open(state_dir, "qiki-01", wire.CODEC, rotation)
    spans, metrics = WorkSpans(1.0), RegistrarMetrics(registry or CollectorRegistry(), log)
    log_feed, heartbeat = LogFeed(log, (), spans), Health("test", stall_s=60.0).loop("recorder")
    upkeep = Upkeep(log, settings or UpkeepSettings(), lambda: log.last_index)
    recorder = Recorder(log, log_feed, heartbeat, upkeep, spans=spans, metrics=metrics)
    async with asyncio.TaskGroup() as group, asyncio.timeout(WAIT_S):
        advancing = group.create_task(recorder.advance())
        yield recorder, log
        advancing.cancel()


async def test_written_events_free_their_space_so_that_no_steady_load_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("svc_registrar.recorder.MAX_PENDING_BYTES", 3 * len(submission(0).body))
    async with recording(tmp_path) as (recorder, _log):
        for number in range(20):
            (receipt,) = await recorder.record([submission(number)])
            assert isinstance(receipt, Receipt)


async def test_the_queue_of_unwritten_events_is_bounded_with_a_typed_refusal_beyond(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with recording(tmp_path) as (recorder, log):
        await recorder.record([submission(0)])  # the registrar's own first event is written, too
        writing, go_on, append = asyncio.Event(), threading.Event(), log.append
        loop = asyncio.get_running_loop()

        def append_slowly(contents: list[bytes], entries: list[Entry]) -> Append:
            loop.call_soon_threadsafe(writing.set)
            go_on.wait(WAIT_S)
            return append(contents, entries)

        monkeypatch.setattr(log, "append", append_slowly)
        room = 3 * len(submission(1).body) + 50  # bodies differ by a few bytes: the times in them do
        monkeypatch.setattr("svc_registrar.recorder.MAX_PENDING_BYTES", room)
        async with asyncio.TaskGroup() as group:
            waiting = [group.create_task(recorder.record([submission(number)])) for number in range(1, 4)]
            await writing.wait()
            with pytest.raises(LimitReachedError):
                await recorder.record([submission(4)])
            go_on.set()
        assert all(isinstance(task.result()[0], Receipt) for task in waiting)


async def test_metrics_count_the_events_groups_flushes_and_failed_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = CollectorRegistry()

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"qiki_registrar_{name}", labels)

    async with recording(tmp_path, registry) as (recorder, log):
        await recorder.record([submission(number) for number in range(3)])  # with the registrar's own BOOT_OK
        assert value("events_total", code="GAP") == 3
        assert value("events_total", code="BOOT_OK") == 1
        assert value("group_events_sum") == 4
        groups = value("group_events_count") or 0
        assert 1 <= groups <= 2
        assert value("fsync_duration_seconds_count") == groups, "one flush a group"
        assert value("log_bytes") == log.size_bytes == first_segment(tmp_path).stat().st_size
        assert value("write_failures_total") == 0

        def fails(_fd: int) -> None:
            raise OSError(errno.EIO, "the disk fails")

        monkeypatch.setattr("os.fsync", fails)
        with pytest.raises(MeshError):
            await recorder.record([submission(4)])
        assert (value("write_failures_total"), value("events_total", code="GAP")) == (1, 3)
        monkeypatch.undo()


async def test_a_published_checkpoint_is_an_event_of_the_log_that_its_key_has_signed(tmp_path: Path) -> None:
    settings = UpkeepSettings(checkpoint_events=1, publish_s=0.0)
    async with recording(tmp_path, settings=settings) as (recorder, log):
        await recorder.record([submission(1), submission(2)])
        while log.last_index < 4:  # BOOT_OK, the two events, the checkpoint
            await recorder.record([submission(log.last_index)])
        events = [event_json.from_line(log.read(index))[0] for index in range(1, log.last_index + 1)]
        prove(codes.LOG_CHECKPOINT, events)
        published = next(event for event in events if event.name == "LOG_CHECKPOINT")
        attributes = {item.name: item.value for item in published.attributes}
        signed = log.verifier.open(attributes["note"])
        assert (str(signed.size), log.tree.root(signed.size)) == (attributes["size"], signed.root)


async def test_what_retention_removes_is_an_event_of_the_log_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("svc_registrar.upkeep.EXPIRE_PERIOD_S", 0.0)
    settings = UpkeepSettings(checkpoint_events=1, retention=RetentionPolicy(bytes=1))
    async with recording(tmp_path, settings=settings, rotation=SMALL) as (recorder, log):
        while log.oldest_index == 1:
            await recorder.record([submission(log.last_index)])
        last = log.last_index
        while log.last_index < last + 2:
            await recorder.record([submission(log.last_index)])
        events = [event_json.from_line(log.read(index))[0] for index in range(last, log.last_index + 1)]
        prove(codes.LOG_TRIMMED, events)
