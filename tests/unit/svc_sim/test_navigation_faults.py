"""Faults of the bot's own sensors: no value from a failed one, larger errors from a degraded one."""

import statistics

import pytest

from botspec.example import example_bot_spec
from botspec.model import load_bot_spec
from mesh.clock import SimulationClock
from svc_sim.craft.components import bot_parts
from svc_sim.domain.kinematics import plan_motion
from svc_sim.domain.scenario.faults import BotPart, Fault, SensorAbsent, SensorDegraded, SensorFailed
from svc_sim.domain.scenario.sensor_faults import plan_component_faults
from svc_sim.navigation import Navigation

SPEC = load_bot_spec(example_bot_spec()).spec
CLOCK = SimulationClock(0, SPEC.simulation.tick_ns)
OWN = plan_motion((100.0, 200.0, 300.0), 0.0, 0.0, 0.0, ()).kinematics_at(0.0)
GNSS, IMU = 0, 1


def navigation(*faults: Fault) -> Navigation:
    return Navigation.of(SPEC, 7, plan_component_faults(faults, bot_parts(SPEC)))


@pytest.mark.parametrize("kind", [SensorFailed, SensorAbsent])
def test_a_sensor_that_has_failed_or_is_absent_gives_readings_without_a_value(kind: type) -> None:
    name = "sensor_failed" if kind is SensorFailed else "sensor_absent"
    fault = kind(kind=name, component="gnss-main", from_s=1.0, until_s=2.0)
    readings = {tick: navigation(fault).read(GNSS, OWN, tick, CLOCK) for tick in (19, 20, 39, 40)}
    assert {tick: reading.WhichOneof("value") for tick, reading in readings.items()} == {
        19: "gnss",
        20: None,
        39: None,
        40: "gnss",
    }
    assert readings[20].tick == 20
    assert navigation(fault).read(IMU, OWN, 20, CLOCK).HasField("imu"), "the other sensor goes on"


def test_a_degraded_sensor_has_larger_errors_and_says_so() -> None:
    fault = SensorDegraded(kind="sensor_degraded", component="gnss-main", noise_factor=10.0)
    sound, degraded = navigation(), navigation(fault)
    errors = {
        name: [each.read(GNSS, OWN, tick, CLOCK).gnss.position.x - 100.0 for tick in range(20, 4020, 20)]
        for name, each in (("sound", sound), ("degraded", degraded))
    }
    assert statistics.pstdev(errors["degraded"]) == pytest.approx(10.0 * statistics.pstdev(errors["sound"]))
    reading = degraded.read(GNSS, OWN, 20, CLOCK).gnss
    assert reading.position_sigma_m == pytest.approx(25.0)


def test_a_failed_radar_loses_every_scan() -> None:
    fault = SensorFailed(kind="sensor_failed", component="radar-long", from_s=5.0)
    plans = plan_component_faults([fault], bot_parts(SPEC))
    assert [plan.state.sensor_id for plan in plans] == [str(SPEC.radars[0].sensor_id)]
    assert plans[0].state.dropout_probability == 1.0
    assert (plans[0].holds_at(4.9), plans[0].holds_at(5.0), plans[0].holds_at(1e6)) == (False, True, True)


def test_the_components_of_a_bot_are_known_by_their_names() -> None:
    parts = bot_parts(SPEC)
    assert parts["gnss-main"] == BotPart("gnss", str(SPEC.navigation[0].sensor_id))
    assert parts["radar-short"].type == "radar"
