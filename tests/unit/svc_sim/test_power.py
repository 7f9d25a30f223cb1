from dataclasses import replace
from math import inf, nan

import pytest

from svc_sim.domain.limits import ParameterError
from svc_sim.domain.subsystems.power import Battery, Load, PowerInputs, PowerParameters, PowerState, step_power

BATTERY = Battery(
    capacity_j=1000.0,
    initial_fraction=0.5,
    charge_efficiency=0.8,
    max_charge_w=20.0,
    shed_below_fraction=0.3,
    restore_above_fraction=0.4,
)
RADIO, HEATER, PUMP, COMPUTER = (
    Load("radio", 4.0, 1),
    Load("heater", 10.0, 3),
    Load("pump", 6.0, 2),
    Load("computer", 2.0, 1, switchable=False),
)
LOADS = (RADIO, HEATER, PUMP, COMPUTER)
DEMAND = PowerInputs(tuple(load.power_w for load in LOADS))


def bus(generator_w: float = 0.0, loads: tuple[Load, ...] = LOADS, **changed: float) -> PowerParameters:
    return PowerParameters(replace(BATTERY, **changed), generator_w, loads)


def run(
    parameters: PowerParameters, state: PowerState, seconds: int, inputs: PowerInputs = DEMAND, dt_s: float = 0.5
) -> list[PowerState]:
    states = []
    for _ in range(round(seconds / dt_s)):
        state = step_power(parameters, state, inputs, dt_s)
        states.append(state)
    return states


@pytest.mark.parametrize("dt_s", [0.01, 0.5, 8.0])
def test_a_battery_drains_by_the_load_less_the_generation_whatever_the_step(dt_s: float) -> None:
    parameters = bus(generator_w=5.0)
    last = run(parameters, parameters.initial_state(), 8, dt_s=dt_s)[-1]
    assert last.charge_j == pytest.approx(500.0 - (22.0 - 5.0) * 8.0, rel=1e-12)
    assert last.battery_w == -17.0


@pytest.mark.parametrize("dt_s", [0.01, 0.5, 8.0])
def test_a_battery_charges_by_the_surplus_times_its_efficiency(dt_s: float) -> None:
    parameters = bus(generator_w=32.0)
    last = run(parameters, parameters.initial_state(), 8, dt_s=dt_s)[-1]
    assert last.charge_j == pytest.approx(500.0 + 0.8 * 10.0 * 8.0, rel=1e-12)
    assert last.loss_w == pytest.approx(0.2 * 10.0)


def test_a_surplus_beyond_the_charging_limit_is_not_generated() -> None:
    parameters = bus(generator_w=72.0)
    state = step_power(parameters, parameters.initial_state(), DEMAND, 1.0)
    assert state.charge_j == pytest.approx(500.0 + 0.8 * 20.0)
    assert (state.curtailed_w, state.generated_w) == (30.0, 42.0)


def test_a_full_battery_takes_no_more_and_is_full_exactly() -> None:
    parameters = bus(generator_w=42.0, initial_fraction=0.999)
    states = run(parameters, parameters.initial_state(), 3, dt_s=0.3)
    assert states[-1].charge_j == 1000.0
    assert states[-1].charge_fraction(parameters) == 1.0
    assert (states[-1].battery_w, states[-1].curtailed_w) == (0.0, 20.0)


def shed_names(parameters: PowerParameters, state: PowerState) -> set[str]:
    return {load.name for index, load in enumerate(parameters.loads) if state.is_shed(parameters, index)}


def test_loads_are_shed_one_priority_after_another_and_priority_1_last() -> None:
    parameters = bus()
    seen: list[tuple[set[str], float]] = [(set(), 500.0)]
    state = parameters.initial_state()
    for _ in range(2000):
        before = state.charge_j
        state = step_power(parameters, state, DEMAND, 0.5)
        shed = shed_names(parameters, state)
        if shed != seen[-1][0]:
            seen.append((shed, before))
    order = [shed for shed, _ in seen]
    assert order == [
        set(),
        {"heater"},
        {"heater", "pump"},
        {"heater", "pump", "radio"},
        {"heater", "pump", "radio", "computer"},
    ]
    limits = [300.0, 200.0, 100.0]
    for (_, charge_j), limit in zip(seen[1:4], limits, strict=True):
        assert limit - 11.0 <= charge_j < limit
    assert seen[4][1] < 1.0, "a load that is not switchable loses power only with an empty battery"
    assert 0.0 <= state.charge_j < 1.0


def test_loads_are_restored_in_the_reverse_order_each_with_the_same_hysteresis() -> None:
    parameters = bus(generator_w=30.0)
    state = replace(parameters.initial_state(), charge_j=50.0)
    seen: list[tuple[set[str], float]] = []
    for _ in range(2000):
        before = state.charge_j
        state = step_power(parameters, state, DEMAND, 0.5)
        shed = shed_names(parameters, state)
        if not seen or shed != seen[-1][0]:
            seen.append((shed, before))
    assert [shed for shed, _ in seen] == [{"heater", "pump", "radio"}, {"heater", "pump"}, {"heater"}, set()]
    for (_, charge_j), limit in zip(seen[1:], [200.0, 300.0, 400.0], strict=True):
        assert limit <= charge_j < limit + 10.0


def test_between_its_limits_a_load_keeps_its_state() -> None:
    parameters = bus(generator_w=22.0)
    between = replace(parameters.initial_state(), charge_j=350.0)
    assert step_power(parameters, between, DEMAND, 1.0).stages_shed == 0
    assert step_power(parameters, replace(between, stages_shed=1), DEMAND, 1.0).stages_shed == 1


def test_a_load_that_the_battery_cannot_supply_over_the_step_is_shed_before_it() -> None:
    parameters = bus(shed_below_fraction=0.0, initial_fraction=0.01)
    state = step_power(parameters, parameters.initial_state(), DEMAND, 1.0)
    assert shed_names(parameters, state) == {"heater", "pump"}, "10 J carry radio and computer for a second, 6 W"
    assert state.charge_j == pytest.approx(4.0)


def test_restoring_at_a_full_battery_is_reached() -> None:
    parameters = bus(generator_w=50.0, shed_below_fraction=0.1, restore_above_fraction=1.0, initial_fraction=0.05)
    states = run(parameters, parameters.initial_state(), 200)
    assert states[0].stages_shed > 0
    assert states[-1].stages_shed == 0


def test_energy_in_is_energy_stored_plus_energy_out() -> None:
    parameters = bus(generator_w=60.0)
    state = parameters.initial_state()
    generated_j = delivered_j = lost_j = 0.0
    for number in range(5000):
        share = number % 400 / 400
        state = step_power(
            parameters, state, PowerInputs(DEMAND.demand_w, 1.0 if number % 900 < 300 else share / 9), 0.1
        )
        generated_j += state.generated_w * 0.1
        delivered_j += sum(state.delivered_w) * 0.1
        lost_j += state.loss_w * 0.1
        offered_w = parameters.generator_w * (1.0 if number % 900 < 300 else share / 9)
        assert state.generated_w + state.curtailed_w == pytest.approx(offered_w, rel=1e-12)
        assert 0.0 <= state.charge_j <= 1000.0
    assert lost_j > 0.0
    assert generated_j == pytest.approx(state.charge_j - 500.0 + delivered_j + lost_j, rel=1e-11)


def test_a_load_that_is_off_draws_nothing_and_is_not_shed_for_it() -> None:
    parameters = bus()
    state = step_power(parameters, parameters.initial_state(), PowerInputs((0.0, 10.0, 0.0, 0.0)), 1.0)
    assert state.delivered_w == (0.0, 10.0, 0.0, 0.0)


@pytest.mark.parametrize("value", [nan, inf, -inf, -1.0])
@pytest.mark.parametrize(
    "field",
    [
        "capacity_j",
        "initial_fraction",
        "charge_efficiency",
        "max_charge_w",
        "shed_below_fraction",
        "restore_above_fraction",
    ],
)
def test_a_battery_outside_its_limits_is_refused_by_its_field(field: str, value: float) -> None:
    with pytest.raises(ParameterError, match=f"^{field} is {value!r}: ") as caught:
        replace(BATTERY, **{field: value})
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"capacity_j": 0.0}, "capacity_j is 0.0: give a finite number above 0"),
        ({"charge_efficiency": 0.0}, "charge_efficiency is 0.0: give a finite number above 0"),
        ({"charge_efficiency": 1.1}, "charge_efficiency is 1.1: give a number from 0 to 1"),
        ({"restore_above_fraction": 0.3}, "restore_above_fraction is 0.3: it should exceed shed_below_fraction"),
    ],
)
def test_a_battery_that_cannot_exist_is_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        replace(BATTERY, **change)


@pytest.mark.parametrize("value", [nan, inf, -1.0])
def test_powers_and_steps_outside_their_limits_are_refused_by_their_field(value: float) -> None:
    parameters = bus()
    with pytest.raises(ParameterError, match=r"^power_w is"):
        Load("radio", value, 1)
    with pytest.raises(ParameterError, match=r"^generator_w is"):
        bus(generator_w=value)
    with pytest.raises(ParameterError, match=r"^demand_w is"):
        step_power(parameters, parameters.initial_state(), PowerInputs((value, 0.0, 0.0, 0.0)), 1.0)
    with pytest.raises(ParameterError, match=r"^generation_fraction is"):
        step_power(parameters, parameters.initial_state(), PowerInputs(DEMAND.demand_w, value), 1.0)
    for dt_s in (value, 0.0):
        with pytest.raises(ParameterError, match=r"^dt_s is"):
            step_power(parameters, parameters.initial_state(), DEMAND, dt_s)


def test_loads_that_have_one_name_or_no_priority_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"^priority is 0: give 1"):
        Load("radio", 1.0, 0)
    with pytest.raises(ParameterError, match=r"^loads have the name 'radio' twice"):
        bus(loads=(RADIO, PUMP, RADIO))
    with pytest.raises(ParameterError, match=r"^demand_w has 1 values: give one for each of the 4 loads"):
        step_power(bus(), bus().initial_state(), PowerInputs((1.0,)), 1.0)
