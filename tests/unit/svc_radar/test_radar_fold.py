import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

import svc_radar.fold
from botspec.example import example_bot_spec
from botspec.model import load_bot_spec
from code_proofs import prove, waiting
from mesh.clock import SimulationClock
from mesh.feeds.feed import Feed, FeedSettings, FlowControl
from mesh.feeds.ring import Retention
from mesh.feeds.store import Entry
from mesh.folds.quarantine import Quarantine
from mesh.folds.runner import FoldReports
from mesh.serving.health import Health
from qiki.common.v1.geometry_pb2 import Pose, Quaternion
from qiki.common.v1.stream_pb2 import EventContext, Run
from qiki.radar.v1.radar_pb2 import RadarFrame, SensorStatus
from qiki.radar.v1.radar_service_pb2 import WatchFramesResponse
from qiki.registrar.v1.registrar_service_pb2 import AuditEvent
from qiki.sim.v1.world_pb2 import WorldSnapshot
from qiki_sdk import Event
from qiki_sdk.audit import AuditReporter
from qiki_sdk.codes import FRAME_TRUNCATED, FRAMES_FLOWING, FRAMES_SUMMARY, SENSOR_IO_FAILED, SENSOR_IO_RESTORED
from svc_radar.config import to_model
from svc_radar.domain import observe
from svc_radar.fold import Feeds, RadarFold
from svc_radar.metrics import RadarMetrics

pytestmark = pytest.mark.asyncio

TICK_NS = 50_000_000
SNAPSHOT_TICKS = 2
RUN = Run(
    run_id="0b6e1c1e-0000-4000-8000-0000000000aa",
    start_time=Timestamp(seconds=1_767_225_600),
    bot_id="qiki-01",
    tick_ns=TICK_NS,
    seed=7,
)
# The reported position shows the draws of a scan.
MODEL = replace(
    to_model(load_bot_spec(example_bot_spec()).spec.radars[0]), false_alarm_probability=1e-9, pose_sigma_m=3.0
)
# Scan periods in snapshots, as many as there are radars.
PERIODS = st.lists(st.integers(1, 6), min_size=1, max_size=3)


def snapshots(first: int, last: int) -> Sequence[Event[WorldSnapshot]]:
    """Return the snapshots of these sequences; a resume token is the tick that it follows."""
    clock = SimulationClock.of(RUN)
    found = []
    for sequence in range(first, last + 1):
        tick = sequence * SNAPSHOT_TICKS
        pose = Pose(attitude=Quaternion(w=1.0))
        payload = WorldSnapshot(tick=tick, time=clock.timestamp(tick), own_ship=pose)
        found.append(Event(payload, EventContext(sequence=sequence), str(tick)))
    return found


def observer(
    periods: Sequence[int],
    readers: tuple[str, ...] = ("bridge",),
    registry: CollectorRegistry | None = None,
    run: Run = RUN,
) -> tuple[RadarFold, Feed]:
    models = tuple(
        replace(
            MODEL,
            sensor_id=f"0b6e1c1e-0000-4000-8000-{index:012d}",
            scan_period_s=period * SNAPSHOT_TICKS * TICK_NS / 1e9,
        )
        for index, period in enumerate(periods)
    )
    feed = Feed(
        FeedSettings("frames", Retention(10**15, 10**9), readers, FlowControl.LIVE), WatchFramesResponse, "frame"
    )
    feed.begin(run)
    heartbeat = Health("svc_radar", stall_s=60.0).loop("observer")
    audit = AuditReporter("", "svc_radar")
    reports = FoldReports(audit, Quarantine(audit, CollectorRegistry(), "world"), heartbeat)
    return RadarFold(run, models, Feeds(feed), reports, RadarMetrics(registry or CollectorRegistry())), feed


def frames(feed: Feed) -> dict[int, bytes]:
    """Return the digests of the frames by sequence."""
    entries: list[Entry] = []
    for sequence in range(feed.store.oldest_sequence, feed.store.last_sequence + 1):
        entry = feed.store.get(sequence)
        assert entry is not None
        entries.append(entry)
    return {entry.sequence: entry.digest for entry in entries}


@settings(max_examples=30, deadline=None)
@given(periods=PERIODS, seen=st.integers(1, 30), confirmed=st.integers(0, 100))
async def test_replay_from_the_confirmed_position_makes_every_unsafe_frame_again(
    periods: list[int], seen: int, confirmed: int
) -> None:
    first, feed = observer(periods)
    for event in snapshots(1, seen):
        await first.take(event)
    made = frames(feed)
    safe = min(confirmed, feed.store.last_sequence)
    feed.confirm("bridge", feed.place(safe).encode())
    place = int(first.safe_token() or 0) // SNAPSHOT_TICKS

    again, feed = observer(periods)  # the source retains only the snapshots after the position
    for event in snapshots(place + 1, seen):
        await again.take(event)
    remade = frames(feed)
    assert {
        sequence: made[sequence] for sequence in range(safe + 1, max(made, default=0) + 1)
    }.items() <= remade.items()
    assert remade.items() <= made.items()


@settings(max_examples=30, deadline=None)
@given(periods=PERIODS)
async def test_with_all_frames_safe_the_confirmed_position_lags_by_at_most_a_scan_and_a_snapshot(
    periods: list[int],
) -> None:
    first, feed = observer(periods)
    for event in snapshots(1, 40):
        await first.take(event)
        if feed.store.last_sequence:
            feed.confirm("bridge", feed.place(feed.store.last_sequence).encode())
        place = int(first.safe_token() or 0) // SNAPSHOT_TICKS
        next_snapshot = event.context.sequence + 1
        assert next_snapshot - place <= max(periods) + 1, "the interval that check_retention assumes"


async def test_metrics_count_the_frames_and_detections_of_each_radar() -> None:
    registry = CollectorRegistry()
    first, feed = observer([2, 5], registry=registry)
    for event in snapshots(1, 20):
        await first.take(event)
    counted = {1: [0, 0], 2: [0, 0]}
    for sequence in range(1, feed.store.last_sequence + 1):
        entry = feed.store.get(sequence)
        assert entry is not None
        frame = WatchFramesResponse.FromString(entry.response).frame
        mine = counted[int(frame.sensor_id.value[-1]) + 1]
        mine[0] += 1
        mine[1] += len(frame.detections)
    assert [frames for frames, _detections in counted.values()] == [10, 4]
    for index, (frames_made, detections) in enumerate(counted.values()):
        labels = {"sensor": f"0b6e1c1e-0000-4000-8000-{index:012d}"}
        assert registry.get_sample_value("qiki_radar_scan_duration_seconds_count", labels) == frames_made
        assert registry.get_sample_value("qiki_radar_detections_total", labels) == detections


async def test_the_confirmed_position_precedes_the_frames_that_the_slowest_reader_lacks() -> None:
    first, feed = observer([2], readers=("bridge", "tracker"))
    for event in snapshots(1, 12):
        await first.take(event)
    feed.confirm("bridge", feed.place(6).encode())
    feed.confirm("tracker", feed.place(2).encode())
    assert first.safe_token() == str(3 * SNAPSHOT_TICKS), "frame 3 is of the scan between snapshots 4 and 6"


async def test_before_a_whole_scan_there_is_no_position_to_confirm() -> None:
    first, _feed = observer([5])
    for event in snapshots(1, 4):
        await first.take(event)
        assert first.safe_token() == ""


async def test_a_bot_without_radars_confirms_every_snapshot() -> None:
    first, feed = observer([])
    assert first.safe_token() == ""
    for event in snapshots(1, 3):
        await first.take(event)
    assert (first.safe_token(), feed.store.last_sequence) == (str(3 * SNAPSHOT_TICKS), 0)


async def test_scans_cut_by_the_start_of_the_retention_yield_no_frame() -> None:
    first, feed = observer([5, 2])
    for event in snapshots(11, 20):
        await first.take(event)
    assert feed.store.oldest_sequence == 16 // 5 + 16 // 2, "the first frame is at snapshot 16, one full scan after 11"
    assert feed.store.last_sequence == 20 // 5 + 20 // 2


async def test_every_scan_slot_yields_a_frame_in_the_order_of_tick_then_sensor() -> None:
    first, feed = observer([4, 2])
    for event in snapshots(1, 8):
        await first.take(event)
    found = [
        WatchFramesResponse.FromString(entry.response).frame for entry in map(feed.store.get, range(1, 7)) if entry
    ]
    assert [(frame.tick, frame.sensor_id.value[-1], frame.scan_number) for frame in found] == [
        (4, "1", 1),
        (8, "0", 1),
        (8, "1", 2),
        (12, "1", 3),
        (16, "0", 2),
        (16, "1", 4),
    ]
    assert len({frame.frame_id.value for frame in found}) == len(found)
    clock, periods = SimulationClock.of(RUN), {"0": 4, "1": 2}
    for frame in found:
        ticks = periods[frame.sensor_id.value[-1]] * SNAPSHOT_TICKS
        assert (frame.scan_start, frame.timestamp) == (
            clock.timestamp(frame.tick - ticks),
            clock.timestamp(frame.tick),
        )


async def noise_of(periods: Sequence[int], seed: int = RUN.seed) -> dict[tuple[str, int], float]:
    """Return the error of the reported position, which is at 0, by radar and scan number."""
    run = Run()
    run.CopyFrom(RUN)
    run.seed = seed
    radars, feed = observer(periods, run=run)
    for event in snapshots(1, 12):
        await radars.take(event)
    found = [frame_at(feed, sequence) for sequence in range(1, feed.store.last_sequence + 1)]
    return {(frame.sensor_id.value, frame.scan_number): frame.sensor_pose.position.x for frame in found}


async def test_every_scan_of_every_radar_has_noise_of_its_own_and_another_seed_gives_other_noise() -> None:
    noise, other = await noise_of([2, 3]), await noise_of([2, 3], seed=8)
    assert len(noise) == 12 // 2 + 12 // 3
    assert len({*noise.values(), *other.values()}) == 2 * len(noise)


async def test_the_noise_of_a_radar_does_not_depend_on_other_radars() -> None:
    alone, beside = await noise_of([2]), await noise_of([2, 1])
    assert alone.items() < beside.items()


# -- quarantine --------------------------------------------------------------------------------------------------------


def frame_at(feed: Feed, sequence: int) -> RadarFrame:
    entry = feed.store.get(sequence)
    assert entry is not None
    return WatchFramesResponse.FromString(entry.response).frame


def failing_at(number: int, error: Exception) -> Callable[..., Any]:
    """Return an `observe` that fails at its call of this number, from 1."""
    calls = [0]

    def call(*args: Any, **kwargs: Any) -> Any:
        calls[0] += 1
        if calls[0] == number:
            raise error
        return observe(*args, **kwargs)

    return call


async def test_a_snapshot_that_makes_a_radar_fail_yields_a_failed_frame_in_its_slot_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calm, whole = observer([2])
    for event in snapshots(1, 12):
        await calm.take(event)
    remade = []
    for _replay in range(2):
        monkeypatch.setattr(svc_radar.fold, "observe", failing_at(3, ZeroDivisionError("a bug")))
        radar, feed = observer([2])
        for event in snapshots(1, 12):
            await radar.take(event)
        assert radar._reports.audit.counts().reported == calm._reports.audit.counts().reported + 1
        failed = frame_at(feed, 3)
        assert failed.status == SensorStatus.SENSOR_STATUS_FAILED
        assert (failed.scan_number, failed.frame_id, failed.detections) == (3, frame_at(whole, 3).frame_id, [])
        assert failed.sensor_pose == frame_at(whole, 3).sensor_pose
        others = {sequence: digest for sequence, digest in frames(feed).items() if sequence != 3}
        assert others == {sequence: digest for sequence, digest in frames(whole).items() if sequence != 3}
        remade.append(frames(feed))
    assert remade[0] == remade[1]


async def test_a_snapshot_with_a_pose_that_is_not_finite_yields_a_failed_frame_without_a_pose() -> None:
    radar, feed = observer([1])
    (event,) = snapshots(1, 1)
    event.payload.own_ship.position.x = math.nan
    await radar.take(event)
    failed = frame_at(feed, 1)
    assert failed.status == SensorStatus.SENSOR_STATUS_FAILED
    assert not failed.HasField("sensor_pose")


@pytest.mark.parametrize("error", [MemoryError(), OSError("no numba cache")])
async def test_a_machine_failure_is_not_blamed_on_the_snapshot_and_ends_the_process(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(svc_radar.fold, "observe", failing_at(1, error))
    radar, feed = observer([1])
    with pytest.raises(type(error)):
        await radar.take(snapshots(1, 1)[0])
    assert feed.store.last_sequence == 0


def audit_of(fold: RadarFold) -> list[AuditEvent]:
    return waiting(fold._reports.audit)


def scripted(monkeypatch: pytest.MonkeyPatch, lost: Sequence[int], truncated: Sequence[int] = ()) -> None:
    """Make the scans of these numbers, from 1 on for one radar, lost or truncated."""
    numbers = iter(range(1, 10_000))

    def observed(*arguments: Any) -> Any:
        number = next(numbers)
        scan = observe(*arguments)
        return replace(scan, failed=number in lost, truncated=number in truncated)

    monkeypatch.setattr(svc_radar.fold, "observe", observed)


async def test_the_first_frame_and_each_minute_are_reported() -> None:
    fold, _feed = observer([6])
    for event in snapshots(1, 610):
        await fold.take(event)
    prove(FRAMES_FLOWING, audit_of(fold))
    prove(FRAMES_SUMMARY, audit_of(fold))


async def test_a_radar_that_loses_scans_in_a_row_is_reported_once_and_again_when_it_measures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scripted(monkeypatch, lost=[2, *range(4, 9)])
    fold, _feed = observer([1])
    for event in snapshots(1, 12):
        await fold.take(event)
    found = audit_of(fold)
    prove(SENSOR_IO_FAILED, found)
    prove(SENSOR_IO_RESTORED, found)
    scans = [(each.name, each.attributes[0].value) for each in found if each.name.startswith("SENSOR_IO")]
    assert scans == [("SENSOR_IO_FAILED", "6"), ("SENSOR_IO_RESTORED", "9")]


async def test_a_replay_that_begins_within_an_outage_repeats_its_reports_and_adds_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scripted(monkeypatch, lost=range(4, 9))
    first, _feed = observer([1])
    for event in snapshots(1, 12):
        await first.take(event)
    before = {each.event_id for each in audit_of(first)}
    scripted(monkeypatch, lost=range(1, 5))  # from snapshot 4 on, of which the radar skips the first: 5 to 8
    again, _feed = observer([1])
    for event in snapshots(4, 12):
        await again.take(event)
    after = [each for each in audit_of(again) if each.name.startswith("SENSOR_IO")]
    assert [each.name for each in after] == ["SENSOR_IO_RESTORED"]
    assert {each.event_id for each in after} <= before


async def test_truncated_frames_are_reported_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, lost=[], truncated=range(2, 800))
    fold, _feed = observer([1])
    for event in snapshots(1, 605):
        await fold.take(event)
    prove(FRAME_TRUNCATED, audit_of(fold))
    assert [each.name for each in audit_of(fold)].count("FRAME_TRUNCATED") == 2
