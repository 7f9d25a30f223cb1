"""The clock of the messages that wait to be stored."""

import pytest

from adapters.jetstream.outbound.store_progress import STORED_WITHIN_S, StoreProgress


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def progress(clock: Clock) -> StoreProgress:
    return StoreProgress(clock)


def test_without_waiting_messages_there_is_never_a_problem(progress: StoreProgress, clock: Clock) -> None:
    clock.now_s += 1e6
    assert (progress.storing, progress.unstored_s(), progress.problem) == (True, 0.0, "")


def test_beyond_the_limit_a_waiting_message_is_a_problem_that_names_the_last_error(
    progress: StoreProgress, clock: Clock
) -> None:
    progress.waiting()
    progress.failed("no answer")
    clock.now_s += STORED_WITHIN_S - 0.001
    assert (progress.storing, progress.problem) == (True, "no answer")
    clock.now_s += 0.001
    assert not progress.storing
    assert progress.problem.startswith("JetStream has acknowledged nothing for 5 s")
    assert "no answer" in progress.problem


def test_a_message_that_already_waits_does_not_restart_the_clock(progress: StoreProgress, clock: Clock) -> None:
    for _ in range(3):
        progress.waiting()
        clock.now_s += 1
    assert progress.unstored_s() == 3.0
    assert progress.left_s() == STORED_WITHIN_S - 3.0


def test_an_acknowledgement_restarts_the_clock_and_forgets_the_error(progress: StoreProgress, clock: Clock) -> None:
    progress.waiting()
    progress.failed("no answer")
    clock.now_s += 100
    progress.stored(more_waits=True)
    assert (progress.storing, progress.problem, progress.unstored_s()) == (True, "", 0.0)
    clock.now_s += 1
    assert progress.unstored_s() == 1.0
    progress.stored(more_waits=False)
    clock.now_s += 100
    assert progress.unstored_s() == 0.0
