import asyncio
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping

import pytest
from prometheus_client import CollectorRegistry, Counter

from mesh.feeds.feed import Feed, FeedSettings, FlowControl
from mesh.feeds.ring import Retention
from mesh.folds.runner import wait_for_readers
from mesh.serving.health import Health
from mesh.serving.http import HttpServer
from mesh.telemetry.feed_metrics import watch_feeds
from qiki.common.v1.stream_pb2 import Run
from qiki.sim.v1.sim_service_pb2 import WatchWorldResponse
from qiki.sim.v1.world_pb2 import WorldSnapshot

WAIT_S = 10.0


class Clock:
    """A clock that the test advances."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    health = Health("svc_test", stall_s=30.0, now=clock)
    health.up()
    return health


# -- the report --------------------------------------------------------------------------------------------------------


def test_a_service_does_not_serve_before_it_is_up() -> None:
    report = Health("svc_test", stall_s=30.0).report()
    assert (report.serving, report.detail) == (False, "starting")


def test_a_service_without_loops_serves_when_it_is_up(health: Health) -> None:
    assert (health.report().serving, health.report().detail) == (True, "serving")


def test_a_service_serves_while_its_loop_beats_and_reports_the_loops_activity(health: Health, clock: Clock) -> None:
    loop = health.loop("simulation")
    for _ in range(5):
        clock.now_s += 29.0
        loop.beat("paused")
        assert (health.report().serving, health.report().detail) == (True, "paused")


def test_a_loop_without_a_heartbeat_for_too_long_is_named_with_the_duration(health: Health, clock: Clock) -> None:
    loop = health.loop("simulation")
    health.loop("other")
    clock.now_s += 30.0
    assert health.report().serving, "exactly the limit is not too long"
    clock.now_s += 12.0
    report = health.report()
    assert (report.serving, report.detail) == (False, "simulation: has not advanced for 42 s")
    loop.beat()
    assert health.report().detail == "other: has not advanced for 42 s"


def test_a_loop_that_beats_again_serves_again(health: Health, clock: Clock) -> None:
    loop = health.loop("simulation")
    clock.now_s += 31.0
    assert not health.report().serving
    loop.beat()
    assert health.report().serving


def test_a_failed_loop_does_not_serve_even_if_it_beats(health: Health) -> None:
    loop = health.loop("world")
    loop.fail("CURSOR_LOST")
    loop.beat()
    assert (health.report().serving, health.report().detail) == (False, "world: CURSOR_LOST")


def test_a_failed_loop_that_recovers_serves_again(health: Health) -> None:
    loop = health.loop("world")
    loop.fail("not stored")
    loop.recover("carrying")
    assert (health.report().serving, health.report().detail) == (True, "carrying")


def test_a_draining_service_does_not_serve(health: Health) -> None:
    health.loop("simulation").beat("running")
    health.draining()
    assert (health.report().serving, health.report().detail) == (False, "draining")


def test_the_activity_of_several_loops_is_reported_with_their_names(health: Health) -> None:
    for name, detail in (("world", "idle"), ("frames", "idle"), ("lag", "watching")):
        health.loop(name).beat(detail)
    assert health.report().detail == "world, frames: idle; lag: watching"


def test_facts_are_collected_at_the_time_of_the_report(health: Health) -> None:
    facts: dict[str, object] = {"tick": 1}
    health.facts_from(lambda: facts)
    facts["tick"] = 2
    assert dict(health.report().facts) == {"tick": 2}


# -- over HTTP ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def http(health: Health) -> Iterator[HttpServer]:
    registry = CollectorRegistry()
    Counter("qiki_test_events", "Events.", registry=registry).inc(3)
    server = HttpServer("127.0.0.1", 0, registry, health)
    server.start()
    yield server
    server.stop()


def get(server: HttpServer, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=WAIT_S) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_healthz_answers_200_while_the_service_serves(health: Health, http: HttpServer) -> None:
    health.loop("simulation").beat("running")
    health.facts_from(lambda: {"tick": 7})
    status, body = get(http, "/healthz")
    assert status == 200
    assert json.loads(body) == {
        "service": "svc_test",
        "status": "SERVING",
        "detail": "running",
        "facts": {"tick": 7},
    }


def test_healthz_answers_503_with_the_reason_when_it_does_not(health: Health, clock: Clock, http: HttpServer) -> None:
    health.loop("simulation")
    clock.now_s += 60.0
    status, body = get(http, "/healthz")
    assert status == 503
    found: Mapping[str, object] = json.loads(body)
    assert (found["status"], found["detail"]) == ("NOT_SERVING", "simulation: has not advanced for 60 s")


def test_metrics_are_shown_as_prometheus_reads_them(http: HttpServer) -> None:
    status, body = get(http, "/metrics")
    assert status == 200
    assert "qiki_test_events_total 3.0" in body.splitlines()


def test_an_unknown_path_is_not_found_and_lists_the_known_ones(http: HttpServer) -> None:
    status, body = get(http, "/")
    assert status == 404
    assert "/metrics" in body
    assert "/healthz" in body


def test_a_silent_connection_does_not_block_others(health: Health) -> None:
    server = HttpServer("127.0.0.1", 0, CollectorRegistry(), health)
    server.start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_S):
        assert get(server, "/healthz")[0] == 200
        server.stop()  # with the silent one still there


def test_a_taken_port_is_an_error_at_once(health: Health, http: HttpServer) -> None:
    with pytest.raises(OSError, match="in use"):
        HttpServer("127.0.0.1", http.port, CollectorRegistry(), health)


# -- feeds on /metrics -------------------------------------------------------------------------------------------------

RUN = Run(run_id="0b6e1c1e-0000-4000-8000-0000000000aa", bot_id="qiki-01", tick_ns=1)


@pytest.mark.asyncio
async def test_metrics_show_the_position_of_a_feed_and_its_blocking_reader(health: Health) -> None:
    retention = Retention(1_000, 10_000_000)
    feed = Feed(
        FeedSettings("world", retention, ("bridge", "radar"), FlowControl.LOSSLESS), WatchWorldResponse, "snapshot"
    )
    registry = CollectorRegistry()
    watch_feeds(registry, [feed])

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, {"feed": "world", **labels})

    assert value("qiki_feed_events_total") is None, "a feed without a run has no figures"
    feed.begin(RUN)
    for sequence in (1, 2, 3):
        feed.append(WorldSnapshot(), sequence=sequence, time_ns=sequence, tick=sequence)
    feed.confirm("bridge", feed.place(2).encode())
    heartbeat = health.loop("simulation")
    async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as group:
        group.create_task(wait_for_readers(feed, 900, heartbeat))
        await asyncio.sleep(0)
        assert heartbeat.detail == "blocked by world: radar"
        assert value("qiki_feed_blocked", reader="radar") == 1
        assert value("qiki_feed_blocked", reader="bridge") == 0
        assert value("qiki_feed_events_total") == 3
        assert value("qiki_feed_ring_events") == 3
        assert value("qiki_feed_confirmed_sequence", reader="bridge") == 2
        for reader in ("bridge", "radar"):
            feed.confirm(reader, feed.place(3).encode())
    assert value("qiki_feed_blocked", reader="radar") == 0
