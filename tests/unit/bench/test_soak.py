"""`make soak` finds a process that ended meanwhile, even if it was restarted."""

from bench import soak
from chaos.schedule import PROCESSES

PIDS = {process: number for number, process in enumerate(PROCESSES, start=100)}


def sample(**pids: int) -> soak.Sample:
    return soak.Sample({}, {**PIDS, **pids}, {})


def test_processes_that_stay_the_same_have_not_ended() -> None:
    assert soak.ended([sample(), sample(), sample()]) == []


def test_a_restarted_process_counts_as_ended() -> None:
    assert soak.ended([sample(), sample(radar=7), sample()]) == ["radar"]


def test_a_missing_process_counts_as_ended() -> None:
    without = soak.Sample({}, {process: pid for process, pid in PIDS.items() if process != "nats"}, {})
    assert soak.ended([sample(), without]) == ["nats"]
    assert soak.ended([without, sample()]) == ["nats"]
