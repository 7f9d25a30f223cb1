from dataclasses import replace
from math import inf, nan

import pytest

from svc_sim.domain.limits import ParameterError
from svc_sim.domain.subsystems.shield import ShieldParameters, ShieldState, set_raised, step_shield

SHIELD = ShieldParameters(capacity_j=1000.0, initial_fraction=0.2, recharge_w=50.0, power_w=10.0)


def run(state: ShieldState, steps: int, dt_s: float, *, supplied: bool) -> ShieldState:
    for _ in range(steps):
        state = step_shield(SHIELD, state, dt_s, supplied=supplied)
    return state


@pytest.mark.parametrize("dt_s", [0.05, 1.0, 8.0])
def test_a_supplied_shield_charges_at_its_recharging_power(dt_s: float) -> None:
    state = run(SHIELD.initial_state(), round(8.0 / dt_s), dt_s, supplied=True)
    assert state.charge_j == pytest.approx(200.0 + 50.0 * 8.0, rel=1e-12)
    assert (state.drawn_w, state.dissipated_w, state.active) == (60.0, 10.0, True)


def test_a_full_shield_draws_the_power_of_its_field_alone() -> None:
    state = run(SHIELD.initial_state(), 70, 0.3, supplied=True)
    assert state.charge_j == pytest.approx(1000.0, rel=1e-12)
    assert SHIELD.demand_w(state, 0.3) == pytest.approx(10.0)


def test_without_the_bus_the_store_carries_the_field_until_it_is_empty() -> None:
    state = run(SHIELD.initial_state(), 19, 1.0, supplied=False)
    assert (state.charge_j, state.active, state.drawn_w) == (pytest.approx(10.0), True, 0.0)
    state = run(state, 2, 1.0, supplied=False)
    assert (state.charge_j, state.active) == (0.0, False)
    assert run(state, 1, 1.0, supplied=False).dissipated_w == 0.0
    assert run(state, 1, 1.0, supplied=True).active


def test_a_lowered_shield_keeps_its_charge_and_asks_for_nothing() -> None:
    lowered = set_raised(SHIELD.initial_state(), False)
    assert SHIELD.demand_w(lowered, 1.0) == 0.0
    state = run(lowered, 10, 1.0, supplied=True)
    assert (state.charge_j, state.active, state.drawn_w, state.dissipated_w) == (200.0, False, 0.0, 0.0)
    assert run(set_raised(state, True), 1, 1.0, supplied=False).active


def test_energy_in_is_energy_stored_plus_energy_out() -> None:
    state = SHIELD.initial_state()
    drawn_j = dissipated_j = 0.0
    for number in range(4000):
        state = set_raised(state, number % 700 < 600)
        state = step_shield(SHIELD, state, 0.1, supplied=number % 1000 < 300)
        drawn_j += state.drawn_w * 0.1
        dissipated_j += state.dissipated_w * 0.1
        assert 0.0 <= state.charge_j <= 1000.0
    assert 200.0 + drawn_j == pytest.approx(state.charge_j + dissipated_j, rel=1e-11)


@pytest.mark.parametrize("value", [nan, inf, -1.0])
@pytest.mark.parametrize("field", ["capacity_j", "initial_fraction", "recharge_w", "power_w"])
def test_a_shield_outside_its_limits_is_refused_by_its_field(field: str, value: float) -> None:
    with pytest.raises(ParameterError, match=f"^{field} is {value!r}: "):
        replace(SHIELD, **{field: value})
    with pytest.raises(ParameterError, match=r"^dt_s is"):
        step_shield(SHIELD, SHIELD.initial_state(), value, supplied=True)
