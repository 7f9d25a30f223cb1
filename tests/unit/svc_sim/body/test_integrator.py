import math
import struct
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from craft_models import LEVEL, REST, TICK_S, TILTED, coasting_craft, inspection_craft, state, thruster, turn_about
from svc_sim.domain.body.algebra import multiply, norm, scale, subtract
from svc_sim.domain.body.checks import InvalidValueError
from svc_sim.domain.body.craft import STANDARD_GRAVITY_MPS2, Craft, PropellantTank, RigidBody
from svc_sim.domain.body.integrator import MAX_PARTS, MAX_STEP_S, MAX_TURN_RAD, step
from svc_sim.domain.body.state import BodyState, initial_state
from svc_sim.domain.kinematics import Quaternion, Vector, to_enu

ALL_THRUSTERS = tuple(0.1 * (1 + index % 7) for index in range(12))
RATES = st.floats(-2.0, 2.0)
EXPECTED_HEX = [
    "0x1.e37bb5649f954p+7",
    "0x1.3083618c932cbp+8",
    "0x1.6a5fc1920e69ep+8",
    "0x1.010f7e51cb4c7p+2",
    "0x1.4328e70ba266dp+2",
    "0x1.7f154913f1948p+2",
    "0x1.560a75dc1b15dp-1",
    "0x1.ee2179046e4a9p-3",
    "0x1.79d977d4e0f30p-2",
    "-0x1.32eb3838e6bc4p-1",
    "0x1.f389a2fccc0ecp-4",
    "-0x1.8bd507479fae6p-4",
    "0x1.488c66e827fedp-2",
    "0x0.0p+0",
]


def run(
    craft: Craft, start: BodyState, thrust_n: tuple[float, ...], duration_s: float, dt_s: float = TICK_S
) -> BodyState:
    after = start
    for _ in range(round(duration_s / dt_s)):
        after = step(craft, after, thrust_n, dt_s)
    return after


def momentum(craft: Craft, body: BodyState) -> Vector:
    (ix, iy, iz), (x, y, z) = craft.body.inertia_kgm2, body.angular_rate_rps
    return to_enu(body.attitude, (ix * x, iy * y, iz * z))


def energy(craft: Craft, body: BodyState) -> float:
    return 0.5 * sum(i * w * w for i, w in zip(craft.body.inertia_kgm2, body.angular_rate_rps, strict=True))


def angle_between(p: Quaternion, q: Quaternion) -> float:
    w, x, y, z = multiply((p[0], -p[1], -p[2], -p[3]), q)
    return 2.0 * math.atan2(norm((x, y, z)), abs(w))


def numbers(body: BodyState) -> Iterable[float]:
    return (*body.position_m, *body.velocity_mps, *body.attitude, *body.angular_rate_rps, body.propellant_kg)


def encoded(body: BodyState) -> bytes:
    return struct.pack("<14d", *numbers(body))


@pytest.mark.parametrize("axial", [30.0, 90.0])
def test_a_symmetric_body_without_torque_precesses_as_in_the_closed_form(axial: float) -> None:
    """Landau and Lifshitz, Mechanics, section 33: the axis turns about L at |L| / I, the rate at (Ia - I) w / I."""
    transverse, spin, across, t_s = 60.0, 0.2, 0.07, 500.0
    craft, start = coasting_craft((transverse, transverse, axial)), state((across, 0.0, spin), attitude=TILTED)
    end = run(craft, start, (), t_s)
    body_turn = (axial - transverse) / transverse * spin * t_s
    expected_rate = (across * math.cos(body_turn), across * math.sin(body_turn), spin)
    assert end.angular_rate_rps == pytest.approx(expected_rate, abs=1e-9)
    length = norm(momentum(craft, start))
    about = turn_about(scale(1.0 / length, momentum(craft, start)), length / transverse * t_s)
    expected = multiply(multiply(about, TILTED), turn_about((0.0, 0.0, 1.0), -body_turn))
    assert angle_between(end.attitude, expected) < 1e-7


@pytest.mark.parametrize("rate", [(0.05, 0.1, -0.03), (0.01, 0.3, 0.001), (0.5, -0.4, 0.6)])
def test_energy_and_angular_momentum_do_not_drift_in_1000_s_without_torque(rate: Vector) -> None:
    craft = coasting_craft()
    body = state(rate, attitude=TILTED)
    energy_j, momentum_nms = energy(craft, body), momentum(craft, body)
    worst_energy = worst_momentum = worst_length = 0.0
    for _ in range(round(1000.0 / TICK_S)):
        body = step(craft, body, (), TICK_S)
        worst_energy = max(worst_energy, abs(energy(craft, body) / energy_j - 1.0))
        change = norm(subtract(momentum(craft, body), momentum_nms))
        worst_momentum = max(worst_momentum, change / norm(momentum_nms))
        worst_length = max(worst_length, abs(math.sqrt(sum(c * c for c in body.attitude)) - 1.0))
    assert worst_energy <= 1e-12
    assert worst_momentum <= 1e-12
    assert worst_length <= 1e-15


@given(st.tuples(RATES, RATES, RATES), st.floats(0.01, MAX_STEP_S))
def test_a_step_of_any_rate_and_length_keeps_energy_and_angular_momentum(rate: Vector, dt_s: float) -> None:
    craft, start = coasting_craft(), state(rate, attitude=TILTED)
    end = step(craft, start, (), dt_s)
    size = norm(momentum(craft, start))
    assert energy(craft, end) == pytest.approx(energy(craft, start), rel=1e-13, abs=1e-300)
    assert norm(subtract(momentum(craft, end), momentum(craft, start))) <= 1e-13 * size + 1e-150


def test_the_error_falls_with_the_fourth_power_of_the_step() -> None:
    craft = inspection_craft()
    start = initial_state(craft, REST, (1.0, -2.0, 0.5), TILTED, (0.06, 0.1, -0.08))
    exact = list(numbers(run(craft, start, ALL_THRUSTERS, 8.0, 1 / 256)))
    groups = {"position": slice(0, 3), "velocity": slice(3, 6), "attitude": slice(6, 10), "rate": slice(10, 13)}
    for name, part in groups.items():
        errors = []
        for dt_s in (0.5, 0.25, 0.125):
            end = list(numbers(run(craft, start, ALL_THRUSTERS, 8.0, dt_s)))
            errors.append(max(abs(a - b) for a, b in zip(end[part], exact[part], strict=True)))
        orders = [math.log2(coarse / fine) for coarse, fine in pairwise(errors)]
        assert all(3.6 < order < 4.6 for order in orders), (name, errors, orders)


def test_constant_thrust_without_loss_of_mass_gives_a_parabola() -> None:
    engine = thruster((-1.0, 0.0, 0.0), (1.0, 0.0, 0.0), 10.0, 1e15)
    craft = Craft(RigidBody(180.0, (62.0, 55.0, 38.0)), PropellantTank(20.0, 20.0), (engine,))
    end = run(craft, initial_state(craft, (5.0, 0.0, -1.0), (1.0, 2.0, 3.0), LEVEL, REST), (10.0,), 100.0)
    assert end.position_m == pytest.approx((5.0 + 100.0 + 0.5 * 0.05 * 1e4, 200.0, 299.0), rel=1e-12)
    assert end.velocity_mps == pytest.approx((1.0 + 0.05 * 100.0, 2.0, 3.0), rel=1e-12)
    assert end.angular_rate_rps == REST


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_constant_torque_about_a_principal_axis_gives_a_constant_angular_acceleration(axis: int) -> None:
    """The torque is r x F: a thruster at the arm's end along axis + 1, pushing along axis + 2, turns about +axis."""
    arm, push, unit = [0.0] * 3, [0.0] * 3, [0.0] * 3
    arm[(axis + 1) % 3], push[(axis + 2) % 3], unit[axis] = 0.75, 1.0, 1.0
    craft = Craft(
        RigidBody(180.0, (62.0, 55.0, 38.0)), PropellantTank(20.0, 20.0), (thruster(tuple(arm), tuple(push)),)
    )
    t_s, acceleration = 20.0, 0.75 * 0.8 / craft.body.inertia_kgm2[axis]
    end = run(craft, initial_state(craft, REST, REST, LEVEL, REST), (0.8,), t_s)
    assert end.angular_rate_rps == pytest.approx(tuple(acceleration * t_s * u for u in unit), rel=1e-12, abs=1e-15)
    assert angle_between(end.attitude, turn_about(tuple(unit), 0.5 * acceleration * t_s**2)) < 1e-7


def test_burning_the_tank_empty_gives_the_speed_of_the_rocket_equation() -> None:
    engine = thruster((-1.0, 0.0, 0.0), (1.0, 0.0, 0.0), 100.0, 300.0)
    craft = Craft(RigidBody(50.0, (10.0, 10.0, 10.0)), PropellantTank(150.0, 123.456), (engine,))
    burn_s = 123.456 * 300.0 * STANDARD_GRAVITY_MPS2 / 100.0
    start = initial_state(craft, REST, REST, LEVEL, REST)
    early = run(craft, start, (100.0,), 1000.0)
    exhaust_mps, flow_kgps = 300.0 * STANDARD_GRAVITY_MPS2, 123.456 / burn_s
    assert early.propellant_kg == pytest.approx(123.456 - 1000.0 * flow_kgps, rel=1e-10)
    assert early.velocity_mps[0] == pytest.approx(
        exhaust_mps * math.log(173.456 / (50.0 + early.propellant_kg)), rel=1e-10
    )
    end = run(craft, early, (100.0,), burn_s - 1000.0 + 10.0)
    assert end.propellant_kg == 0.0
    assert end.velocity_mps[0] == pytest.approx(exhaust_mps * math.log(173.456 / 50.0), rel=1e-9)


@given(st.floats(0.0, 0.999))
def test_thrust_ends_at_the_moment_within_a_step_when_the_tank_is_empty(share: float) -> None:
    """Closed form of one burn: v = c ln(m0 / m1), x = c t - (m1 / flow) v, then straight on."""
    engine = thruster((-1.0, 0.0, 0.0), (1.0, 0.0, 0.0), 100.0, 300.0)
    exhaust_mps = 300.0 * STANDARD_GRAVITY_MPS2
    flow_kgps = 100.0 / exhaust_mps
    propellant_kg = share * TICK_S * flow_kgps
    craft = Craft(RigidBody(50.0, (10.0, 10.0, 10.0)), PropellantTank(1.0, propellant_kg), (engine,))
    end = step(craft, initial_state(craft, REST, REST, LEVEL, REST), (100.0,), TICK_S)
    speed_mps = exhaust_mps * math.log1p(propellant_kg / 50.0)
    assert end.propellant_kg == 0.0
    assert end.velocity_mps == pytest.approx((speed_mps, 0.0, 0.0), rel=1e-9, abs=1e-15)
    burn_s = share * TICK_S
    mean_m = 0.5 * speed_mps * burn_s + speed_mps * (TICK_S - burn_s)
    assert end.position_m == pytest.approx((mean_m, 0.0, 0.0), rel=1e-5, abs=1e-15)
    assert step(craft, end, (100.0,), TICK_S).velocity_mps == end.velocity_mps


def test_an_empty_tank_ends_the_torque_too() -> None:
    craft = inspection_craft(initial_kg=0.0)
    start = initial_state(craft, REST, REST, LEVEL, REST)
    end = step(craft, start, ALL_THRUSTERS, TICK_S)
    assert (end.velocity_mps, end.angular_rate_rps, end.attitude) == (REST, REST, LEVEL)


def test_a_run_repeated_or_continued_from_its_stored_state_has_the_same_bytes() -> None:
    craft = inspection_craft(initial_kg=0.05)
    start = initial_state(craft, (1.0, 2.0, 3.0), (4.0, 5.0, 6.0), TILTED, (0.1, -0.2, 0.3))
    whole = run(craft, start, ALL_THRUSTERS, 60.0)
    half = run(craft, start, ALL_THRUSTERS, 30.0)
    values = struct.unpack("<14d", encoded(half))
    restored = BodyState(values[0:3], values[3:6], values[6:10], values[10:13], values[13])
    assert restored == half
    assert encoded(run(craft, restored, ALL_THRUSTERS, 30.0)) == encoded(whole)
    assert encoded(run(craft, start, ALL_THRUSTERS, 60.0)) == encoded(whole)


def test_the_same_run_gives_these_bytes_on_every_platform() -> None:
    """Only operations occur that IEEE 754 rounds correctly: a difference here is a change of the world's history."""
    craft = inspection_craft(initial_kg=0.05)
    start = initial_state(craft, (1.0, 2.0, 3.0), (4.0, 5.0, 6.0), TILTED, (0.1, -0.2, 0.3))
    end = run(craft, start, ALL_THRUSTERS, 60.0)
    assert [value.hex() for value in numbers(end)] == EXPECTED_HEX


def test_a_fast_rotation_is_divided_into_parts_that_keep_the_order_of_accuracy() -> None:
    end = step(coasting_craft(), state((0.0, 0.0, 30.0)), (), 0.5)
    assert angle_between(end.attitude, turn_about((0.0, 0.0, 1.0), 15.0)) < 1e-3
    tumbling = state((4.0, 0.5, 30.0))
    end = step(coasting_craft(), tumbling, (), 0.5)
    assert energy(coasting_craft(), end) == pytest.approx(energy(coasting_craft(), tumbling), rel=1e-13)


def test_a_rotation_too_fast_for_the_step_is_refused() -> None:
    fastest_rps = MAX_PARTS * MAX_TURN_RAD / TICK_S
    step(coasting_craft(), state((0.0, 0.0, 0.99 * fastest_rps)), (), TICK_S)
    with pytest.raises(InvalidValueError, match="lower the rate") as refused:
        step(coasting_craft(), state((0.0, 0.0, 1.01 * fastest_rps)), (), TICK_S)
    assert refused.value.field == "angular_rate_rps"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("field", "index"), [("position_m", 1), ("velocity_mps", 2), ("attitude", 3), ("angular_rate_rps", 0)]
)
def test_a_state_that_is_not_finite_is_refused_by_its_field(field: str, index: int, bad: float) -> None:
    values = {"position_m": REST, "velocity_mps": REST, "attitude": LEVEL, "angular_rate_rps": REST}
    broken = list(values[field])
    broken[index] = bad
    values[field] = tuple(broken)
    with pytest.raises(InvalidValueError) as refused:
        step(coasting_craft(), BodyState(**values, propellant_kg=0.0), (), TICK_S)
    assert refused.value.field == f"{field}[{index}]"


@pytest.mark.parametrize("dt_s", [0.0, -0.05, math.nan, math.inf, 1.01 * MAX_STEP_S])
def test_a_step_out_of_range_is_refused(dt_s: float) -> None:
    with pytest.raises(InvalidValueError) as refused:
        step(coasting_craft(), state(), (), dt_s)
    assert refused.value.field == "dt_s"


@pytest.mark.parametrize("thrust", [math.nan, math.inf, -1e-9, 2.0000001])
def test_a_thrust_out_of_range_is_refused_by_its_thruster(thrust: float) -> None:
    craft = inspection_craft()
    start = initial_state(craft, REST, REST, LEVEL, REST)
    with pytest.raises(InvalidValueError, match=r"of \+x- is .*\[0, 2.0\]") as refused:
        step(craft, start, (0.0, thrust, *(0.0,) * 10), TICK_S)
    assert refused.value.field == "thrust_n[1]"
    with pytest.raises(InvalidValueError, match="give 12"):
        step(craft, start, (0.0,), TICK_S)
