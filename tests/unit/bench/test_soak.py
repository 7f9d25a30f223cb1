"""`make soak`: a process that ended meanwhile is found, also where it was started again."""

from bench import soak
from chaos.schedule import PROCESSES

PIDS = {process: number for number, process in enumerate(PROCESSES, start=100)}


def sample(**pids: int) -> soak.Sample:
    return soak.Sample({}, {**PIDS, **pids}, {})


def test_processes_that_stay_the_same_have_not_ended() -> None:
    assert soak.ended([sample(), sample(), sample()]) == []


def test_one_that_was_started_again_has_ended() -> None:
    assert soak.ended([sample(), sample(radar=7), sample()]) == ["radar"]


def test_one_that_is_not_there_has_ended() -> None:
    without = soak.Sample({}, {process: pid for process, pid in PIDS.items() if process != "nats"}, {})
    assert soak.ended([sample(), without]) == ["nats"]
    assert soak.ended([without, sample()]) == ["nats"]
