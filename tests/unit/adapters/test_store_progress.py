"""The clock of what waits to be stored."""

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


def test_while_nothing_waits_it_counts_as_storing_for_ever(progress: StoreProgress, clock: Clock) -> None:
    clock.now_s += 1e6
    assert (progress.storing, progress.unstored_s(), progress.problem) == (True, 0.0, "")


def test_beyond_the_limit_what_waits_is_not_stored_and_the_problem_names_the_last_error(
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


def test_what_waits_longer_starts_the_clock_no_later(progress: StoreProgress, clock: Clock) -> None:
    for _ in range(3):
        progress.waiting()
        clock.now_s += 1
    assert progress.unstored_s() == 3.0
    assert progress.left_s() == STORED_WITHIN_S - 3.0


def test_an_acknowledgement_starts_the_clock_anew_and_forgets_the_error(progress: StoreProgress, clock: Clock) -> None:
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
