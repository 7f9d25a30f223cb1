"""A producer blocked by a required reader: reported once when the block lasts, and once when it is over."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from code_proofs import prove
from mesh.feeds.blockage import Blockage
from mesh.feeds.feed import Feed, FeedSettings, FlowControl
from mesh.feeds.ring import Retention
from mesh.folds.runner import wait_for_readers
from mesh.serving.health import Health
from mesh.telemetry.feed_metrics import watch_feeds
from qiki.common.v1.stream_pb2 import Run
from qiki.sim.v1.sim_service_pb2 import WatchWorldResponse
from qiki.sim.v1.world_pb2 import WorldSnapshot
from qiki_sdk.codes import FEED_BLOCKED, FEED_UNBLOCKED

RUN = Run(run_id="0b6e1c1e-0000-4000-8000-0000000000aa", bot_id="qiki-01", tick_ns=1)


@dataclass
class Rig:
    """A clock that the test sets, and the events that the blockage reports."""

    now_s: float = 100.0
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def report(self, code: Any, _message: str = "", **attributes: Any) -> None:
        self.events.append((code.name, attributes))


@pytest.fixture
def rig() -> Rig:
    return Rig()


@pytest.fixture
def blockage(rig: Rig) -> Blockage:
    made = Blockage("frames", 30.0, lambda: rig.now_s)
    made.report = rig.report
    return made


def test_a_block_names_its_reader_and_duration(blockage: Blockage, rig: Rig) -> None:
    assert (blockage.reader, blockage.seconds) == ("", 0.0)
    assert blockage.wait_for("bridge") == "blocked by frames: bridge"
    rig.now_s += 12.5
    assert blockage.wait_for("bridge") == "blocked by frames: bridge"
    assert (blockage.reader, blockage.seconds) == ("bridge", 12.5)
    blockage.end()
    assert (blockage.reader, blockage.seconds, rig.events) == ("", 0.0, [])


def test_a_lasting_block_is_an_alarm_raised_once_and_cleared_once(blockage: Blockage, rig: Rig) -> None:
    blockage.wait_for("bridge")
    for _look in range(3):
        rig.now_s += 30.0
        assert blockage.wait_for("bridge") == "ALARM: blocked for more than 30 s by frames: bridge"
    assert rig.events == [("FEED_BLOCKED", {"feed": "frames", "reader": "bridge"})]
    blockage.end()
    blockage.end()
    assert rig.events[1:] == [("FEED_UNBLOCKED", {"feed": "frames", "reader": "bridge", "blocked_s": 90.0})]
    prove(FEED_BLOCKED, [name for name, _attributes in rig.events])
    prove(FEED_UNBLOCKED, [name for name, _attributes in rig.events])


def test_a_producer_that_still_emits_events_now_and_then_raises_no_alarm(blockage: Blockage, rig: Rig) -> None:
    for _event in range(10):
        blockage.wait_for("bridge")
        rig.now_s += 29.0
        blockage.wait_for("bridge")
        blockage.end()
    assert rig.events == []


def test_an_abandoned_wait_is_not_reported_as_over(blockage: Blockage, rig: Rig) -> None:
    blockage.wait_for("bridge")
    rig.now_s += 31.0
    blockage.wait_for("bridge")
    blockage.give_up()
    assert (blockage.reader, len(rig.events)) == ("", 1)
    assert blockage.wait_for("bridge") == "blocked by frames: bridge", "another wait begins"


@pytest.mark.asyncio
async def test_a_blocked_producer_shows_it_in_its_status_and_its_metrics(rig: Rig) -> None:
    settings = FeedSettings(
        "world", Retention(100, 10**9), ("bridge", "radar"), FlowControl.LOSSLESS, blocked_alarm_s=1e-9
    )
    feed, health, registry = Feed(settings, WatchWorldResponse, "snapshot"), Health("svc", 60.0), CollectorRegistry()
    feed.blockage.report = rig.report
    watch_feeds(registry, [feed])
    feed.begin(RUN)
    feed.append(WorldSnapshot(), sequence=1, time_ns=1, tick=1)
    feed.confirm("radar", feed.place(1).encode())
    heartbeat = health.loop("simulation")
    health.up()

    def blocked_s(reader: str) -> float | None:
        return registry.get_sample_value("qiki_feed_blocked_seconds", {"feed": "world", "reader": reader})

    assert (blocked_s("bridge"), blocked_s("radar")) == (0.0, 0.0)
    async with asyncio.TaskGroup() as group, asyncio.timeout(20):
        waiting = group.create_task(wait_for_readers(feed, 900, heartbeat))
        while not rig.events:
            await feed.change.wait(0.01)
        assert health.report().detail == "ALARM: blocked for more than 1e-09 s by world: bridge"
        assert (blocked_s("bridge") or 0.0) > 0.0
        assert blocked_s("radar") == 0.0
        feed.confirm("bridge", feed.place(1).encode())
        await waiting
    assert [name for name, _attributes in rig.events] == ["FEED_BLOCKED", "FEED_UNBLOCKED"]
    assert blocked_s("bridge") == 0.0


@pytest.mark.asyncio
async def test_a_producer_that_ends_while_blocked_is_not_reported_as_unblocked(rig: Rig) -> None:
    settings = FeedSettings("world", Retention(100, 10**9), ("bridge",), FlowControl.LOSSLESS, blocked_alarm_s=1e-9)
    feed = Feed(settings, WatchWorldResponse, "snapshot")
    feed.blockage.report = rig.report
    feed.begin(RUN)
    feed.append(WorldSnapshot(), sequence=1, time_ns=1, tick=1)
    waiting = asyncio.create_task(wait_for_readers(feed, 900, Health("svc", 60.0).loop("simulation")))
    async with asyncio.timeout(20):
        while not rig.events:
            await feed.change.wait(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert [name for name, _attributes in rig.events] == ["FEED_BLOCKED"]
    assert feed.blocked_by == ""
