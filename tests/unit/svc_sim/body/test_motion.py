import pytest

from craft_models import REST, TILTED, coasting_craft, inspection_craft, state
from svc_sim.domain.body.algebra import add, scale, subtract
from svc_sim.domain.body.integrator import step
from svc_sim.domain.body.motion import kinematics_of, specific_force_at
from svc_sim.domain.body.state import initial_state
from svc_sim.domain.kinematics import to_body, to_enu

THRUST_N = tuple(0.1 * (1 + index % 7) for index in range(12))
MOUNT_M = (0.4, -0.7, 1.1)


def test_navigation_has_the_state_and_the_acceleration_of_the_centre_of_mass() -> None:
    craft = inspection_craft()
    body = initial_state(craft, (1.0, 2.0, 3.0), (4.0, 5.0, 6.0), tuple(-c for c in TILTED), (0.1, 0.2, 0.3))
    shown = kinematics_of(craft, body, THRUST_N)
    assert (shown.position_m, shown.velocity_mps) == (body.position_m, body.velocity_mps)
    assert (shown.attitude, shown.angular_rate_rps) == (pytest.approx(TILTED, abs=1e-15), body.angular_rate_rps)
    dt_s = 1e-3
    after = step(craft, step(craft, body, THRUST_N, dt_s), THRUST_N, dt_s)
    middle = kinematics_of(craft, step(craft, body, THRUST_N, dt_s), THRUST_N)
    change = scale(0.5 / dt_s, subtract(after.velocity_mps, body.velocity_mps))
    assert middle.acceleration_mps2 == pytest.approx(change, rel=1e-6)


def test_an_accelerometer_at_its_mount_measures_the_acceleration_of_the_mount() -> None:
    craft = inspection_craft()
    before = initial_state(craft, REST, (4.0, 5.0, 6.0), TILTED, (0.6, -0.9, 0.7))
    dt_s = 1e-3
    middle = step(craft, before, THRUST_N, dt_s)
    after = step(craft, middle, THRUST_N, dt_s)
    points = [add(s.position_m, to_enu(s.attitude, MOUNT_M)) for s in (before, middle, after)]
    second = subtract(add(points[0], points[2]), scale(2.0, points[1]))
    expected = to_body(middle.attitude, scale(1.0 / dt_s**2, second))
    assert specific_force_at(craft, middle, THRUST_N, MOUNT_M) == pytest.approx(expected, abs=1e-6)


def test_a_body_that_coasts_without_rotation_feels_nothing() -> None:
    body = state(velocity=(10.0, 0.0, 0.0), attitude=TILTED)
    assert specific_force_at(coasting_craft(), body, (), MOUNT_M) == REST
    assert kinematics_of(coasting_craft(), body, ()).acceleration_mps2 == REST


def test_commanded_thrust_without_propellant_is_not_felt() -> None:
    craft = inspection_craft(initial_kg=0.0)
    body = initial_state(craft, REST, REST, TILTED, REST)
    assert specific_force_at(craft, body, THRUST_N, MOUNT_M) == REST
