from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.folds import replay_points as places_module
from mesh.folds.replay_points import ReplayPoints

TICKS = st.lists(st.integers(0, 50), max_size=30).map(sorted)


@given(TICKS, st.lists(st.integers(-1, 55), max_size=10).map(sorted))
def test_the_newest_position_at_or_before_a_tick_is_found(ticks: list[int], asked: list[int]) -> None:
    places = ReplayPoints()
    for index, tick in enumerate(ticks):
        places.add(tick, f"{tick}/{index}")
    for through in asked:  # never backwards: a safe position stays safe
        known = [f"{tick}/{index}" for index, tick in enumerate(ticks) if tick <= through]
        assert places.newest_through(through) == (known[-1] if known else "")


@given(TICKS, st.lists(st.integers(-1, 55), max_size=10))
def test_positions_before_a_found_one_are_forgotten(ticks: list[int], asked: list[int]) -> None:
    places = ReplayPoints()
    for tick in ticks:
        places.add(tick, str(tick))
    highest = -1
    for through in asked:
        found = places.newest_through(through)
        if found:
            assert int(found) <= through
            assert int(found) >= max((tick for tick in ticks if tick <= highest), default=-1)
        highest = max(highest, through)


def test_no_position_is_found_before_the_first_one() -> None:
    places = ReplayPoints()
    assert places.newest_through(10) == ""
    places.add(5, "five")
    assert places.newest_through(4) == ""
    assert places.newest_through(5) == "five"


def test_beyond_the_limit_the_oldest_positions_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places_module, "MAX_PLACES", 3)
    places = ReplayPoints()
    for tick in range(1, 6):
        places.add(tick, str(tick))
    assert places.newest_through(2) == ""
    assert [places.newest_through(tick) for tick in (3, 4, 5)] == ["3", "4", "5"]


def test_positions_are_found_while_more_are_added() -> None:
    places = ReplayPoints()
    for earlier, tick in pairwise(range(0, 100, 2)):
        places.add(tick, str(tick))
        assert places.newest_through(tick - 1) == (str(earlier) if earlier else "")
