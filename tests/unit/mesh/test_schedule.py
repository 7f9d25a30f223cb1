import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.schedule import Schedule, Slot

PERIODS = st.lists(st.integers(1, 12), min_size=1, max_size=5).map(tuple)


def test_sources_are_merged_in_the_order_of_tick_then_source() -> None:
    schedule = Schedule((2, 3))
    slots = [(tick, slot) for tick in range(7) for slot in schedule.due(tick)]
    assert slots == [
        (2, Slot(1, 0, 1)),
        (3, Slot(2, 1, 1)),
        (4, Slot(3, 0, 2)),
        (6, Slot(4, 0, 3)),
        (6, Slot(5, 1, 2)),
    ]


def test_tick_0_yields_nothing() -> None:
    assert list(Schedule((1, 1)).due(0)) == []
    assert Schedule((1, 1)).count_through(0) == 0


@given(PERIODS, st.integers(1, 100))
def test_sequences_are_contiguous_from_1(periods: tuple[int, ...], last_tick: int) -> None:
    schedule = Schedule(periods)
    sequences = [slot.sequence for tick in range(last_tick + 1) for slot in schedule.due(tick)]
    assert sequences == list(range(1, schedule.count_through(last_tick) + 1))


@given(PERIODS, st.integers(1, 100))
def test_the_number_within_the_source_is_contiguous_from_1(periods: tuple[int, ...], last_tick: int) -> None:
    schedule = Schedule(periods)
    for source, period in enumerate(periods):
        slots = [slot for tick in range(last_tick + 1) for slot in schedule.due(tick) if slot.source == source]
        assert [slot.number for slot in slots] == list(range(1, last_tick // period + 1))


@given(PERIODS, st.integers(1, 200))
def test_tick_and_sequence_are_closed_forms_of_each_other(periods: tuple[int, ...], sequence: int) -> None:
    schedule = Schedule(periods)
    tick = schedule.tick_of(sequence)
    assert sequence in [slot.sequence for slot in schedule.due(tick)]


@given(PERIODS, st.integers(1, 10**15))
def test_the_tick_of_a_distant_sequence_is_computed_directly(periods: tuple[int, ...], sequence: int) -> None:
    schedule = Schedule(periods)
    tick = schedule.tick_of(sequence)
    assert schedule.count_through(tick - 1) < sequence <= schedule.count_through(tick)


@pytest.mark.parametrize("sequence", [0, -1])
def test_there_is_no_event_before_sequence_1(sequence: int) -> None:
    with pytest.raises(ValueError, match="no event has sequence"):
        Schedule((1,)).tick_of(sequence)


def test_without_sources_there_is_no_event() -> None:
    assert Schedule(()).count_through(1000) == 0
    with pytest.raises(ValueError, match="no event has sequence"):
        Schedule(()).tick_of(1)


@pytest.mark.parametrize("periods", [(0,), (1, -2)])
def test_a_period_below_one_tick_is_refused(periods: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least one tick"):
        Schedule(periods)
