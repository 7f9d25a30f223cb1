"""The state of `qiki top`: a fold of answers, in which the old is never shown as new and the unknown never as 0."""

import math
from contextlib import suppress

import pytest

from cli.views.top.model.alerts import CLEARED_FOR_S
from cli.views.top.model.answer import NOT_SERVING, SERVING, UNREACHABLE
from cli.views.top.model.conditions import QUIET_S
from cli.views.top.model.metrics import MetricsError, parse_metrics
from cli.views.top.model.services import STALE_S
from cli.views.top.model.trend import is_growing, push, rate
from top_samples import NAMES, SIM_FACTS, START_S, after, answer, metrics_text, running


def texts(mesh: object) -> list[str]:
    return [alert.text for alert in mesh.alerts if alert.is_active]  # type: ignore[attr-defined]


def test_figures_of_a_process_come_from_its_metrics() -> None:
    mesh = after(
        answer("sim", START_S, metrics_text(cpu_s=2.0, feeds={"world": 10, "sensors": 10})),
        answer("sim", START_S + 2, metrics_text(cpu_s=2.5, feeds={"world": 30, "sensors": 40})),
    )
    sim = mesh.service("sim")
    assert sim is not None
    assert (sim.status, sim.pid, sim.resident_bytes) == (SERVING, 4711, 8e7)
    assert sim.cpu_percent == pytest.approx(25.0)
    assert sim.events_per_s == pytest.approx(25.0)


def test_a_metric_that_is_absent_or_not_finite_is_unknown_and_never_0() -> None:
    mesh = after(answer("radar", START_S, "process_cpu_seconds_total NaN\nprocess_resident_memory_bytes +Inf\n"))
    radar = mesh.service("radar")
    assert radar is not None
    assert (radar.cpu_percent, radar.resident_bytes, radar.started_s, radar.events_per_s) == (None, None, None, None)
    assert mesh.feeds == ()


@pytest.mark.parametrize("text", ["<html>", "a{b 1", 'a{b="c} 1', "a one", "# TYPE a\x00\na 1 2 3 4", "\xff"])
def test_text_that_is_not_of_prometheus_is_refused_or_empty(text: str) -> None:
    with suppress(MetricsError):
        assert parse_metrics(text.encode()).value("a") is None


def test_a_dead_service_keeps_its_last_figures_as_stale_and_its_status_has_a_start() -> None:
    mesh = after(
        answer("radar", START_S, metrics_text(feeds={"frames": 5})),
        answer("radar", START_S + 1, status=UNREACHABLE, reason="no connection"),
        answer("radar", START_S + 5, status=UNREACHABLE, reason="no connection"),
    )
    radar = mesh.service("radar")
    assert radar is not None
    assert (radar.status, radar.since_s, radar.since_exact) == (UNREACHABLE, START_S + 1, True)
    assert radar.resident_bytes == 8e7
    assert not radar.is_stale(START_S + STALE_S)
    assert radar.is_stale(START_S + STALE_S + 0.1)
    assert mesh.feeds[0].is_stale(START_S + STALE_S + 0.1)
    assert texts(mesh) == ["radar is UNREACHABLE: no connection"]


def test_a_status_that_is_older_than_the_view_is_marked_so() -> None:
    mesh = after(answer("radar", START_S, status=NOT_SERVING))
    assert mesh.services[2].since_exact is False


def test_a_counter_that_starts_again_gives_no_negative_rate() -> None:
    trends = push({}, "a", 0.0, 100.0, counter=True)
    trends = push(trends, "a", 1.0, 3.0, counter=True)
    assert rate(trends["a"]) is None
    trends = push(trends, "a", 2.0, 5.0, counter=True)
    assert rate(trends["a"]) == 2.0


def test_a_lag_grows_only_if_it_never_fell_over_the_whole_window() -> None:
    growing = tuple((float(second), 2.0 * second) for second in range(13))
    assert is_growing(growing)
    assert not is_growing(growing[:8]), "too short to judge"
    assert not is_growing((*growing[:5], (5.0, 0.0), *growing[6:]))
    assert not is_growing(tuple((at, 5.0) for at, _ in growing))


def test_a_feed_has_its_sequence_rate_readers_and_the_time_of_its_newest_event() -> None:
    mesh = after(*running(START_S, 10), *running(START_S + 1, 14), *running(START_S + 2, 14))
    frames = next(feed for feed in mesh.feeds if feed.name == "frames")
    assert (frames.service, frames.sequence, frames.newest_s, frames.newest_exact) == ("radar", 14, START_S + 1, True)
    assert frames.events_per_s == 2.0
    assert [(reader.name, reader.lag) for reader in frames.readers] == [("bridge", 14)]
    assert frames.blocked_by is None
    durable = mesh.durables[0]
    assert (durable.name, durable.lag, durable.oldest_age_s) == ("registrar_intake", 0, None)
    assert texts(mesh) == []


def test_a_producer_that_is_blocked_for_long_raises_an_alert_since_it_waits() -> None:
    blocked = 'qiki_feed_blocked_seconds{feed="frames",reader="tracker"} 7'
    mesh = after(answer("radar", START_S, metrics_text(feeds={"frames": 5}, more=blocked)))
    assert texts(mesh) == ["frames is blocked by tracker"]
    assert mesh.alerts[0].since_s == START_S - 7


def test_a_radar_without_frames_raises_an_alert_while_the_simulation_runs() -> None:
    rounds = [each for second in range(int(QUIET_S) + 2) for each in running(START_S + second, 10)]
    assert "frames has had no event for more than 10 s, although the simulation runs" in texts(after(*rounds))
    assert not any("guard" in text or "audit" in text for text in texts(after(*rounds)))


@pytest.mark.parametrize("facts", [{"phase": "ENDED"}, {"phase": "PAUSED"}, {"speed": 0.1}, {"blocked_by": "radar"}])
def test_no_frames_are_no_alert_while_none_can_come(facts: dict[str, object]) -> None:
    rounds = []
    for second in range(int(QUIET_S) + 2):
        sim = answer("sim", START_S + second, metrics_text(), facts={**SIM_FACTS, **facts})
        rounds += [sim, answer("radar", START_S + second, metrics_text(feeds={"frames": 9}))]
    assert texts(after(*rounds)) == []


def test_losses_and_full_streams_raise_alerts() -> None:
    more = "\n".join(
        (
            'qiki_bridge_missing_events_total{channel="frames"} 12',
            'qiki_fold_quarantined_total{feed="world"} 1',
            "qiki_jetstream_dead_letters 3",
            'qiki_audit_events_total{outcome="dropped"} 2',
            'qiki_jetstream_stream_bytes{stream="S"} 95',
            'qiki_jetstream_stream_limit_bytes{stream="S"} 100',
        )
    )
    assert set(texts(after(answer("bridge", START_S, metrics_text(more=more))))) == {
        "gap: the bridge missed 12 events of frames",
        "1 events of world were quarantined",
        "3 dead letters: `qiki nats dlq list` shows them",
        "2 audit events were dropped or rejected",
        "S is 95 % full",
    }


def test_a_growing_lag_of_a_durable_raises_an_alert() -> None:
    lag = 'qiki_jetstream_consumer_lag{{stream="S",consumer="intake"}} {}'
    rounds = [answer("bridge", START_S + n, metrics_text(more=lag.format(10 * n))) for n in range(13)]
    assert texts(after(*rounds)) == ["the lag of intake on S grows: 120 messages"]


def test_alerts_are_newest_first_and_stay_for_a_while_once_cleared() -> None:
    mesh = after(
        answer("sim", START_S, status=UNREACHABLE),
        answer("radar", START_S + 1, status=NOT_SERVING),
        answer("bridge", START_S + 2, metrics_text()),
    )
    assert texts(mesh) == ["radar is NOT_SERVING", "sim is UNREACHABLE"]
    mesh = after(answer("sim", START_S + 3, metrics_text()), mesh=mesh)
    assert [(alert.key, alert.is_active) for alert in mesh.alerts] == [("status:radar", True), ("status:sim", False)]
    later = START_S + 4 + CLEARED_FOR_S
    mesh = after(answer("sim", later, metrics_text()), answer("sim", later + 1, metrics_text()), mesh=mesh)
    assert not any(alert.key == "status:sim" for alert in mesh.alerts)


def test_an_answer_changes_its_service_alone() -> None:
    mesh = after(answer("sim", START_S, metrics_text(feeds={"world": 1})))
    assert {service.name for service in mesh.services} == set(NAMES)
    assert [service.name for service in mesh.services if service.status == SERVING] == ["sim"]
    assert not any(math.isnan(service.since_s) for service in mesh.services)
