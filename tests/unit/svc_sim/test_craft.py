"""The craft from tick to tick: orders and their measured effects, power, heat, sensors, and transitions."""

import math
from dataclasses import replace

import pytest

from craft_bot import Flight, setup
from svc_sim.domain.craft.orders import (
    AbortReason,
    CraftMode,
    FireThruster,
    SetAttitude,
    SetMode,
    SetTransponder,
    SetVelocity,
    SwitchPower,
)
from svc_sim.domain.kinematics import attitude_of
from svc_sim.domain.scenario.scenario import TransponderMode
from svc_sim.domain.scenario.sensor_faults import FaultKind, FaultState
from svc_sim.domain.sensors.readings import Measured, Missing, MissingReason

G0 = 9.80665
PUSH = "thruster-x-plus-1"


def burn(ticks: int, thrust_n: float = 100.0, thruster: str = PUSH) -> FireThruster:
    return FireThruster(thruster, thrust_n, ticks)


def forward(ticks: int) -> tuple[FireThruster, FireThruster]:
    """Both thrusters that push forward: no torque."""
    return burn(ticks), burn(ticks, thruster="thruster-x-plus-2")


def test_a_burn_is_completed_with_the_impulse_and_the_propellant_of_the_rocket_equation() -> None:
    flight = Flight()
    mass_kg = flight.parameters.airframe.body.dry_mass_kg + flight.state.body.propellant_kg
    flight.run(100, *forward(100))
    assert [(ending.tick, ending.aborted) for ending in flight.endings] == [(100, None)] * 2
    effect = flight.endings[0].effect
    used_kg = 2 * 100.0 * 5.0 / (220.0 * G0)
    assert effect.ticks == 100
    assert effect.impulse_ns == pytest.approx(500.0)
    assert effect.propellant_kg == pytest.approx(used_kg)
    assert effect.delta_v_mps == pytest.approx(220.0 * G0 * math.log(mass_kg / (mass_kg - used_kg)), rel=1e-6)
    assert flight.state.body.velocity_mps[1] == pytest.approx(effect.delta_v_mps), "the craft heads north"
    assert flight.step().state.thrust_n == (0.0,) * 12


def test_a_burn_is_aborted_with_its_part_of_the_impulse_when_the_tank_is_empty() -> None:
    flight = Flight().with_propellant(0.0233)
    flight.run(20, burn(20))
    (ending,) = flight.endings
    assert (ending.aborted, ending.tick) == (AbortReason.TANK_EMPTY, 11)
    assert ending.effect.impulse_ns == pytest.approx(0.0233 * 220.0 * G0)
    assert ending.effect.propellant_kg == 0.0233
    assert flight.kinds() == ["tank_empty"]


def test_a_second_burn_of_a_thruster_ends_the_first_and_one_of_another_does_not() -> None:
    flight = Flight()
    flight.run(5, burn(50))
    flight.step(burn(10, 20.0), burn(10, thruster="thruster-x-plus-2"))
    (ending,) = flight.endings
    assert (ending.command_id, ending.aborted, ending.tick) == ("1-0", AbortReason.SUPERSEDED, 6)
    assert (ending.effect.ticks, ending.effect.impulse_ns) == (5, pytest.approx(25.0))
    assert [index for index, n in enumerate(flight.state.thrust_n) if n] == [0, 1]


def test_a_velocity_set_point_is_completed_within_its_tolerance_and_held() -> None:
    flight = Flight()
    flight.run(2_000, SetVelocity((0.0, 2.0, 0.0), 0.05, 4_000))
    (ending,) = flight.endings
    assert ending.aborted is None
    assert ending.effect.velocity_error_mps <= 0.05
    assert flight.state.body.velocity_mps == pytest.approx((0.0, 2.0, 0.0), abs=0.01)


def test_an_attitude_set_point_is_completed_once_the_craft_points_there_and_is_still() -> None:
    flight = Flight()
    flight.run(1_200, SetAttitude(attitude_of(math.radians(90.0), 0.0), 0.01, 4_000))
    (ending,) = flight.endings
    assert ending.aborted is None
    assert ending.effect.attitude_error_rad <= 0.01
    assert math.hypot(*flight.state.body.angular_rate_rps) < 0.01


def test_a_set_point_that_is_not_reached_in_time_is_aborted() -> None:
    flight = Flight()
    flight.run(20, SetVelocity((0.0, 50.0, 0.0), 0.05, 10))
    assert [(ending.tick, ending.aborted) for ending in flight.endings] == [(10, AbortReason.TIMEOUT)]


def test_a_new_set_point_ends_the_pursuit_of_the_old_one() -> None:
    flight = Flight()
    flight.run(3, SetVelocity((0.0, 50.0, 0.0), 0.05, 100))
    flight.step(SetVelocity((0.0, 0.0, 5.0), 0.05, 100))
    assert [(ending.command_id, ending.aborted) for ending in flight.endings] == [("1-0", AbortReason.SUPERSEDED)]


def test_the_safe_mode_ends_orders_switches_loads_off_and_stops_the_rotation() -> None:
    flight = Flight()
    flight.run(10, burn(100), SetVelocity((0.0, 50.0, 0.0), 0.05, 100))
    assert math.hypot(*flight.state.body.angular_rate_rps) > 0.0
    flight.run(400, SetMode(CraftMode.SAFE), burn(5))
    assert [(ending.command_id, ending.aborted) for ending in flight.endings] == [
        ("1-1", AbortReason.MODE),
        ("1-0", AbortReason.MODE),
        ("11-0", None),
        ("11-1", AbortReason.MODE),
    ]
    assert math.hypot(*flight.state.body.angular_rate_rps) < 1e-3
    on = dict(zip((part.name for part in flight.parameters.parts), flight.state.switched_on, strict=True))
    assert (on["camera"], on["avionics"], on["gnss-main"]) == (False, True, True)
    assert flight.kinds()[0] == "mode_changed"


def test_in_the_drift_mode_thrusters_fire_on_direct_orders_alone() -> None:
    flight = Flight()
    flight.run(2, SetMode(CraftMode.DRIFT), SetVelocity((0.0, 5.0, 0.0), 0.05, 100))
    assert flight.state.thrust_n == (0.0,) * 12
    assert [(ending.command_id, ending.aborted) for ending in flight.endings] == [
        ("1-0", None),
        ("1-1", AbortReason.MODE),
    ]
    flight.step(burn(2))
    assert flight.state.thrust_n[0] == 100.0


def test_below_the_limits_loads_are_shed_in_their_order_and_restored_above() -> None:
    flight = Flight().with_charge(0.195)
    flight.step()
    assert flight.kinds()[0] == "load_shed shield", "the highest priority number goes first"
    flight.with_charge(0.6).step()
    assert "load_restored shield" in flight.kinds()


def test_without_generation_an_empty_battery_browns_out_and_a_burn_is_aborted() -> None:
    flight = Flight()
    parameters = flight.parameters
    assert parameters.power is not None
    dark = Flight(replace(parameters, power=replace(parameters.power, generator_w=0.0))).with_charge(0.5)
    dark.step(burn(100))
    dark.with_charge(0.0).run(2)
    assert "brown_out" in dark.kinds()
    (ending,) = dark.endings
    assert ending.aborted is AbortReason.NO_POWER


def test_a_craft_that_turns_too_fast_for_the_numerics_coasts_and_its_burn_is_aborted() -> None:
    flight = Flight()
    flight.state = replace(flight.state, body=replace(flight.state.body, angular_rate_rps=(1279.99, 0.0, 0.0)))
    flight.step(burn(10, thruster="thruster-y-plus-1"))
    (ending,) = flight.endings
    assert (ending.aborted, ending.effect.impulse_ns) == (AbortReason.ROTATING_TOO_FAST, 0.0)
    assert flight.state.thrust_n == (0.0,) * 12


def test_a_sensor_without_power_is_absent_since_then_and_has_no_value() -> None:
    flight = Flight()
    flight.run(40)
    assert isinstance(flight.readings["imu-main"], Measured)
    flight.run(20, SwitchPower("imu-main", on=False))
    reading = flight.readings["imu-main"]
    assert reading == Missing(MissingReason.NO_POWER, 42)
    assert flight.kinds() == ["sensor_failed imu-main"]
    flight.run(2, SwitchPower("imu-main", on=True))
    assert flight.kinds() == ["sensor_failed imu-main", "sensor_restored imu-main"]


def test_a_failed_sensor_is_reported_once_and_when_it_works_again() -> None:
    flight = Flight()
    flight.run(20)
    imu = next(part.sensor_id for part in flight.parameters.parts if part.name == "imu-main")
    flight.faults = (FaultState(imu, FaultKind.FAILURE),)
    flight.run(20)
    assert flight.readings["imu-main"] == Missing(MissingReason.FAILURE, 22)
    flight.faults = ()
    flight.run(20)
    assert flight.kinds() == ["sensor_failed imu-main", "sensor_restored imu-main"]


def test_navigation_keeps_the_newest_values_through_a_loss_of_the_sensor() -> None:
    flight = Flight()
    flight.run(40)
    fix = flight.state.nav.fix
    assert fix is not None
    assert fix.tick == 40
    flight.run(60, SwitchPower("gnss-main", on=False))
    assert flight.state.nav.fix == fix


def test_a_component_of_a_tripped_node_has_no_power_until_the_node_has_recovered() -> None:
    flight = Flight()
    thermal = flight.state.thermal
    assert thermal is not None
    flight.state = replace(flight.state, thermal=replace(thermal, temperatures_k=(350.0, *thermal.temperatures_k[1:])))
    flight.run(20)
    assert "thermal_tripped electronics" in flight.kinds()
    assert flight.readings["gnss-main"] == Missing(MissingReason.OVERHEATED, 20)
    thermal = flight.state.thermal
    assert thermal is not None
    flight.state = replace(flight.state, thermal=replace(thermal, temperatures_k=(320.0, *thermal.temperatures_k[1:])))
    flight.run(20)
    assert "thermal_recovered electronics" in flight.kinds()
    assert isinstance(flight.readings["imu-main"], Measured)


def test_the_transponder_answers_with_the_identity_of_its_last_order() -> None:
    flight = Flight()
    flight.step(SetTransponder(TransponderMode.SPOOF, "MERCHANT-1"))
    assert flight.state.transponder is not None
    assert (flight.state.transponder.mode, flight.state.spoof_identity) == (TransponderMode.SPOOF, "MERCHANT-1")
    flight.step(SetTransponder(TransponderMode.OFF, None))
    assert flight.state.transponder.mode is TransponderMode.OFF
    assert [ending.aborted for ending in flight.endings] == [None, None]


def test_the_limits_hold_what_the_components_allow() -> None:
    limits = setup().limits
    assert limits.thrusters[PUSH] == 100.0
    assert limits.max_speed_mps == 60.0
    assert (limits.rotation_problem, limits.velocity_problem) == ("", "")
    assert "avionics" not in limits.switchable
    assert {"camera", "imu-main", "shield"} <= set(limits.switchable)
