"""The chain with faults for a short while: it leaves the messages of an undisturbed run."""

import asyncio
from pathlib import Path

from chaos.runner import Plan, report, run
from chaos.schedule import PROCESSES, Kind, draw
from chaos.traces import Trace, difference

SEED, FAULTS = 4, 15
DURATION_S, SPEED = 500.0, 4.0


def test_jetstream_after_chaos_holds_the_messages_of_an_undisturbed_run(tmp_path: Path) -> None:
    outcome = asyncio.run(run(tmp_path, Plan(SEED, draw(SEED, FAULTS), DURATION_S, SPEED), print))
    print(report(outcome))
    assert outcome.failure == ""
    assert outcome.suffered.total() == FAULTS
    assert outcome.landed == outcome.strikes > 0
    assert outcome.archived == outcome.events


def test_a_duplicate_missing_misplaced_or_altered_event_is_a_difference() -> None:
    one, two, three = (Trace(f"event-{number}", number, "bytes") for number in (1, 2, 3))
    whole = {"subject": [one, two, three]}
    assert difference(whole, whole) == ""
    assert difference({}, {"subject": []}) == ""
    assert difference({"subject": [one, two]}, whole, whole=False) == ""
    assert difference(whole, {"subject": [one, two]}, whole=False)
    assert difference({"subject": [one, three]}, whole, whole=False)
    assert difference({"subject": [one, three]}, {"subject": [one, three]}, whole=False)
    for found in ([one, one, two, three], [one, three], [one, two], [one, three, two], [one, two, three, three], []):
        assert difference({"subject": found}, whole)
    assert difference({"subject": [one, two, three._replace(digest="other bytes")]}, whole)


def test_the_same_seed_draws_the_same_schedule() -> None:
    assert draw(3, 200) == draw(3, 200)
    assert draw(3, 200) != draw(4, 200)


def test_a_long_schedule_hits_every_process_at_least_twenty_times() -> None:
    for seed in range(20):
        faults = [fault for strike in draw(seed, 200) for fault in strike.faults]
        assert len(faults) == 200
        for process in PROCESSES:
            assert sum(fault.target == process and fault.kind is Kind.KILL for fault in faults) >= 20
