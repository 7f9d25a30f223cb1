"""The bot's own sensors as one source of readings: their list, schedule and readings."""

from collections.abc import Iterator
from dataclasses import dataclass

from botspec.components.sensors import GnssSensor, ImuSensor
from botspec.sections import Fitted
from mesh.clock import NS_PER_S, SimulationClock
from mesh.schedule import Schedule
from qiki.sim.v1.sensors_pb2 import SensorReading
from svc_sim.domain.kinematics import Kinematics
from svc_sim.domain.readings import read_sensor
from svc_sim.domain.scenario.sensor_faults import FaultKind, FaultPlan, FaultState
from svc_sim.wire import snapshots as wire

# Faults in which a sensor gives no value. Scenarios have a dropout of all readings alone for a bot without a body.
_SILENT = (FaultKind.FAILURE, FaultKind.DROPOUT)


@dataclass(frozen=True, slots=True)
class Navigation:
    """The navigation sensors of a BotSpec, in its order."""

    sensors: tuple[GnssSensor | ImuSensor, ...]
    schedule: Schedule
    seed: int
    faults: tuple[FaultPlan, ...] = ()

    @classmethod
    def of(cls, spec: Fitted, seed: int, faults: tuple[FaultPlan, ...] = ()) -> "Navigation":
        """Return the sensors of a BotSpec, with the faults of a scenario."""
        return cls(spec.navigation, Schedule(spec.navigation_period_ticks), seed, faults)

    @property
    def sensor_ids(self) -> tuple[str, ...]:
        """The sensors' ids."""
        return tuple(str(sensor.sensor_id) for sensor in self.sensors)

    @property
    def all_read_sequence(self) -> int:
        """Sequence of the first reading by which every sensor has been read once; 0 without sensors."""
        return self.schedule.count_through(max(self.schedule.periods, default=0))

    def read(self, index: int, own_ship: Kinematics, tick: int, clock: SimulationClock) -> SensorReading:
        """Return a sensor's reading at a tick; that of a failed or absent sensor has no value."""
        sensor = self.sensors[index]
        sensor_id = str(sensor.sensor_id)
        active = list(self._active(sensor_id, tick, clock))
        if any(fault.kind in _SILENT for fault in active):
            return wire.to_empty_reading(sensor_id, tick, clock)
        for fault in active:
            if fault.kind is FaultKind.NOISE:
                sensor = _degraded(sensor, fault.noise_factor)
        reading = read_sensor(sensor, own_ship, self.seed, tick)
        return wire.to_reading(reading, sensor_id, _sigmas(sensor), tick, clock)

    def _active(self, sensor_id: str, tick: int, clock: SimulationClock) -> Iterator[FaultState]:
        t_s = tick * clock.tick_ns / NS_PER_S
        for fault in self.faults:
            if fault.state.sensor_id == sensor_id and fault.holds_at(t_s):
                yield fault.state


def _sigmas(sensor: GnssSensor | ImuSensor) -> tuple[float, float]:
    if isinstance(sensor, GnssSensor):
        return sensor.position_sigma_m, sensor.velocity_sigma_mps
    return sensor.angular_rate_sigma_rps, sensor.acceleration_sigma_mps2


def _degraded(sensor: GnssSensor | ImuSensor, factor: float) -> GnssSensor | ImuSensor:
    names = [name for name in type(sensor).model_fields if "_sigma_" in name]
    return sensor.model_copy(update={name: factor * getattr(sensor, name) for name in names})
