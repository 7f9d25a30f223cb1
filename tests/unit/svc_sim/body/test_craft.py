import math
from typing import Any

import pytest

from craft_models import LEVEL, REST, coasting_craft, inspection_craft, thruster
from svc_sim.domain.body.checks import InvalidValueError
from svc_sim.domain.body.craft import MAX_THRUSTERS, STANDARD_GRAVITY_MPS2, Craft, PropellantTank, RigidBody
from svc_sim.domain.body.motion import wrench_of
from svc_sim.domain.body.state import BodyState, check_state, initial_state


def refused_field(make: Any, *arguments: Any) -> str:
    with pytest.raises(InvalidValueError) as refused:
        make(*arguments)
    assert str(refused.value) == f"{refused.value.field} {refused.value.problem}"
    return refused.value.field


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_a_parameter_that_is_not_a_positive_number_is_refused_by_name(bad: float) -> None:
    assert refused_field(RigidBody, bad, (1.0, 1.0, 1.0)) == "dry_mass_kg"
    assert refused_field(RigidBody, 1.0, (1.0, bad, 1.0)) == "inertia_kgm2[1]"
    assert refused_field(PropellantTank, bad, 0.0) == "capacity_kg"
    assert refused_field(thruster, REST, (1.0, 0.0, 0.0), bad) == "t.max_thrust_n"
    assert refused_field(thruster, REST, (1.0, 0.0, 0.0), 1.0, bad) == "t.specific_impulse_s"


def test_moments_of_inertia_that_no_body_has_are_refused() -> None:
    RigidBody(1.0, (1.0, 1.0, 2.0))
    assert refused_field(RigidBody, 1.0, (1.0, 1.0, 2.01)) == "inertia_kgm2"
    assert refused_field(RigidBody, 1.0, (1.0, 1.0)) == "inertia_kgm2"


@pytest.mark.parametrize("initial_kg", [-0.1, 10.1, math.nan])
def test_a_filling_beyond_the_tank_is_refused(initial_kg: float) -> None:
    assert refused_field(PropellantTank, 10.0, initial_kg) == "initial_kg"


def test_a_direction_that_is_not_a_unit_vector_is_refused() -> None:
    assert refused_field(thruster, REST, (1.0, 1.0, 0.0)) == "t.direction"
    assert refused_field(thruster, REST, (0.0, 0.0, 0.0)) == "t.direction"
    assert refused_field(thruster, (math.nan, 0.0, 0.0), (1.0, 0.0, 0.0)) == "t.position_m[0]"


def test_a_direction_rounded_in_the_specification_is_normalised() -> None:
    craft = Craft(
        RigidBody(1.0, (1.0, 1.0, 1.0)), PropellantTank(1.0, 1.0), (thruster(REST, (0.7071068, 0.7071068, 0)),)
    )
    assert math.hypot(*craft.effects[0].force) == pytest.approx(1.0, rel=1e-15)


def test_thrusters_without_a_tank_are_refused() -> None:
    body = RigidBody(1.0, (1.0, 1.0, 1.0))
    assert refused_field(Craft, body, None, (thruster(REST, (1.0, 0.0, 0.0)),)) == "tank"
    many = (thruster(REST, (1.0, 0.0, 0.0)),) * (MAX_THRUSTERS + 1)
    assert refused_field(Craft, body, PropellantTank(1.0, 1.0), many) == "thrusters"


def test_thrusters_that_burn_the_mass_of_the_craft_in_a_second_are_refused() -> None:
    body, tank = RigidBody(1.0, (1.0, 1.0, 1.0)), PropellantTank(1.0, 1.0)
    strongest_n = 100.0 * STANDARD_GRAVITY_MPS2
    Craft(body, tank, (thruster(REST, (1.0, 0.0, 0.0), 0.99 * strongest_n, 100.0),))
    assert refused_field(Craft, body, tank, (thruster(REST, (1.0, 0.0, 0.0), 1.01 * strongest_n, 100.0),)) == (
        "max_thrust_n"
    )


def test_forces_torques_and_flows_of_thrusters_add_up_at_their_mounts() -> None:
    craft = Craft(
        RigidBody(1.0, (1.0, 1.0, 1.0)),
        PropellantTank(1.0, 1.0),
        (
            thruster((1.0, 2.0, 3.0), (0.0, 0.0, 1.0), 5.0, 100.0),
            thruster((0.0, -1.0, 0.0), (0.6, 0.0, 0.8), 5.0, 50.0),
        ),
    )
    wrench = wrench_of(craft, (4.0, 5.0))
    assert wrench.force_n == pytest.approx((3.0, 0.0, 8.0))
    assert wrench.torque_nm == pytest.approx((8.0 - 4.0, -4.0, 3.0))
    assert wrench.flow_kgps == pytest.approx((4.0 / 100.0 + 5.0 / 50.0) / STANDARD_GRAVITY_MPS2)


def test_a_run_starts_with_the_tank_as_it_was_filled() -> None:
    assert initial_state(inspection_craft(12.5), REST, REST, LEVEL, REST).propellant_kg == 12.5
    assert initial_state(coasting_craft(), REST, REST, LEVEL, REST).propellant_kg == 0.0


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_start_that_is_not_finite_is_refused_by_its_field(bad: float) -> None:
    craft, broken = coasting_craft(), (0.0, bad, 0.0)
    assert refused_field(initial_state, craft, broken, REST, LEVEL, REST) == "position_m[1]"
    assert refused_field(initial_state, craft, REST, broken, LEVEL, REST) == "velocity_mps[1]"
    assert refused_field(initial_state, craft, REST, REST, (1.0, 0.0, bad, 0.0), REST) == "attitude[2]"
    assert refused_field(initial_state, craft, REST, REST, (1.0, 0.1, 0.0, 0.0), REST) == "attitude"
    assert refused_field(initial_state, craft, REST, REST, LEVEL, broken) == "angular_rate_rps[1]"


def test_a_stored_state_of_another_craft_is_refused() -> None:
    check_state(inspection_craft(), BodyState(REST, REST, LEVEL, REST, 25.0))
    assert refused_field(check_state, inspection_craft(), BodyState(REST, REST, LEVEL, REST, 25.1)) == "propellant_kg"
    assert refused_field(check_state, coasting_craft(), BodyState(REST, REST, LEVEL, REST, 0.1)) == "propellant_kg"
