"""The bot's own sensors as one source of readings: their list, schedule and readings."""

from dataclasses import dataclass

from botspec.components.sensors import GnssSensor, ImuSensor
from botspec.sections import Fitted
from mesh.clock import SimulationClock
from mesh.schedule import Schedule
from qiki.sim.v1.sensors_pb2 import SensorReading
from svc_sim.domain.kinematics import Kinematics
from svc_sim.domain.readings import read_sensor
from svc_sim.wire import snapshots as wire


@dataclass(frozen=True, slots=True)
class Navigation:
    """The navigation sensors of a BotSpec, in its order."""

    sensors: tuple[GnssSensor | ImuSensor, ...]
    schedule: Schedule
    seed: int

    @classmethod
    def of(cls, spec: Fitted, seed: int) -> "Navigation":
        """Return the sensors of a BotSpec."""
        return cls(spec.navigation, Schedule(spec.navigation_period_ticks), seed)

    @property
    def sensor_ids(self) -> tuple[str, ...]:
        """The sensors' ids."""
        return tuple(str(sensor.sensor_id) for sensor in self.sensors)

    @property
    def all_read_sequence(self) -> int:
        """Sequence of the first reading by which every sensor has been read once; 0 without sensors."""
        return self.schedule.count_through(max(self.schedule.periods, default=0))

    def read(self, index: int, own_ship: Kinematics, tick: int, clock: SimulationClock) -> SensorReading:
        """Return a sensor's reading at a tick."""
        sensor = self.sensors[index]
        reading = read_sensor(sensor, own_ship, self.seed, tick)
        return wire.to_reading(reading, str(sensor.sensor_id), _sigmas(sensor), tick, clock)


def _sigmas(sensor: GnssSensor | ImuSensor) -> tuple[float, float]:
    if isinstance(sensor, GnssSensor):
        return sensor.position_sigma_m, sensor.velocity_sigma_mps
    return sensor.angular_rate_sigma_rps, sensor.acceleration_sigma_mps2
