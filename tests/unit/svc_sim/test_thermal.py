from dataclasses import replace
from math import exp, inf, nan

import pytest

from svc_sim.domain.limits import ParameterError
from svc_sim.domain.subsystems.thermal import (
    STEFAN_BOLTZMANN_WPM2K4,
    ThermalLink,
    ThermalNode,
    ThermalParameters,
    ThermalState,
    step_thermal,
    stored_heat_j,
)

NODE = ThermalNode(
    name="deck",
    heat_capacity_jpk=500.0,
    initial_k=300.0,
    conductance_wpk=2.5,
    surroundings_k=250.0,
    radiating_area_m2=0.0,
    emissivity=0.0,
    trip_k=350.0,
    recover_k=340.0,
)
RADIATOR = replace(
    NODE, name="radiator", conductance_wpk=0.0, radiating_area_m2=2.0, emissivity=0.9, surroundings_k=4.0
)


def run(parameters: ThermalParameters, heat_w: tuple[float, ...], steps: int, dt_s: float) -> ThermalState:
    state = parameters.initial_state()
    for _ in range(steps):
        state = step_thermal(parameters, state, heat_w, dt_s)
    return state


def error_after_one_time_constant(steps: int) -> float:
    """Return the error in kelvins after 200 s = C / G, of which the exact temperature is known."""
    found = run(ThermalParameters((NODE,)), (0.0,), steps, 200.0 / steps).temperatures_k[0]
    return abs(found - (250.0 + 50.0 * exp(-1.0)))


def test_a_node_cools_with_its_time_constant_and_the_error_halves_with_the_step() -> None:
    assert error_after_one_time_constant(2000) < 0.01
    assert error_after_one_time_constant(1000) / error_after_one_time_constant(2000) == pytest.approx(2.0, rel=1e-2)


def test_a_conducting_node_ends_at_the_heat_over_the_conductance() -> None:
    state = run(ThermalParameters((NODE,)), (50.0,), 400, 10.0)
    assert state.temperatures_k[0] == pytest.approx(250.0 + 50.0 / 2.5, rel=1e-9)
    assert state.released_w[0] == pytest.approx(50.0, rel=1e-6)


@pytest.mark.parametrize("heat_w", [1.0, 100.0, 5000.0])
def test_a_radiating_node_ends_where_it_radiates_its_heat(heat_w: float) -> None:
    state = run(ThermalParameters((RADIATOR,)), (heat_w,), 20_000, 50.0)
    exact = (heat_w / (0.9 * STEFAN_BOLTZMANN_WPM2K4 * 2.0) + 4.0**4) ** 0.25
    assert state.temperatures_k[0] == pytest.approx(exact, rel=1e-9)


def test_linked_nodes_end_with_the_heat_flowing_through_the_link() -> None:
    warm = replace(NODE, name="warm", conductance_wpk=0.0)
    parameters = ThermalParameters((warm, NODE), (ThermalLink("warm", "deck", 4.0), ThermalLink("deck", "warm", 1.0)))
    deck, linked = 250.0 + 20.0 / 2.5, 20.0 / 5.0
    state = run(parameters, (20.0, 0.0), 5000, 10.0)
    assert state.temperatures_k == pytest.approx((deck + linked, deck), rel=1e-9)


def test_three_nodes_of_a_closed_box_end_at_their_mean_weighted_by_capacity() -> None:
    closed = [
        replace(NODE, name=name, conductance_wpk=0.0, initial_k=kelvins, heat_capacity_jpk=capacity)
        for name, kelvins, capacity in (("a", 200.0, 100.0), ("b", 300.0, 200.0), ("c", 340.0, 400.0))
    ]
    links = (ThermalLink("a", "b", 3.0), ThermalLink("b", "c", 2.0), ThermalLink("a", "c", 0.5))
    parameters = ThermalParameters(tuple(closed), links)
    state = run(parameters, (0.0, 0.0, 0.0), 2000, 5.0)
    mean = (200.0 * 100.0 + 300.0 * 200.0 + 340.0 * 400.0) / 700.0
    assert state.temperatures_k == pytest.approx((mean, mean, mean), rel=1e-9)
    assert state.released_w == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("dt_s", [0.02, 1.0, 60.0, 1e6])
def test_energy_in_is_energy_stored_plus_energy_out_at_any_step(dt_s: float) -> None:
    parameters = ThermalParameters((NODE, RADIATOR), (ThermalLink("deck", "radiator", 7.0),))
    state = parameters.initial_state()
    before, heated_j, released_j = stored_heat_j(parameters, state), 0.0, 0.0
    for number in range(300):
        heat_w = (40.0 + number % 7, 3.0 * (number % 5))
        state = step_thermal(parameters, state, heat_w, dt_s)
        heated_j += sum(heat_w) * dt_s
        released_j += sum(state.released_w) * dt_s
    after = stored_heat_j(parameters, state)
    assert before + heated_j == pytest.approx(after + released_j, rel=1e-11)


@pytest.mark.parametrize("dt_s", [1e-3, 1.0, 1e3, 1e9])
def test_the_stiffest_network_approaches_its_equilibrium_without_passing_it(dt_s: float) -> None:
    tiny = replace(RADIATOR, name="tiny", heat_capacity_jpk=1e-6, initial_k=3000.0, surroundings_k=0.0)
    cold = replace(NODE, name="cold", heat_capacity_jpk=1e6, conductance_wpk=1e5, initial_k=1.0)
    parameters = ThermalParameters((tiny, cold), (ThermalLink("tiny", "cold", 1e4),))
    state = parameters.initial_state()
    for _ in range(200):
        previous, state = state, step_thermal(parameters, state, (0.0, 0.0), dt_s)
        assert min(state.temperatures_k) > 0.0
        assert max(state.temperatures_k) <= max((*previous.temperatures_k, 250.0)) * (1.0 + 1e-12)
    if dt_s >= 1e3:
        assert state.temperatures_k[1] == pytest.approx(250.0, abs=0.1)


def test_a_node_trips_at_its_limit_and_recovers_only_at_the_lower_one() -> None:
    parameters = ThermalParameters((replace(NODE, conductance_wpk=0.0, initial_k=348.0),))
    state, seen = parameters.initial_state(), []
    for heat_w in [500.0] * 3:
        state = step_thermal(parameters, state, (heat_w,), 1.0)
        seen.append((round(state.temperatures_k[0], 6), state.tripped[0]))
    assert seen == [(349.0, False), (350.0, True), (351.0, True)]
    cooling = ThermalParameters((NODE,))
    seen_tripped = []
    for _ in range(30):
        state = step_thermal(cooling, state, (0.0,), 1.0)
        seen_tripped.append((state.temperatures_k[0], state.tripped[0]))
    assert all(tripped == (kelvins > 340.0) for kelvins, tripped in seen_tripped)
    assert not seen_tripped[-1][1]


def test_a_node_that_starts_too_hot_is_tripped_from_the_start() -> None:
    assert ThermalParameters((replace(NODE, initial_k=350.0), replace(NODE, name="b"))).initial_state().tripped == (
        True,
        False,
    )


@pytest.mark.parametrize("value", [nan, inf, -inf, -1.0])
@pytest.mark.parametrize(
    "field",
    [
        "heat_capacity_jpk",
        "initial_k",
        "conductance_wpk",
        "surroundings_k",
        "radiating_area_m2",
        "emissivity",
        "trip_k",
        "recover_k",
    ],
)
def test_a_node_outside_its_limits_is_refused_by_its_field(field: str, value: float) -> None:
    with pytest.raises(ParameterError, match=f"^{field} is {value!r}: ") as caught:
        replace(NODE, **{field: value})
    assert caught.value.field == field


def test_a_network_that_cannot_exist_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"^recover_k is 350.0: it should be below trip_k, 350.0"):
        replace(NODE, recover_k=350.0)
    with pytest.raises(ParameterError, match=r"^nodes have the name 'deck' twice"):
        ThermalParameters((NODE, NODE))
    with pytest.raises(ParameterError, match=r"^links name the node 'keel': give one of deck, radiator"):
        ThermalParameters((NODE, RADIATOR), (ThermalLink("deck", "keel", 1.0),))
    with pytest.raises(ParameterError, match=r"^links join 'deck' with itself"):
        ThermalLink("deck", "deck", 1.0)
    with pytest.raises(ParameterError, match=r"^conductance_wpk is nan"):
        ThermalLink("deck", "radiator", nan)


@pytest.mark.parametrize("value", [nan, inf, -1.0])
def test_inputs_outside_their_limits_are_refused_by_their_field(value: float) -> None:
    parameters = ThermalParameters((NODE,))
    with pytest.raises(ParameterError, match=r"^heat_w is"):
        step_thermal(parameters, parameters.initial_state(), (value,), 1.0)
    with pytest.raises(ParameterError, match=r"^dt_s is"):
        step_thermal(parameters, parameters.initial_state(), (1.0,), value)
    with pytest.raises(ParameterError, match=r"^heat_w has 2 values: give one for each of the 1 nodes"):
        step_thermal(parameters, parameters.initial_state(), (1.0, 1.0), 1.0)
