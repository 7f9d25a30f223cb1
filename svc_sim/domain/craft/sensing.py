"""Sensing: the readings due at a tick, and the newest values that navigation keeps. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from svc_sim.domain.body.algebra import scale, subtract
from svc_sim.domain.body.motion import specific_force_at
from svc_sim.domain.craft.energy import is_tripped
from svc_sim.domain.craft.parameters import CraftParameters
from svc_sim.domain.craft.state import CraftState, NavMemory, NavSource
from svc_sim.domain.kinematics import Vector
from svc_sim.domain.scenario.sensor_faults import FaultState
from svc_sim.domain.sensors.parameters import SensorKind
from svc_sim.domain.sensors.readings import Measured, MissingReason, Reading, SensorState
from svc_sim.domain.sensors.sensor import SensorInputs, read
from svc_sim.domain.sensors.truth import BusTruth, Truth


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Everything around the craft at a tick that its sensors depend on: active faults, contacts, magnetic field.

    The functions are called only at a tick at which a sensor, or one that measures contacts, is due.
    """

    faults: Callable[[], tuple[FaultState, ...]]
    contacts_m: Callable[[], tuple[Vector, ...]]
    magnetic_field_t: Vector


@dataclass(frozen=True, slots=True)
class Sensed:
    """The craft after its sensors' readings, and the readings by the sensor's index, in the sensors' order."""

    state: CraftState
    readings: Sequence[tuple[int, Reading]]


def sense(
    parameters: CraftParameters, state: CraftState, before_rps: Vector, around: Surroundings, tick: int
) -> Sensed:
    """Return the readings of all sensors due at a tick; `before_rps` is the angular rate one tick before."""
    due = [index for index, period in enumerate(parameters.periods) if tick % period == 0]
    if not due:
        return Sensed(state, ())
    ranging = any(parameters.sensors[index].kind is SensorKind.PROXIMITY for index in due)
    contacts_m = around.contacts_m() if ranging else ()
    truth = _truth(parameters, state, before_rps, around.magnetic_field_t, contacts_m)
    faults = around.faults()
    memories, nav, readings = list(state.sensors), state.nav, []
    for index in due:
        inputs = SensorInputs(_off(parameters, state, parameters.sensor_parts[index]), faults)
        sensor = parameters.sensors[index]
        reading, memories[index] = read(sensor, memories[index], truth, inputs, parameters.seed, tick)
        readings.append((index, reading))
        nav = _noted(nav, sensor.kind, index, reading, tick)
    return Sensed(replace(state, sensors=tuple(memories), nav=nav), readings)


def _off(parameters: CraftParameters, state: CraftState, part: int) -> MissingReason | None:
    if is_tripped(parameters, state, part):
        return MissingReason.OVERHEATED
    return None if state.supplied[part] else MissingReason.NO_POWER


def _truth(
    parameters: CraftParameters,
    state: CraftState,
    before_rps: Vector,
    magnetic_field_t: Vector,
    contacts_m: tuple[Vector, ...],
) -> Truth:
    body, bus = state.body, None
    if parameters.power is not None and state.power is not None:
        power = state.power
        bus = BusTruth(power.generated_w, sum(power.delivered_w), power.charge_fraction(parameters.power))
    return Truth(
        position_m=body.position_m,
        velocity_mps=body.velocity_mps,
        attitude=body.attitude,
        angular_rate_rps=body.angular_rate_rps,
        # The mean over the step, as the thrust was constant.
        angular_acceleration_rps2=scale(1.0 / parameters.dt_s, subtract(body.angular_rate_rps, before_rps)),
        specific_force_mps2=specific_force_at(parameters.airframe, body, state.thrust_n, None),
        magnetic_field_t=magnetic_field_t,
        temperatures_k=state.thermal.temperatures_k if state.thermal else (),
        bus=bus,
        contacts_m=contacts_m,
    )


def _noted(nav: NavMemory, kind: SensorKind, index: int, reading: Reading, tick: int) -> NavMemory:
    if not isinstance(reading, Measured):
        return nav
    values = tuple([quantity.values for quantity in reading.quantities])
    source = NavSource(index, tick, values, reading.state is SensorState.DEGRADED)
    match kind:
        case SensorKind.GNSS:
            return replace(nav, fix=source)
        case SensorKind.IMU:
            return replace(nav, motion=source)
        case SensorKind.STAR_TRACKER:
            return replace(nav, attitude=source)
        case _:
            return nav
