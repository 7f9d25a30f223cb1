import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from craft_models import LEVEL, REST, TICK_S, TILTED, coasting_craft, inspection_craft, thruster, turn_about
from svc_sim.domain.body.algebra import conjugate, multiply, norm, normalize, subtract
from svc_sim.domain.body.checks import InvalidValueError
from svc_sim.domain.body.control import (
    MAX_BANDWIDTH_RPS,
    Autopilot,
    AutopilotParameters,
    SetPoints,
    check_set_points,
    control,
)
from svc_sim.domain.body.craft import Craft, Thruster
from svc_sim.domain.body.integrator import step
from svc_sim.domain.body.state import BodyState, initial_state
from svc_sim.domain.kinematics import Quaternion, Vector

PARAMETERS = AutopilotParameters(5.0, 0.1, 0.5, 0.2)
CRAFT = inspection_craft()
AUTOPILOT = Autopilot(CRAFT, PARAMETERS)
START = initial_state(CRAFT, REST, REST, LEVEL, REST)


def fly(
    start: BodyState, set_points: SetPoints, duration_s: float, autopilot: Autopilot = AUTOPILOT
) -> list[BodyState]:
    states = [start]
    for _ in range(round(duration_s / TICK_S)):
        states.append(step(autopilot.craft, states[-1], control(autopilot, states[-1], set_points), TICK_S))
    return states


def error_rad(body: BodyState, attitude: Quaternion) -> float:
    w, x, y, z = multiply(conjugate(body.attitude), attitude)
    return 2.0 * math.atan2(norm((x, y, z)), abs(w))


@pytest.mark.parametrize("demanded", [TILTED, turn_about((0.0, 0.0, 1.0), 3.0), (-0.5, 0.5, 0.5, -0.5)])
def test_an_attitude_set_point_is_reached_within_the_rate_limit_and_without_swinging_past(demanded: Quaternion) -> None:
    states = fly(START, SetPoints(attitude=demanded), 150.0)
    assert error_rad(states[-1], demanded) < 1e-6
    assert norm(states[-1].angular_rate_rps) < 1e-6
    assert max(norm(body.angular_rate_rps) for body in states) <= 1.01 * PARAMETERS.max_angular_rate_rps
    errors = [error_rad(body, demanded) for body in states]
    closest = next(index for index, error in enumerate(errors) if error < 0.02)
    assert max(errors[closest:]) < 0.021
    assert norm(states[-1].velocity_mps) < 1e-6


def test_a_turn_with_weak_thrusters_brakes_in_time() -> None:
    """From the rate limit these thrusters need 1.5 rad to stop, more than the bandwidth alone would leave them."""
    weak = tuple(thruster(t.position_m, t.direction, 0.2) for t in CRAFT.thrusters)
    autopilot = Autopilot(Craft(CRAFT.body, CRAFT.tank, weak), PARAMETERS)
    demanded = turn_about((1.0, 0.0, 0.0), 3.0)
    states = fly(START, SetPoints(attitude=demanded), 200.0, autopilot)
    errors = [error_rad(body, demanded) for body in states]
    closest = next(index for index, error in enumerate(errors) if error < 0.05)
    assert max(errors[closest:]) < 0.051
    assert errors[-1] < 1e-4


def test_a_small_error_decays_as_a_critically_damped_oscillator_of_the_bandwidth() -> None:
    angle, bandwidth, t_s = 1e-3, PARAMETERS.attitude_bandwidth_rps, 6.0
    demanded = turn_about((0.0, 1.0, 0.0), angle)
    end = fly(START, SetPoints(attitude=demanded), t_s)[-1]
    expected = angle * (1.0 + bandwidth * t_s) * math.exp(-bandwidth * t_s)
    assert error_rad(end, demanded) == pytest.approx(expected, rel=0.05)


def test_the_shorter_way_round_is_taken_whatever_the_sign_of_the_quaternion() -> None:
    demanded = turn_about((0.0, 0.0, 1.0), 0.5)
    plus = control(AUTOPILOT, START, SetPoints(attitude=demanded))
    w, x, y, z = demanded
    assert control(AUTOPILOT, START, SetPoints(attitude=(-w, -x, -y, -z))) == plus


@settings(max_examples=20)
@given(st.tuples(*[st.floats(-0.05, 0.05)] * 3))
def test_a_body_rate_set_point_is_reached_and_kept(demanded: Vector) -> None:
    end = fly(START, SetPoints(angular_rate_rps=demanded), 30.0)[-1]
    assert norm(subtract(end.angular_rate_rps, demanded)) < 1e-4


def test_a_rotation_is_stopped_by_a_set_point_of_velocity_alone() -> None:
    start = initial_state(CRAFT, REST, REST, TILTED, (0.05, -0.08, 0.06))
    end = fly(start, SetPoints(velocity_mps=(1.0, -0.5, 0.2)), 120.0)[-1]
    assert norm(subtract(end.velocity_mps, (1.0, -0.5, 0.2))) < 1e-5
    assert norm(end.angular_rate_rps) < 1e-6


def test_velocity_and_attitude_are_reached_together() -> None:
    states = fly(START, SetPoints(attitude=TILTED, velocity_mps=(0.0, 3.0, -1.0)), 300.0)
    assert error_rad(states[-1], TILTED) < 1e-5
    assert norm(subtract(states[-1].velocity_mps, (0.0, 3.0, -1.0))) < 1e-4
    assert max(norm(body.velocity_mps) for body in states) < 1.001 * math.sqrt(10.0)


def test_set_points_beyond_the_limits_are_limited_by_the_control() -> None:
    fast = fly(START, SetPoints(angular_rate_rps=(0.0, 0.0, 3.0), velocity_mps=(30.0, 40.0, 0.0)), 600.0)[-1]
    assert fast.angular_rate_rps == pytest.approx((0.0, 0.0, 0.1), abs=1e-5)
    assert norm(fast.velocity_mps) == pytest.approx(5.0, rel=0.01)


def test_without_set_points_no_thruster_fires() -> None:
    start = initial_state(CRAFT, REST, (1.0, 1.0, 1.0), TILTED, (0.1, 0.2, 0.3))
    assert control(AUTOPILOT, start, SetPoints()) == (0.0,) * 12


def test_a_missing_thruster_is_reported_at_construction_with_its_axis() -> None:
    assert AUTOPILOT.problems == ()
    one_sided = inspection_craft(leave_out=frozenset({"+x-", "-x+"}))
    problems = Autopilot(one_sided, PARAMETERS).problems
    assert [(p.set_point, p.axis) for p in problems] == [
        ("rotation", "+z"),
        ("velocity", "+x"),
        ("velocity", "-x"),
    ]
    assert "torque about +z" in problems[0].problem
    flat = Autopilot(Craft(CRAFT.body, CRAFT.tank, CRAFT.thrusters[:4]), PARAMETERS).problems
    assert [p.axis for p in flat if p.set_point == "rotation"] == ["+x", "+y", "-x", "-y"]
    assert len(Autopilot(coasting_craft(), PARAMETERS).problems) == 12


def test_a_set_point_without_authority_is_refused_by_its_field() -> None:
    engine = thruster((-1.0, 0.0, 0.0), (1.0, 0.0, 0.0), 20.0)
    no_force = Autopilot(Craft(CRAFT.body, CRAFT.tank, (*couples(), engine)), PARAMETERS)
    assert {p.set_point for p in no_force.problems} == {"velocity"}
    check_set_points(no_force, SetPoints(attitude=TILTED))
    assert refused_field(no_force, SetPoints(attitude=TILTED, velocity_mps=REST)) == "velocity_mps"
    no_torque = Autopilot(Craft(CRAFT.body, CRAFT.tank, (engine,)), PARAMETERS)
    assert refused_field(no_torque, SetPoints(attitude=TILTED)) == "attitude"
    assert refused_field(no_torque, SetPoints(angular_rate_rps=REST)) == "angular_rate_rps"


def test_set_points_beyond_the_limits_are_refused_by_their_field() -> None:
    check_set_points(AUTOPILOT, SetPoints(velocity_mps=(3.0, 4.0, 0.0), angular_rate_rps=(0.0, 0.0, 0.1)))
    assert refused_field(AUTOPILOT, SetPoints(velocity_mps=(3.0, 4.01, 0.0))) == "velocity_mps"
    assert refused_field(AUTOPILOT, SetPoints(angular_rate_rps=(0.1, 0.01, 0.0))) == "angular_rate_rps"


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_set_points_that_are_not_finite_are_refused_by_their_field(bad: float) -> None:
    for name, value in (
        ("attitude", (1.0, bad, 0.0, 0.0)),
        ("angular_rate_rps", (0.0, bad, 0.0)),
        ("velocity_mps", (0.0, bad, 0.0)),
    ):
        with pytest.raises(InvalidValueError) as refused:
            SetPoints(**{name: value})
        assert refused.value.field == f"{name}[1]"


def test_an_attitude_and_a_rate_together_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="give one of the two"):
        SetPoints(attitude=LEVEL, angular_rate_rps=REST)
    with pytest.raises(InvalidValueError, match="length"):
        SetPoints(attitude=(1.0, 1.0, 0.0, 0.0))


@pytest.mark.parametrize(
    "name", ["max_speed_mps", "max_angular_rate_rps", "attitude_bandwidth_rps", "velocity_bandwidth_rps"]
)
def test_parameters_out_of_range_are_refused_by_name(name: str) -> None:
    good = {
        "max_speed_mps": 5.0,
        "max_angular_rate_rps": 0.1,
        "attitude_bandwidth_rps": 0.5,
        "velocity_bandwidth_rps": 0.2,
    }
    bads = [0.0, -1.0, math.nan, math.inf] + [MAX_BANDWIDTH_RPS * 1.01] * ("bandwidth" in name)
    for bad in bads:
        with pytest.raises(InvalidValueError) as refused:
            AutopilotParameters(**{**good, name: bad})
        assert refused.value.field == name


def test_the_same_flight_has_the_same_bytes() -> None:
    set_points = SetPoints(attitude=normalize((0.3, -0.4, 0.5, 0.7)), velocity_mps=(0.5, 1.5, -1.0))
    first, second = (
        fly(START, set_points, 20.0),
        fly(START, set_points, 20.0, Autopilot(inspection_craft(), PARAMETERS)),
    )
    assert repr(first) == repr(second)


def refused_field(autopilot: Autopilot, set_points: SetPoints) -> str:
    with pytest.raises(InvalidValueError) as refused:
        check_set_points(autopilot, set_points)
    return refused.value.field


def couples() -> list[Thruster]:
    """Six thrusters: one each way about each axis, whose force nothing balances."""
    found = []
    for axis in range(3):
        for sign in (1.0, -1.0):
            arm, push = [0.0] * 3, [0.0] * 3
            arm[(axis + 1) % 3], push[(axis + 2) % 3] = 0.5, sign
            found.append(thruster(tuple(arm), tuple(push)))
    return found
