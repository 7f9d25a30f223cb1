import math
from uuid import UUID

import numpy as np
import pytest

from botspec.components.base import Mount
from botspec.components.sensors import GnssSensor, ImuSensor
from mesh.rng import generator
from svc_sim.domain.kinematics import Maneuver, plan_motion
from svc_sim.domain.readings import GnssReading, ImuReading, read_gnss, read_imu, read_sensor

MOUNT = Mount(position_m=(0.0, 0.0, 0.0), attitude=(1.0, 0.0, 0.0, 0.0))
GNSS = GnssSensor(
    type="gnss",
    mount=MOUNT,
    sensor_id=UUID(int=1),
    name="gnss",
    period_s=1.0,
    position_sigma_m=2.5,
    velocity_sigma_mps=0.1,
)
IMU = ImuSensor(
    type="imu",
    mount=MOUNT,
    sensor_id=UUID(int=2),
    name="imu",
    period_s=0.1,
    angular_rate_sigma_rps=0.002,
    acceleration_sigma_mps2=0.05,
)
TURNING = plan_motion((100.0, -200.0, 50.0), 30.0, 40.0, 5.0, [Maneuver(100.0, 6.0, 5.0)]).kinematics_at(7.0)


def test_a_reading_is_a_function_of_seed_sensor_and_tick() -> None:
    assert read_sensor(GNSS, TURNING, 5, 20) == read_sensor(GNSS, TURNING, 5, 20)
    assert read_sensor(IMU, TURNING, 5, 20) == read_sensor(IMU, TURNING, 5, 20)
    other = GNSS.model_copy(update={"sensor_id": UUID(int=3)})
    readings = [read_sensor(GNSS, TURNING, 5, 20), read_sensor(GNSS, TURNING, 6, 20), read_sensor(GNSS, TURNING, 5, 21)]
    assert len({*readings, read_sensor(other, TURNING, 5, 20)}) == 4


def test_the_draws_are_those_of_the_stream_named_by_the_sensor() -> None:
    rng = generator(5, f"sensors/{GNSS.sensor_id}", 20)
    assert read_sensor(GNSS, TURNING, 5, 20) == read_gnss(GNSS, TURNING, rng)
    rng = generator(5, f"sensors/{IMU.sensor_id}", 20)
    assert read_sensor(IMU, TURNING, 5, 20) == read_imu(IMU, TURNING, rng)


def test_without_noise_a_fix_is_the_truth() -> None:
    perfect = GNSS.model_copy(update={"position_sigma_m": 0.0, "velocity_sigma_mps": 0.0})
    assert read_sensor(perfect, TURNING, 1, 1) == GnssReading(TURNING.position_m, TURNING.velocity_mps)


def test_without_noise_an_inertial_sample_is_the_turn_seen_from_the_body() -> None:
    perfect = IMU.model_copy(update={"angular_rate_sigma_rps": 0.0, "acceleration_sigma_mps2": 0.0})
    reading = read_sensor(perfect, TURNING, 1, 1)
    assert isinstance(reading, ImuReading)
    rate, climb = math.radians(6.0), math.atan2(5.0, 40.0)
    assert reading.angular_rate_rps == pytest.approx((-rate * math.sin(climb), 0.0, -rate * math.cos(climb)))
    assert reading.acceleration_mps2 == pytest.approx((0.0, -40.0 * rate, 0.0), abs=1e-12)


def test_the_noise_has_the_sigmas_of_the_sensor_and_no_bias() -> None:
    ticks = range(20, 20 * 2001, 20)
    fixes = [read_sensor(GNSS, TURNING, 9, tick) for tick in ticks]
    samples = [read_sensor(IMU, TURNING, 9, tick) for tick in ticks]
    truth = read_sensor(
        IMU.model_copy(update={"angular_rate_sigma_rps": 0.0, "acceleration_sigma_mps2": 0.0}), TURNING, 9, 1
    )
    assert isinstance(truth, ImuReading)
    columns = [
        (np.array([fix.position_m for fix in fixes if isinstance(fix, GnssReading)]), TURNING.position_m, 2.5),
        (np.array([fix.velocity_mps for fix in fixes if isinstance(fix, GnssReading)]), TURNING.velocity_mps, 0.1),
        (np.array([s.angular_rate_rps for s in samples if isinstance(s, ImuReading)]), truth.angular_rate_rps, 0.002),
        (np.array([s.acceleration_mps2 for s in samples if isinstance(s, ImuReading)]), truth.acceleration_mps2, 0.05),
    ]
    for read, true, sigma in columns:
        assert np.abs(read.mean(axis=0) - true).max() < 5 * sigma / math.sqrt(2000)
        assert read.std(axis=0) == pytest.approx(np.full(3, sigma), rel=0.1)
