"""Resumption of a channel: start event, the source events that may be stored, and the proof by the subject's tail."""

import pytest

from adapters.jetstream.codec.cloudevents import to_headers
from adapters.jetstream.outbound.resumption import (
    ChannelStopped,
    Position,
    Start,
    check_first,
    check_next,
    count_stored,
    decide,
)
from qiki.common.v1.stream_pb2 import EventContext, Run

CREATED_S = 1_767_225_600


def run(run_id: str = "run-b", created_s: int = CREATED_S, nanos: int = 0) -> Run:
    made = Run(run_id=run_id)
    made.created.seconds, made.created.nanos = created_s, nanos
    return made


def tail_of(of: Run, sequence: int = 7) -> dict[str, str]:
    context = EventContext(
        id=f"event-{sequence}",
        source=f"/qiki/bot/{of.run_id}/frames",
        type="qiki.radar.v1.RadarFrame",
        sequence=sequence,
        run_id=of.run_id,
        run_created=of.created,
    )
    context.time.seconds = context.recorded_time.seconds = CREATED_S
    return to_headers(context, f"token-{sequence}", None)


def test_an_empty_subject_of_an_unused_stream_starts_at_the_oldest_event_and_may_report_a_gap() -> None:
    assert decide(None, 0, stream_used=False, run=run()) == Start("", 1, 0, fresh=True)


def test_an_empty_subject_of_a_used_stream_allows_no_gap() -> None:
    assert decide(None, 0, stream_used=True, run=run()) == Start("", 1, 0, fresh=False)


def test_a_tail_of_the_same_run_is_resumed_after_and_allows_no_gap() -> None:
    assert decide(tail_of(run(), 7), 42, stream_used=True, run=run()) == Start("token-7", 8, 42, fresh=False)


@pytest.mark.parametrize("older", [run("run-a", CREATED_S - 1, nanos=999_999_999), run("run-a", CREATED_S)])
def test_a_tail_of_an_older_run_is_followed_by_this_runs_oldest_event(older: Run) -> None:
    assert decide(tail_of(older, 7), 42, stream_used=True, run=run(nanos=1)) == Start("", 1, 42, fresh=True)


@pytest.mark.parametrize("later", [run("run-c", CREATED_S, nanos=1), run("run-c", CREATED_S)])
def test_a_tail_of_a_later_run_or_of_another_of_the_same_moment_supersedes_this_one(later: Run) -> None:
    with pytest.raises(ChannelStopped) as caught:
        decide(tail_of(later), 42, stream_used=True, run=run())
    assert caught.value.reason == "RUN_SUPERSEDED"


def test_a_superseded_run_is_reported_with_both_runs_their_creation_times_and_the_remedy() -> None:
    with pytest.raises(ChannelStopped) as caught:
        decide(tail_of(run("run-c", CREATED_S + 86_400)), 42, stream_used=True, run=run())
    for part in ("run-c", "2026-01-02T00:00:00Z", "run-b", "2026-01-01T00:00:00Z", "`qiki nats drop-run run-c`"):
        assert part in str(caught.value)


@pytest.mark.parametrize("missing", ["ce-id", "ce-sequence", "ce-run", "ce-runcreated", "qiki-resume-token"])
def test_a_tail_that_no_bridge_has_written_stops_the_channel(missing: str) -> None:
    headers = {name: value for name, value in tail_of(run()).items() if name.replace("ce_", "ce-") != missing}
    with pytest.raises(ChannelStopped, match=missing) as caught:
        decide(headers, 42, stream_used=True, run=run())
    assert caught.value.reason == "FOREIGN_TAIL"


def test_a_tail_without_headers_stops_the_channel() -> None:
    with pytest.raises(ChannelStopped) as caught:
        decide({}, 42, stream_used=True, run=run())
    assert caught.value.reason == "FOREIGN_TAIL"


@pytest.mark.parametrize("fresh", [True, False])
def test_the_expected_first_event_is_no_gap(fresh: bool) -> None:
    assert check_first(Start("", 8, 42, fresh=fresh), 8) == 0


def test_a_later_first_event_of_a_fresh_subject_is_a_gap_of_that_many_events() -> None:
    assert check_first(Start("", 8, 42, fresh=True), 11) == 3


@pytest.mark.parametrize(("fresh", "sequence"), [(False, 9), (False, 7), (True, 7)])
def test_any_other_first_event_is_a_lost_cursor(fresh: bool, sequence: int) -> None:
    with pytest.raises(ChannelStopped, match=f"should be 8, the source's is {sequence}") as caught:
        check_first(Start("", 8, 42, fresh=fresh), sequence)
    assert caught.value.reason == "CURSOR_LOST"


def test_the_next_sequence_of_the_same_run_is_accepted() -> None:
    check_next(7, 8)


@pytest.mark.parametrize("sequence", [6, 7, 9])
def test_an_event_that_does_not_follow_stops_the_channel(sequence: int) -> None:
    with pytest.raises(ChannelStopped, match=f"event {sequence} after event 7") as caught:
        check_next(7, sequence)
    assert caught.value.reason == "NOT_CONTIGUOUS"


KNOWN = Position(42, "token-7")


@pytest.mark.parametrize(
    ("tail", "stored"),
    [
        (KNOWN, 0),
        (Position(43, "token-8"), 1),
        (Position(44, "token-9"), 2),
        (Position(90, "token-10"), None),  # another bridge is further on
        (Position(41, "token-6"), None),  # the subject's end was lost
        (Position(0, ""), None),  # all of it was
        (Position(43, "token-7"), None),  # the same event stored again behind the known one
        (Position(42, "token-x"), None),  # another message in its place
    ],
)
def test_the_tail_gives_the_number_of_waiting_events_that_are_stored(tail: Position, stored: int | None) -> None:
    assert count_stored(tail, KNOWN, ["token-8", "token-9"]) == stored


def test_a_subject_that_was_empty_and_still_is_proves_that_none_is_stored() -> None:
    assert count_stored(Position(0, ""), Position(0, ""), ["token-1"]) == 0
