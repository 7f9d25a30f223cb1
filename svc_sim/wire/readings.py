"""Conversion of readings of sensors with a state to the wire's message. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

from mesh.clock import SimulationClock
from qiki.common.v1.geometry_pb2 import UUID, Quaternion, Vector3d
from qiki.sim.v1 import sensors_pb2 as pb
from svc_sim.domain.sensors.parameters import SensorKind, SensorParameters
from svc_sim.domain.sensors.readings import (
    Measured,
    MeasuredReason,
    MissingReason,
    Quantity,
    Reading,
    SensorState,
    reason_text,
)

SCHEMA_VERSION = 1
_STATES: Final = {state: pb.SensorState.Value(f"SENSOR_STATE_{state.name}") for state in SensorState}
_REASONS: Final[Mapping[MeasuredReason | MissingReason, pb.SensorReason.ValueType]] = {
    MeasuredReason.NOMINAL: pb.SensorReason.SENSOR_REASON_UNSPECIFIED,
    MeasuredReason.NOISE: pb.SensorReason.SENSOR_REASON_NOISE,
    MeasuredReason.STUCK: pb.SensorReason.SENSOR_REASON_STUCK,
    MissingReason.FAILURE: pb.SensorReason.SENSOR_REASON_FAILURE,
    MissingReason.DROPOUT: pb.SensorReason.SENSOR_REASON_DROPOUT,
    MissingReason.NO_POWER: pb.SensorReason.SENSOR_REASON_NO_POWER,
    MissingReason.OVERHEATED: pb.SensorReason.SENSOR_REASON_OVERHEATED,
    MissingReason.NOTHING_IN_VIEW: pb.SensorReason.SENSOR_REASON_NOTHING_IN_VIEW,
    MissingReason.ROTATING_TOO_FAST: pb.SensorReason.SENSOR_REASON_ROTATING_TOO_FAST,
}


def to_reading(sensor: SensorParameters, reading: Reading, tick: int, clock: SimulationClock) -> pb.SensorReading:
    """Return a reading with its sensor's state; without values, where it has none."""
    message = pb.SensorReading(
        schema_version=SCHEMA_VERSION,
        sensor_id=UUID(value=sensor.sensor_id),
        tick=tick,
        time=clock.timestamp(tick),
        state=_STATES[reading.state],
        reason=_REASONS[reading.reason],
        message="" if reading.reason is MeasuredReason.NOMINAL else reason_text(reading.reason),
        since_tick=reading.since_tick,
        since=clock.timestamp(reading.since_tick),
    )
    if isinstance(reading, Measured):
        _set_values(message, sensor.kind, reading.quantities)
    return message


def _set_values(message: pb.SensorReading, kind: SensorKind, given: Sequence[Quantity]) -> None:
    first = given[0]
    match kind:
        case SensorKind.GNSS:
            message.gnss.position.CopyFrom(_vector(first))
            message.gnss.velocity.CopyFrom(_vector(given[1]))
            message.gnss.position_sigma_m, message.gnss.velocity_sigma_mps = first.sigma, given[1].sigma
        case SensorKind.IMU:
            message.imu.angular_rate.CopyFrom(_vector(first))
            message.imu.acceleration.CopyFrom(_vector(given[1]))
            message.imu.angular_rate_sigma_rps, message.imu.acceleration_sigma_mps2 = first.sigma, given[1].sigma
        case SensorKind.STAR_TRACKER:
            w, x, y, z = first.values
            message.star_tracker.attitude.CopyFrom(Quaternion(w=w, x=x, y=y, z=z))
            message.star_tracker.attitude_sigma_rad = first.sigma
        case SensorKind.THERMOMETER:
            message.temperature.temperature_k = first.values[0]
            message.temperature.temperature_sigma_k = first.sigma
        case SensorKind.POWER_METER:
            _set_power(message.power, given)
        case SensorKind.PROXIMITY:
            message.proximity.range_m, message.proximity.range_sigma_m = first.values[0], first.sigma
        case SensorKind.MAGNETOMETER:
            message.magnetic.field_t.CopyFrom(_vector(first))
            message.magnetic.field_sigma_t = first.sigma


def _set_power(message: pb.PowerSample, given: Sequence[Quantity]) -> None:
    generation, load, charge = given
    message.generation_w, message.load_w, message.state_of_charge = (
        generation.values[0],
        load.values[0],
        charge.values[0],
    )
    message.power_sigma_w, message.state_of_charge_sigma = generation.sigma, charge.sigma


def _vector(quantity: Quantity) -> Vector3d:
    x, y, z = quantity.values
    return Vector3d(x=x, y=y, z=z)
