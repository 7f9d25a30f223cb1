"""Lock step: the world waits for each agent's turn, one after the other, and a run fails past the limit."""

import asyncio

import pytest

from mesh.serving.errors import InvalidFieldError, RunEndedError
from mesh.serving.health import Health
from svc_sim.lock_step import Turns

STEP = 20


def turns(*agents: str, limit_s: float = 5.0) -> Turns:
    return Turns(agents, STEP, limit_s)


def test_without_agents_nothing_waits() -> None:
    assert Turns().waits_for(1) == ""


def test_no_tick_after_a_step_comes_before_every_agent_has_completed_it() -> None:
    both = turns("a", "b")
    assert both.waits_for(1) == "a"
    both.complete("a", 0, 0)
    assert both.waits_for(1) == "b"
    both.complete("b", 0, 0)
    assert [both.waits_for(tick) for tick in (1, STEP)] == ["", ""], "up to the next step"
    assert both.waits_for(STEP + 1) == "a"


def test_an_agent_s_turn_comes_after_that_of_those_before_it() -> None:
    both = turns("a", "b")
    assert both.has_turn("a", 0, 0)
    assert not both.has_turn("b", 0, 0)
    both.complete("a", 0, 0)
    assert both.has_turn("b", 0, 0)
    assert not both.has_turn("a", STEP, STEP - 1), "the world has not reached the step"
    assert both.has_turn("a", STEP, STEP)


def test_completing_an_earlier_turn_again_changes_nothing() -> None:
    one = turns("a")
    one.complete("a", STEP, STEP)
    one.complete("a", 0, STEP)
    assert one.completed == {"a": STEP}


@pytest.mark.parametrize(
    ("agent", "tick", "field"), [("x", 0, "agent"), ("a", 1, "completed_tick"), ("a", 2 * STEP, "completed_tick")]
)
def test_a_turn_that_cannot_be_completed_is_refused_by_its_field(agent: str, tick: int, field: str) -> None:
    with pytest.raises(InvalidFieldError) as refused:
        turns("a").complete(agent, tick, STEP)
    assert refused.value.metadata["field"] == field


@pytest.mark.asyncio
async def test_a_turn_that_takes_longer_than_the_limit_fails_the_run() -> None:
    clock = iter([0.0, 4.9, 5.1])
    slow = Turns(["a"], STEP, 5.0, now=lambda: next(clock))
    heartbeat = Health("svc_sim", stall_s=60.0).loop("simulation")
    waiting = asyncio.create_task(slow.wait(1, heartbeat))
    for _ in range(2):
        await asyncio.sleep(0)
        slow.change.notify()
        await asyncio.sleep(0)
    assert await waiting is False
    assert slow.failure == "agent a has not completed the step at tick 0 within 5 s"
    with pytest.raises(RunEndedError, match="the run has failed"):
        slow.check_agent("a")


@pytest.mark.asyncio
async def test_the_limit_counts_anew_for_every_turn() -> None:
    clock = iter([0.0, 4.9, 9.8])
    turn = Turns(["a", "b"], STEP, 5.0, now=lambda: next(clock))
    heartbeat = Health("svc_sim", stall_s=60.0).loop("simulation")
    waiting = asyncio.create_task(turn.wait(1, heartbeat))
    await asyncio.sleep(0)
    turn.complete("a", 0, 0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    turn.complete("b", 0, 0)
    assert await waiting is True
