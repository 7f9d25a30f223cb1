import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc_sim.domain.kinematics import Leg, Maneuver, Motion, Vector, attitude_of, plan_motion, to_body, to_enu

COURSES = st.floats(-720, 720)
CLIMBS = st.floats(-90, 90)


def motion(*maneuvers: Maneuver, course_deg: float = 0.0, speed_mps: float = 100.0, climb_mps: float = 0.0) -> Motion:
    return plan_motion((0.0, 0.0, 0.0), course_deg, speed_mps, climb_mps, maneuvers)


@pytest.mark.parametrize(
    ("course_deg", "east", "north"), [(0, 0, 1), (90, 1, 0), (180, 0, -1), (270, -1, 0), (-90, -1, 0), (450, 1, 0)]
)
def test_a_course_is_clockwise_from_north(course_deg: float, east: float, north: float) -> None:
    position, velocity = motion(course_deg=course_deg, climb_mps=3.0).point_at(10.0)
    assert position == pytest.approx((1000 * east, 1000 * north, 30), abs=1e-9)
    assert velocity == pytest.approx((100 * east, 100 * north, 3), abs=1e-9)


def test_a_positive_turn_rate_turns_clockwise() -> None:
    position, velocity = motion(Maneuver(90.0, 1.0, 0.0)).point_at(90.0)
    radius_m = 100.0 / math.radians(1.0)
    assert position == pytest.approx((radius_m, radius_m, 0.0), abs=1e-6)
    assert velocity == pytest.approx((100.0, 0.0, 0.0), abs=1e-9)


@pytest.mark.parametrize("rate_dps", [1.0, -3.0, 7.5])
def test_a_full_circle_ends_where_it_began(rate_dps: float) -> None:
    position, velocity = motion(Maneuver(400.0, rate_dps, 0.0)).point_at(360.0 / abs(rate_dps))
    assert position == pytest.approx((0.0, 0.0, 0.0), abs=1e-8)
    assert velocity == pytest.approx((0.0, 100.0, 0.0), abs=1e-9)


@given(st.floats(-10, 10), COURSES, st.floats(0, 500), st.floats(0.5, 300))
def test_the_velocity_is_the_derivative_of_the_position(rate: float, course: float, speed: float, t_s: float) -> None:
    leg = Leg(0.0, (10.0, -20.0, 30.0), math.radians(course), speed, 4.0, math.radians(rate))
    step_s = 1e-4
    before, after = leg.point_at(t_s - step_s)[0], leg.point_at(t_s + step_s)[0]
    derivative = [(b - a) / (2 * step_s) for a, b in zip(before, after, strict=True)]
    assert derivative == pytest.approx(leg.point_at(t_s)[1], abs=1e-4)


@given(st.floats(-10, 10), COURSES, st.floats(0, 500), st.floats(0.5, 300))
def test_the_acceleration_is_the_derivative_of_the_velocity(rate: float, course: float, speed: float, t: float) -> None:
    path = motion(Maneuver(1000.0, rate, 0.0), course_deg=course, speed_mps=speed)
    step_s = 1e-4
    before, after = path.point_at(t - step_s)[1], path.point_at(t + step_s)[1]
    derivative = [(b - a) / (2 * step_s) for a, b in zip(before, after, strict=True)]
    assert derivative == pytest.approx(path.kinematics_at(t).acceleration_mps2, abs=1e-4)


@pytest.mark.parametrize("rate_dps", [5e-324, 1e-300, 1e-12, -1e-9])
def test_a_turn_that_is_almost_none_is_almost_straight(rate_dps: float) -> None:
    position, velocity = motion(Maneuver(1000.0, rate_dps, 0.0)).point_at(500.0)
    assert position == pytest.approx((0.0, 50000.0, 0.0), abs=1e-3)
    assert velocity == pytest.approx((0.0, 100.0, 0.0), abs=1e-6)


def test_legs_join_without_a_jump_and_the_last_goes_straight_on() -> None:
    path = motion(Maneuver(10.0, 0.0, 0.0), Maneuver(20.0, 4.5, 6.0), climb_mps=1.0)
    for join_s in (10.0, 30.0):
        before, after = path.point_at(join_s - 1e-9), path.point_at(join_s)
        assert before[0] == pytest.approx(after[0], abs=1e-6)
        assert before[1][:2] == pytest.approx(after[1][:2], abs=1e-6)
    assert path.point_at(20.0)[1][2] == 6.0
    assert path.point_at(1000.0)[1] == pytest.approx((100.0, 0.0, 1.0), abs=1e-9)


def test_a_state_does_not_depend_on_the_states_asked_for_before() -> None:
    path = motion(*[Maneuver(7.0, rate, 0.0) for rate in (1.0, -2.0, 3.0)])
    direct = path.kinematics_at(19.3)
    for step in range(2000):
        path.kinematics_at(step * 0.01)
    assert (
        path.kinematics_at(19.3)
        == direct
        == motion(*[Maneuver(7.0, r, 0.0) for r in (1.0, -2.0, 3.0)]).kinematics_at(19.3)
    )


@given(COURSES, CLIMBS)
def test_the_attitude_is_a_unit_quaternion_with_its_nose_along_course_and_climb(course: float, climb: float) -> None:
    attitude = attitude_of(math.radians(course), math.radians(climb))
    assert math.hypot(*attitude) == pytest.approx(1.0, abs=1e-12)
    assert attitude[0] >= 0.0
    level = math.cos(math.radians(climb))
    chi = math.radians(course)
    nose = (level * math.sin(chi), level * math.cos(chi), math.sin(math.radians(climb)))
    assert to_enu(attitude, (1.0, 0.0, 0.0)) == pytest.approx(nose, abs=1e-12)
    assert to_enu(attitude, (0.0, 1.0, 0.0)) == pytest.approx((-math.cos(chi), math.sin(chi), 0.0), abs=1e-12)


@given(COURSES, CLIMBS, st.tuples(*[st.floats(-1e3, 1e3)] * 3))
def test_into_the_body_frame_and_back_is_the_same_vector(course: float, climb: float, vector: Vector) -> None:
    attitude = attitude_of(math.radians(course), math.radians(climb))
    assert to_enu(attitude, to_body(attitude, vector)) == pytest.approx(vector, abs=1e-9)


def test_a_body_flies_nose_first() -> None:
    state = motion(Maneuver(100.0, 2.0, 30.0), speed_mps=40.0, course_deg=77.0).kinematics_at(33.0)
    assert to_body(state.attitude, state.velocity_mps) == pytest.approx((50.0, 0.0, 0.0), abs=1e-9)


def test_a_body_at_rest_points_along_its_course() -> None:
    state = motion(speed_mps=0.0, course_deg=90.0).kinematics_at(5.0)
    assert state.velocity_mps == (0.0, 0.0, 0.0)
    assert to_enu(state.attitude, (1.0, 0.0, 0.0)) == pytest.approx((1.0, 0.0, 0.0), abs=1e-12)
    assert state.angular_rate_rps == pytest.approx((0.0, 0.0, 0.0))


def test_a_level_right_turn_is_a_negative_rate_about_the_bodys_up_axis_and_pulls_right() -> None:
    state = motion(Maneuver(100.0, 3.0, 0.0), course_deg=30.0).kinematics_at(12.0)
    assert state.angular_rate_rps == pytest.approx((0.0, 0.0, -math.radians(3.0)), abs=1e-12)
    assert to_body(state.attitude, state.acceleration_mps2) == pytest.approx(
        (0.0, -100.0 * math.radians(3.0), 0.0), abs=1e-9
    )
