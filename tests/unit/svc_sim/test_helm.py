"""Steering: the planned motion until the first helm, then the helm's values: a function of time and helms alone."""

import itertools
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc_sim.domain.helm import Helm, steer
from svc_sim.domain.kinematics import Maneuver, Motion, plan_motion
from svc_sim.domain.scenario.scenario import Body, LegSpec, LoadedScenario, Scenario
from svc_sim.domain.world import World

RUN_ID = "7b6f0a3e-2f5c-4f0e-9c41-3a8d2f1e5b00"
PLAN = plan_motion((10.0, 20.0, 30.0), 90.0, 100.0, 1.0, [Maneuver(20.0, 3.0, 2.0), Maneuver(20.0, 0.0, 0.0)])
VALUES = {
    "course_deg": st.floats(0, 360, exclude_max=True),
    "speed_mps": st.floats(0, 500),
    "turn_rate_dps": st.floats(-20, 20),
    "climb_mps": st.floats(-50, 50),
}
HELMS = st.builds(Helm, **{name: st.none() | values for name, values in VALUES.items()})
TICKED = st.lists(st.tuples(st.integers(1, 400), HELMS), max_size=8)


def world(tick_ns: int = 100_000_000) -> World:
    legs = (LegSpec(duration_s=5.0, turn_rate_dps=4.0), LegSpec(duration_s=5.0, climb_mps=3.0))
    body = Body(position_m=(0.0, 0.0, 100.0), course_deg=45.0, speed_mps=20.0, legs=legs)
    scenario = Scenario(schema_version=1, name="steered", duration_s=60.0, own_ship=body)
    return World(LoadedScenario(scenario, None, "", Path("steered.yaml")), RUN_ID, tick_ns)


def state(motion: Motion, t_s: float) -> object:
    return motion.kinematics_at(t_s)


def test_without_a_helm_nothing_changes() -> None:
    assert steer(PLAN, []) == PLAN


def test_before_its_time_a_helm_changes_nothing_and_at_its_time_it_acts() -> None:
    steered = steer(PLAN, [(12.5, Helm(speed_mps=7.0))])
    for t_s in (0.0, 3.0, 12.499999):
        assert state(steered, t_s) == state(PLAN, t_s)
    assert math.hypot(*steered.point_at(12.5)[1][:2]) == pytest.approx(7.0)
    assert steered.point_at(12.5)[0] == PLAN.point_at(12.5)[0]


def test_a_value_that_a_helm_omits_keeps_its_current_value_and_the_plan_ends() -> None:
    steered = steer(PLAN, [(10.0, Helm(climb_mps=-4.0))])
    before, after = PLAN.kinematics_at(10.0), steered.kinematics_at(10.0)
    assert after.velocity_mps[:2] == pytest.approx(before.velocity_mps[:2], abs=1e-9)
    assert after.velocity_mps[2] == -4.0
    turned_deg = math.degrees(steered.legs[-1].course_at(60.0)) - 90.0
    assert turned_deg == pytest.approx(3.0 * 60.0), "the current turn continues"


def test_a_course_is_steered_from_the_helms_time_and_a_turn_rate_of_zero_goes_straight_on() -> None:
    steered = steer(PLAN, [(10.0, Helm(course_deg=180.0, turn_rate_dps=0.0))])
    here, there = steered.point_at(10.0)[0], steered.point_at(20.0)[0]
    assert (there[0] - here[0], there[1] - here[1]) == pytest.approx((0.0, -1000.0), abs=1e-6)


def test_helms_at_one_time_are_combined_and_the_later_value_wins() -> None:
    steered = steer(PLAN, [(5.0, Helm(speed_mps=1.0, climb_mps=2.0)), (5.0, Helm(speed_mps=3.0))])
    together = steer(PLAN, [(5.0, Helm(speed_mps=3.0, climb_mps=2.0))])
    assert state(steered, 9.0) == state(together, 9.0)


@given(TICKED)
def test_helms_set_in_any_order_of_ticks_give_the_same_world_to_the_bit(helms: list[tuple[int, Helm]]) -> None:
    at_once, one_by_one = world(), world()
    at_once.set_helms(helms)
    for number, helm in enumerate(helms):
        one_by_one.set_helms([helm])
        one_by_one.at(number)
    for tick in range(0, 601, 7):
        assert at_once.at(tick) == one_by_one.at(tick)


@given(TICKED, st.integers(1, 400), HELMS)
def test_a_helm_changes_nothing_before_its_tick(helms: list[tuple[int, Helm]], tick: int, helm: Helm) -> None:
    steered, more = world(), world()
    steered.set_helms(helms)
    more.set_helms([*helms, (tick, helm)])
    for earlier in itertools.chain(range(0, tick, 13), [tick - 1]):
        assert steered.at(earlier) == more.at(earlier)
    assert steered.at(tick).own_ship.position_m == more.at(tick).own_ship.position_m


@given(TICKED)
def test_position_is_continuous_at_every_helm(helms: list[tuple[int, Helm]]) -> None:
    steered = world(1_000)
    steered.set_helms(helms)
    for tick, _helm in helms:
        before, after = steered.at(tick - 1).own_ship, steered.at(tick).own_ship
        assert after.position_m == pytest.approx(before.position_m, abs=1e-2)


@pytest.mark.parametrize("tick", [0, -1, 601])
def test_a_tick_that_cannot_be_steered_is_refused_and_nothing_changes(tick: int) -> None:
    steered = world()
    with pytest.raises(ValueError, match=f"tick {tick} "):
        steered.set_helms([(5, Helm(speed_mps=1.0)), (tick, Helm(speed_mps=1.0))])
    assert steered.at(10) == world().at(10)
