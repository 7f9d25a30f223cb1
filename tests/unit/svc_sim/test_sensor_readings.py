from dataclasses import FrozenInstanceError, fields, replace

import pytest

from svc_sim.domain.scenario.sensor_faults import FaultKind, FaultState
from svc_sim.domain.sensors.parameters import Errors, SensorKind, SensorParameters
from svc_sim.domain.sensors.readings import (
    Measured,
    MeasuredReason,
    Missing,
    MissingReason,
    Reading,
    SensorState,
    reason_text,
)
from svc_sim.domain.sensors.sensor import SensorInputs, SensorMemory, read
from svc_sim.domain.sensors.truth import Truth

SENSOR = SensorParameters("thermo", SensorKind.THERMOMETER, (Errors(0.5, 0.25),))
TRUTH = Truth((0.0,) * 3, (0.0,) * 3, (1.0, 0.0, 0.0, 0.0), (0.0,) * 3, (0.0,) * 3, (0.0,) * 3, temperatures_k=(300.0,))
ON = SensorInputs()
FAILURE = FaultState("thermo", FaultKind.FAILURE)
STUCK = FaultState("thermo", FaultKind.STUCK)
NOISE = FaultState("thermo", FaultKind.NOISE, noise_factor=10.0)


def lost(probability: float) -> FaultState:
    return FaultState("thermo", FaultKind.DROPOUT, dropout_probability=probability)


def readings(inputs: list[SensorInputs], sensor: SensorParameters = SENSOR, seed: int = 3) -> list[Reading]:
    memory, found = SensorMemory(), []
    for number, given in enumerate(inputs):
        reading, memory = read(sensor, memory, TRUTH, given, seed, 10 * number)
        found.append(reading)
    return found


def with_fault(*faults: FaultState) -> SensorInputs:
    return SensorInputs(faults=faults)


def test_a_reading_without_values_has_no_field_that_could_have_one() -> None:
    assert [f.name for f in fields(Missing)] == ["reason", "since_tick"]
    missing = Missing(MissingReason.FAILURE, 0)
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        missing.quantities = ()  # type: ignore[attr-defined]  # the point of the test
    states = {Missing(reason, 0).state for reason in MissingReason}
    assert states == {SensorState.FAILED, SensorState.ABSENT}
    assert {Measured((), reason, 0).state for reason in MeasuredReason} == {SensorState.NOMINAL, SensorState.DEGRADED}


@pytest.mark.parametrize(
    ("inputs", "state", "reason"),
    [
        (ON, SensorState.NOMINAL, MeasuredReason.NOMINAL),
        (with_fault(NOISE), SensorState.DEGRADED, MeasuredReason.NOISE),
        (with_fault(STUCK), SensorState.DEGRADED, MeasuredReason.STUCK),
        (with_fault(NOISE, STUCK), SensorState.DEGRADED, MeasuredReason.STUCK),
        (with_fault(FAILURE), SensorState.FAILED, MissingReason.FAILURE),
        (with_fault(STUCK, FAILURE, lost(1.0)), SensorState.FAILED, MissingReason.FAILURE),
        (with_fault(lost(1.0)), SensorState.ABSENT, MissingReason.DROPOUT),
        (with_fault(STUCK, lost(1.0)), SensorState.ABSENT, MissingReason.DROPOUT),
        (SensorInputs(MissingReason.NO_POWER), SensorState.ABSENT, MissingReason.NO_POWER),
        (SensorInputs(MissingReason.OVERHEATED, (FAILURE,)), SensorState.ABSENT, MissingReason.OVERHEATED),
    ],
)
def test_the_state_and_reason_follow_from_supply_and_faults(
    inputs: SensorInputs, state: SensorState, reason: MeasuredReason | MissingReason
) -> None:
    reading = readings([ON, inputs])[1]
    assert (reading.state, reading.reason) == (state, reason)
    assert isinstance(reading, Missing) == (state in (SensorState.FAILED, SensorState.ABSENT))


def test_since_is_the_first_tick_of_the_same_state_and_reason() -> None:
    off = SensorInputs(MissingReason.NO_POWER)
    found = readings([ON, ON, off, off, with_fault(FAILURE), with_fault(lost(1.0)), with_fault(lost(1.0)), ON, ON])
    assert [reading.since_tick for reading in found] == [0, 0, 20, 20, 40, 50, 50, 70, 70]


def test_a_stuck_sensor_repeats_its_last_values_and_then_measures_again() -> None:
    found = readings([ON, ON, with_fault(STUCK), with_fault(STUCK), ON])
    values = [reading.quantities for reading in found if isinstance(reading, Measured)]
    assert values[1] == values[2] == values[3]
    assert len({values[0], values[1], values[4]}) == 3


def test_a_loss_of_power_does_not_change_the_values_that_are_stuck() -> None:
    found = readings([ON, with_fault(STUCK), SensorInputs(MissingReason.NO_POWER, (STUCK,)), with_fault(STUCK)])
    assert isinstance(found[0], Measured)
    assert isinstance(found[3], Measured)
    assert found[3].quantities == found[0].quantities


def test_a_sensor_that_is_stuck_before_its_first_values_has_failed() -> None:
    assert readings([with_fault(STUCK)]) == [Missing(MissingReason.FAILURE, 0)]


def test_raised_noise_is_the_same_draw_with_the_factor_and_is_reported_in_the_sigma() -> None:
    nominal, noisy = readings([ON, ON])[1], readings([ON, with_fault(NOISE)])[1]
    exact = readings([ON, ON], replace(SENSOR, errors=(Errors(0.0, 0.25),)))[1]
    assert isinstance(nominal, Measured)
    assert isinstance(noisy, Measured)
    assert isinstance(exact, Measured)
    (value,), (raised,), (true,) = (r.quantities[0].values for r in (nominal, noisy, exact))
    assert raised - true == pytest.approx(10.0 * (value - true)), "the bias is not raised"
    assert (nominal.quantities[0].sigma, noisy.quantities[0].sigma) == (0.5, 5.0)


def test_faults_of_another_sensor_have_no_effect() -> None:
    others = tuple(replace(fault, sensor_id="other") for fault in (FAILURE, STUCK, NOISE, lost(1.0)))
    assert readings([ON, SensorInputs(faults=others)]) == readings([ON, ON])


@pytest.mark.parametrize(("own", "fault", "rate"), [(0.2, None, 0.2), (0.0, 0.35, 0.35), (0.2, 0.5, 0.6)])
def test_readings_are_lost_at_the_rate_of_sensor_and_fault(own: float, fault: float | None, rate: float) -> None:
    inputs = ON if fault is None else with_fault(lost(fault))
    found = readings([inputs] * 3000, replace(SENSOR, dropout_probability=own))
    missing = sum(isinstance(reading, Missing) for reading in found)
    assert missing / 3000 == pytest.approx(rate, abs=5 * (rate * (1 - rate) / 3000) ** 0.5)


def test_lost_readings_do_not_shift_the_noise_of_the_others() -> None:
    whole, holed = readings([ON] * 200), readings([ON] * 200, replace(SENSOR, dropout_probability=0.5))
    kept = [
        (a.quantities, b.quantities)
        for a, b in zip(whole, holed, strict=True)
        if isinstance(a, Measured) and isinstance(b, Measured)
    ]
    assert 50 < len(kept) < 150
    assert all(a == b for a, b in kept)


def test_the_same_run_gives_the_same_readings_and_another_seed_others() -> None:
    inputs = [ON, with_fault(NOISE), with_fault(lost(0.5)), ON, with_fault(STUCK)] * 20
    assert readings(inputs) == readings(inputs)
    assert readings(inputs) != readings(inputs, seed=4)


def test_every_reason_has_a_text_of_its_own() -> None:
    texts = [reason_text(reason) for reason in (*MeasuredReason, *MissingReason)]
    assert all(texts)
    assert len(set(texts)) == len(texts)
