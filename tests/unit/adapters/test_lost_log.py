"""A channel continues after another log's events only if the loss of that log has been accepted."""

import pytest

from adapters.jetstream.codec.cloudevents import to_headers
from adapters.jetstream.outbound.lost_log import decide_recorded, shortened
from adapters.jetstream.outbound.resumption import ChannelStopped, Start
from qiki.common.v1.stream_pb2 import EventContext, Run

NOW_S = 1_767_225_600


def log(log_id: str = "log-b", created_s: int = NOW_S) -> Run:
    made = Run(run_id=log_id)
    made.created.seconds = created_s
    return made


def tail_of(of: Run, sequence: int = 7) -> dict[str, str]:
    source, kind = f"/qiki/bot/{of.run_id}/audit", "qiki.registrar.v1.AuditEvent"
    context = EventContext(
        id="x", source=source, type=kind, sequence=sequence, run_id=of.run_id, run_created=of.created
    )
    context.time.seconds = context.recorded_time.seconds = NOW_S
    return to_headers(context, f"token-{sequence}", None)


def test_an_empty_subject_starts_at_the_logs_first_event() -> None:
    assert decide_recorded(None, 0, False, log(), "") == Start("", 1, 0, fresh=True)


def test_a_tail_of_the_same_log_is_resumed_after() -> None:
    assert decide_recorded(tail_of(log()), 42, True, log(), "") == Start("token-7", 8, 42, fresh=False)


@pytest.mark.parametrize("created_s", [NOW_S - 86_400, NOW_S, NOW_S + 86_400])
def test_a_tail_of_another_log_stops_the_channel_whichever_log_is_older(created_s: int) -> None:
    with pytest.raises(ChannelStopped) as caught:
        decide_recorded(tail_of(log("log-a", created_s)), 42, True, log(), "log-c")
    assert caught.value.reason == "AUDIT_LOG_LOST"
    for part in ("up to 7 of log log-a", "serves log log-b", "QIKI_BRIDGE_ACCEPT_LOST_LOG=log-a"):
        assert part in str(caught.value)


@pytest.mark.parametrize("created_s", [NOW_S - 86_400, NOW_S, NOW_S + 86_400])
def test_after_a_log_with_accepted_loss_the_new_log_starts_at_its_first_event(created_s: int) -> None:
    start = decide_recorded(tail_of(log("log-a", created_s)), 42, True, log(), "log-a")
    assert start == Start("", 1, 42, fresh=True)


def test_accepting_the_loss_of_the_served_log_changes_nothing() -> None:
    assert decide_recorded(tail_of(log()), 42, True, log(), "log-b") == Start("token-7", 8, 42, fresh=False)


def test_a_tail_that_no_bridge_has_written_is_reported_as_foreign() -> None:
    with pytest.raises(ChannelStopped) as caught:
        decide_recorded({}, 42, True, log(), "")
    assert caught.value.reason == "FOREIGN_TAIL"


def test_a_shortened_log_is_reported_with_the_last_event_on_the_bus() -> None:
    stopped = shortened("log-a", 7, "the last event is 3")
    assert stopped.reason == "AUDIT_LOG_LOST"
    assert "up to 7 of log log-a" in str(stopped)
    assert "(the last event is 3)" in str(stopped)


def test_the_log_of_a_simulations_run_follows_that_of_the_run_before() -> None:
    of_run = log("run-b", NOW_S)
    of_run.tick_ns = 50_000_000
    assert decide_recorded(tail_of(log("run-a", NOW_S - 1)), 42, True, of_run, "") == Start("", 1, 42, fresh=True)
    with pytest.raises(ChannelStopped) as caught:
        decide_recorded(tail_of(log("run-c", NOW_S + 1)), 42, True, of_run, "")
    assert caught.value.reason == "RUN_SUPERSEDED"
