"""Readings of the bot's own sensors: the truth plus white Gaussian noise, keyed by seed, sensor and tick."""

from dataclasses import dataclass

import numpy as np

from botspec.components.sensors import GnssSensor, ImuSensor
from mesh.rng import generator
from svc_sim.domain.kinematics import Kinematics, Vector, to_body


@dataclass(frozen=True, slots=True)
class GnssReading:
    """A satellite navigation fix: position in metres and velocity in metres per second, ENU."""

    position_m: Vector
    velocity_mps: Vector


@dataclass(frozen=True, slots=True)
class ImuReading:
    """An inertial sample in the body frame: angular rate in radians per second, acceleration without gravity."""

    angular_rate_rps: Vector
    acceleration_mps2: Vector


def read_sensor(sensor: GnssSensor | ImuSensor, own_ship: Kinematics, seed: int, tick: int) -> GnssReading | ImuReading:
    """Return a sensor's reading at a tick; equal arguments give equal readings."""
    rng = generator(seed, f"sensors/{sensor.sensor_id}", tick)
    if isinstance(sensor, GnssSensor):
        return read_gnss(sensor, own_ship, rng)
    return read_imu(sensor, own_ship, rng)


def read_gnss(sensor: GnssSensor, own_ship: Kinematics, rng: np.random.Generator) -> GnssReading:
    """Return position and velocity, each component with independent noise of the sensor's sigma."""
    noise = rng.standard_normal(6).tolist()
    return GnssReading(
        _noisy(own_ship.position_m, sensor.position_sigma_m, noise[:3]),
        _noisy(own_ship.velocity_mps, sensor.velocity_sigma_mps, noise[3:]),
    )


def read_imu(sensor: ImuSensor, own_ship: Kinematics, rng: np.random.Generator) -> ImuReading:
    """Return angular rate and acceleration in the body frame, each component with independent noise."""
    noise = rng.standard_normal(6).tolist()
    acceleration_mps2 = to_body(own_ship.attitude, own_ship.acceleration_mps2)
    return ImuReading(
        _noisy(own_ship.angular_rate_rps, sensor.angular_rate_sigma_rps, noise[:3]),
        _noisy(acceleration_mps2, sensor.acceleration_sigma_mps2, noise[3:]),
    )


def _noisy(truth: Vector, sigma: float, noise: list[float]) -> Vector:
    x, y, z = truth
    return (x + sigma * noise[0], y + sigma * noise[1], z + sigma * noise[2])
