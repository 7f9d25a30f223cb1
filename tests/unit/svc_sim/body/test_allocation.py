import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from craft_models import inspection_craft, thruster
from svc_sim.domain.body.allocation import AXES, allocate, plan_allocation
from svc_sim.domain.body.craft import Craft, PropellantTank, RigidBody
from svc_sim.domain.body.motion import wrench_of
from svc_sim.domain.kinematics import Vector

CRAFT = inspection_craft()
PLAN = plan_allocation(CRAFT)
BODY, TANK = RigidBody(180.0, (62.0, 55.0, 38.0)), PropellantTank(25.0, 20.0)
DEMANDS = st.tuples(*[st.floats(-1.0, 1.0)] * 3)


@given(DEMANDS, DEMANDS)
def test_a_small_demand_is_produced_exactly(force_n: Vector, torque_nm: Vector) -> None:
    force_n, torque_nm = tuple(0.6 * f for f in force_n), tuple(0.3 * t for t in torque_nm)
    wrench = wrench_of(CRAFT, allocate(PLAN, force_n, torque_nm))
    assert wrench.force_n == pytest.approx(force_n, abs=1e-12)
    assert wrench.torque_nm == pytest.approx(torque_nm, abs=1e-12)


@given(DEMANDS, DEMANDS, st.floats(0.0, 1e6))
def test_no_demand_makes_a_thrust_leave_its_range(force_n: Vector, torque_nm: Vector, size: float) -> None:
    thrusts = allocate(PLAN, tuple(size * f for f in force_n), tuple(size * t for t in torque_nm))
    assert all(0.0 <= thrust <= limit for thrust, limit in zip(thrusts, PLAN.max_thrust_n, strict=True))


@given(DEMANDS)
def test_a_torque_beyond_the_limit_keeps_its_direction_and_leaves_no_force(torque_nm: Vector) -> None:
    size = math.hypot(*torque_nm)
    if size < 0.1:
        return
    produced = wrench_of(CRAFT, allocate(PLAN, None, tuple(1e3 * t for t in torque_nm)))
    length = math.hypot(*produced.torque_nm)
    assert produced.torque_nm == pytest.approx(tuple(length * t / size for t in torque_nm), abs=1e-9)
    assert produced.force_n == pytest.approx((0.0, 0.0, 0.0), abs=1e-9)
    assert length > 0.99 * min(PLAN.torque_authority_nm) / math.sqrt(3)


def test_torque_comes_before_force() -> None:
    wrench = wrench_of(CRAFT, allocate(PLAN, (1e3, 0.0, 0.0), (0.0, 0.0, 0.5)))
    assert wrench.torque_nm == pytest.approx((0.0, 0.0, 0.5), abs=1e-12)
    assert wrench.force_n[0] > 2.0


def test_of_two_opposed_thrusters_only_one_fires() -> None:
    thrusts = allocate(PLAN, (2.0, 0.0, 0.0), (0.0, 0.0, 0.5))
    assert dict(zip([t.name for t in CRAFT.thrusters], thrusts, strict=True)) == pytest.approx(
        {t.name: {"+x+": 0.5, "+x-": 1.5}.get(t.name, 0.0) for t in CRAFT.thrusters}
    )


def test_the_authority_of_an_axis_is_the_demand_at_which_the_first_thruster_is_full() -> None:
    assert PLAN.force_authority_n == pytest.approx([4.0] * 6)
    assert PLAN.torque_authority_nm == pytest.approx([2.0] * 6)


@pytest.mark.parametrize("axis", range(6))
def test_a_unit_demand_along_each_axis_is_that_axis_and_nothing_else(axis: int) -> None:
    unit = np.zeros(6)
    unit[axis % 3] = 1.0 if AXES[axis][0] == "+" else -1.0
    for rows, shift in ((PLAN.force, 0), (PLAN.torque, 3)):
        thrusts = rows[axis]
        assert thrusts is not None
        wrench = wrench_of(CRAFT, thrusts)
        assert (*wrench.force_n, *wrench.torque_nm) == pytest.approx(np.roll(unit, shift).tolist(), abs=1e-9)


def test_torque_without_a_couple_is_produced_with_the_force_of_its_thrusters() -> None:
    craft = Craft(BODY, TANK, (thruster((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),))
    plan = plan_allocation(craft)
    assert plan.torque[5] == pytest.approx([1.0])
    assert [axis for axis, row in zip(AXES, plan.torque, strict=True) if row is None] == ["+x", "+y", "+z", "-x", "-y"]
    assert allocate(plan, None, (0.3, 0.2, -0.5)) == pytest.approx((0.5,))


def test_a_craft_without_thrusters_has_no_authority_and_no_thrusts() -> None:
    plan = plan_allocation(Craft(BODY))
    assert plan.torque == (None,) * 6
    assert plan.force_authority_n == (0.0,) * 6
    assert allocate(plan, (1.0, 1.0, 1.0), (1.0, 1.0, 1.0)) == ()
