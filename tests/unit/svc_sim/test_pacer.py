import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.serving.errors import InvalidFieldError
from svc_sim.pacer import AS_FAST_AS_POSSIBLE, MAX_LATE_S, MAX_STEPS, Pacer, check_speed

TICK_S = 0.25
pytestmark = pytest.mark.asyncio


class Clock:
    """A clock that the test advances."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make_pacer(clock: Clock, speed: float = 1.0) -> Pacer:
    return Pacer(TICK_S, speed, now=clock)


async def permitted(pacer: Pacer) -> bool:
    """Ask once whether a tick may run; a wait is cut short, as by any change."""
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(pacer.permit())
        await asyncio.sleep(0)
        pacer.change.notify()
    return asking.result()


async def ticks_in(pacer: Pacer, clock: Clock, wall_s: float, step_s: float = 1 / 64) -> int:
    """Advance the clock in steps, and count the permitted ticks."""
    found, end_s = 0, clock.now_s + wall_s
    while clock.now_s < end_s:
        clock.now_s += step_s
        while await permitted(pacer):
            found += 1
    return found


# -- by the wall clock -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("speed", "expected"), [(0.1, 4), (0.5, 20), (1.0, 40), (2.0, 80), (16.0, 640)])
async def test_time_passes_at_the_configured_speed(clock: Clock, speed: float, expected: int) -> None:
    pacer = make_pacer(clock, speed)
    assert await permitted(pacer), "the first tick is due at once"
    assert await ticks_in(pacer, clock, 10.0) == expected


async def test_a_tick_is_not_permitted_before_it_is_due(clock: Clock) -> None:
    pacer = make_pacer(clock)
    assert await permitted(pacer)
    clock.now_s += TICK_S - 0.001
    assert not await permitted(pacer)
    clock.now_s += 0.001
    assert await permitted(pacer)


async def test_lost_time_is_not_caught_up(clock: Clock) -> None:
    pacer = make_pacer(clock)
    assert await permitted(pacer)
    clock.now_s += 100.0
    assert await permitted(pacer)
    assert not await permitted(pacer)
    assert await ticks_in(pacer, clock, 1.0) == 4


async def test_a_little_lateness_does_not_slow_time_down(clock: Clock) -> None:
    pacer, found = make_pacer(clock), 0
    for _ in range(40):  # the loop is late each time, by less than the tolerance
        clock.now_s += TICK_S + (MAX_LATE_S / 2 if found % 2 else -MAX_LATE_S / 2)
        found += await permitted(pacer)
    assert found >= 39


async def test_as_fast_as_possible_ignores_the_clock(clock: Clock) -> None:
    pacer = make_pacer(clock, AS_FAST_AS_POSSIBLE)
    assert [await permitted(pacer) for _ in range(50)] == [True] * 50


# -- pause and resume --------------------------------------------------------------------------------------------------


async def test_nothing_is_permitted_while_paused(clock: Clock) -> None:
    for speed in (1.0, AS_FAST_AS_POSSIBLE):
        pacer = make_pacer(clock, speed)
        pacer.pause()
        pacer.pause()
        assert pacer.stands_still
        assert await ticks_in(pacer, clock, 5.0) == 0


async def test_a_pause_ends_a_wait_for_the_next_tick(clock: Clock) -> None:
    pacer = make_pacer(clock)
    await permitted(pacer)
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(pacer.permit())
        await asyncio.sleep(0)
        clock.now_s += 10.0
        pacer.pause()
    assert asking.result() is False


async def test_after_a_pause_time_continues_from_where_it_stopped(clock: Clock) -> None:
    pacer = make_pacer(clock)
    await permitted(pacer)
    pacer.pause()
    clock.now_s += 100.0
    pacer.resume()
    assert not pacer.stands_still
    assert await permitted(pacer)
    assert await ticks_in(pacer, clock, 1.0) == 4


async def test_resuming_a_running_simulation_is_harmless(clock: Clock) -> None:
    pacer, found = make_pacer(clock), 0
    await permitted(pacer)
    for _ in range(64):
        clock.now_s += 1 / 64
        pacer.resume()
        found += await permitted(pacer)
    assert found == 4


async def test_pausing_and_resuming_again_and_again_makes_no_time_pass(clock: Clock) -> None:
    pacer, found = make_pacer(clock), 0
    await permitted(pacer)
    for _ in range(64):
        clock.now_s += 1 / 64
        pacer.pause()
        pacer.resume()
        found += await permitted(pacer)
    assert found == 4


# -- speed -------------------------------------------------------------------------------------------------------------


async def test_a_new_speed_counts_from_now_on(clock: Clock) -> None:
    pacer = make_pacer(clock, 0.1)
    await permitted(pacer)
    clock.now_s += TICK_S / 0.1 / 2  # half of the tick has passed
    pacer.set_speed(1.0)
    clock.now_s += TICK_S / 2 - 0.001
    assert not await permitted(pacer)
    clock.now_s += 0.002
    assert await permitted(pacer)
    assert await ticks_in(pacer, clock, 1.0) == 4


async def test_setting_the_speed_again_and_again_makes_no_time_pass(clock: Clock) -> None:
    pacer, found = make_pacer(clock), 0
    await permitted(pacer)
    for _ in range(64):
        clock.now_s += 1 / 64
        pacer.set_speed(1.0)
        found += await permitted(pacer)
    assert found == 4


async def test_a_speed_set_while_paused_does_not_resume(clock: Clock) -> None:
    pacer = make_pacer(clock)
    pacer.pause()
    pacer.set_speed(2.0)
    assert await ticks_in(pacer, clock, 1.0) == 0
    pacer.run_free()
    assert await ticks_in(pacer, clock, 1.0) == 0


async def test_a_speed_set_after_as_fast_as_possible_starts_with_a_tick_at_once(clock: Clock) -> None:
    pacer = make_pacer(clock, AS_FAST_AS_POSSIBLE)
    clock.now_s += 100.0
    await permitted(pacer)
    pacer.set_speed(1.0)
    assert await permitted(pacer)
    assert await ticks_in(pacer, clock, 1.0) == 4


@pytest.mark.parametrize("speed", [float("nan"), float("inf"), -float("inf"), -1.0, 0.0, 0.0999, 1_000.1, 1e308])
async def test_a_speed_out_of_range_is_refused_by_its_field_and_changes_nothing(clock: Clock, speed: float) -> None:
    pacer = make_pacer(clock, 3.0)
    with pytest.raises(InvalidFieldError) as caught:
        pacer.set_speed(speed)
    assert caught.value.metadata["field"] == "factor"
    assert pacer.speed == 3.0
    assert not await ticks_in(pacer, clock, 0.02) > 1


@pytest.mark.parametrize("speed", [0.1, 1.0, 1_000.0])
async def test_the_bounds_of_the_speed_are_valid_speeds(speed: float) -> None:
    assert check_speed(speed) == speed


# -- steps -------------------------------------------------------------------------------------------------------------


async def test_steps_pause_and_permit_exactly_the_requested_ticks_at_once(clock: Clock) -> None:
    pacer = make_pacer(clock)
    pacer.step(3)
    assert pacer.paused
    assert not pacer.stands_still
    assert [await permitted(pacer) for _ in range(5)] == [True, True, True, False, False]
    assert pacer.stands_still


async def test_steps_add_up(clock: Clock) -> None:
    pacer = make_pacer(clock)
    pacer.step(2)
    await permitted(pacer)
    pacer.step(3)
    assert [await permitted(pacer) for _ in range(6)] == [True] * 4 + [False] * 2


@pytest.mark.parametrize("ticks", [0, -1, MAX_STEPS + 1, 2**64 - 1])
async def test_a_number_of_steps_out_of_range_is_refused_and_time_continues(clock: Clock, ticks: int) -> None:
    pacer = make_pacer(clock)
    with pytest.raises(InvalidFieldError) as caught:
        pacer.step(ticks)
    assert caught.value.metadata["field"] == "ticks"
    assert not pacer.paused


async def test_steps_not_yet_done_count_towards_the_limit(clock: Clock) -> None:
    pacer = make_pacer(clock)
    pacer.step(MAX_STEPS)
    with pytest.raises(InvalidFieldError, match="1000000 to do"):
        pacer.step(1)


CONTROLS = st.lists(
    st.one_of(st.just(("pause", 0.0)), st.just(("resume", 0.0)), st.tuples(st.just("set_speed"), st.floats(0.1, 4.0))),
    max_size=40,
)


@settings(max_examples=50, deadline=None)
@given(controls=CONTROLS)
async def test_under_any_controls_time_never_passes_faster_than_the_fastest_speed_set(
    controls: list[tuple[str, float]],
) -> None:
    clock, found = Clock(), 0
    pacer = make_pacer(clock)
    await permitted(pacer)
    for name, value in controls:
        clock.now_s += 1 / 32
        getattr(pacer, name)(*([value] if value else []))
        found += await permitted(pacer)
    fastest = max([1.0, *(value for _name, value in controls)])
    assert found <= len(controls) / 32 * fastest / TICK_S + 1
