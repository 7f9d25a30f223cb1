import math
from dataclasses import replace
from math import inf, nan
from uuid import UUID

import numpy as np
import pytest

from botspec.components.base import Mount as SpecMount
from botspec.components.sensors import GnssSensor, ImuSensor
from svc_sim.domain.kinematics import Maneuver, Vector, attitude_of, plan_motion, to_body, to_enu
from svc_sim.domain.limits import ParameterError
from svc_sim.domain.readings import GnssReading, read_sensor
from svc_sim.domain.sensors.measurement import measure
from svc_sim.domain.sensors.observation import observe
from svc_sim.domain.sensors.parameters import QUANTITIES, Errors, Mount, SensorKind, SensorParameters
from svc_sim.domain.sensors.readings import MissingReason, Quantity
from svc_sim.domain.sensors.truth import LOCAL_FIELD_T, BusTruth, Truth, truth_on_rails

TURNING = plan_motion((100.0, -200.0, 50.0), 30.0, 40.0, 5.0, [Maneuver(100.0, 6.0, 5.0)]).kinematics_at(7.0)
HALF = math.sqrt(0.5)
LEFT = (HALF, 0.0, 0.0, HALF)
"""A mount turned by a right angle to the left: the sensor's x axis is the body's y axis."""
TRUTH = Truth(
    (10.0, 20.0, 30.0),
    (1.0, 2.0, 3.0),
    (1.0, 0.0, 0.0, 0.0),
    (0.1, -0.2, 0.3),
    (0.01, 0.02, -0.03),
    (0.5, 0.25, -0.125),
    temperatures_k=(280.0, 320.0),
    bus=BusTruth(120.0, 90.0, 0.75),
    contacts_m=((10.0, 120.0, 30.0), (60.0, 20.0, 30.0), (10.0, 20.0, 31.0)),
)


def sensor(kind: SensorKind, sigma: float = 0.0, bias_sigma: float = 0.0, mount: Mount = Mount()) -> SensorParameters:  # noqa: B008
    errors = (Errors(sigma, bias_sigma),) * len(QUANTITIES[kind])
    return SensorParameters(f"the-{kind}", kind, errors, mount)


def values(measured: tuple[Quantity, ...] | MissingReason) -> list[tuple[float, ...]]:
    assert not isinstance(measured, MissingReason), measured
    return [quantity.values for quantity in measured]


def test_without_mount_and_bias_readings_have_the_bytes_of_the_present_sensors() -> None:
    centre = SpecMount(position_m=(0.0, 0.0, 0.0), attitude=(1.0, 0.0, 0.0, 0.0))
    gnss = GnssSensor(
        type="gnss",
        mount=centre,
        sensor_id=UUID(int=1),
        name="g",
        period_s=1.0,
        position_sigma_m=2.5,
        velocity_sigma_mps=0.1,
    )
    imu = ImuSensor(
        type="imu",
        mount=centre,
        sensor_id=UUID(int=2),
        name="i",
        period_s=0.1,
        angular_rate_sigma_rps=0.002,
        acceleration_sigma_mps2=0.05,
    )
    fix = SensorParameters(str(gnss.sensor_id), SensorKind.GNSS, (Errors(2.5), Errors(0.1)))
    sample = SensorParameters(str(imu.sensor_id), SensorKind.IMU, (Errors(0.002), Errors(0.05)))
    for tick in range(1, 200):
        old_fix, old_sample = read_sensor(gnss, TURNING, 7, tick), read_sensor(imu, TURNING, 7, tick)
        assert isinstance(old_fix, GnssReading)
        assert not isinstance(old_sample, GnssReading)
        truth = truth_on_rails(TURNING)
        assert values(measure(fix, truth, 7, tick)) == [old_fix.position_m, old_fix.velocity_mps]
        assert values(measure(sample, truth, 7, tick)) == [old_sample.angular_rate_rps, old_sample.acceleration_mps2]


def test_every_kind_has_its_quantities_with_their_units() -> None:
    for kind in SensorKind:
        measured = measure(sensor(kind), TRUTH, 1, 1)
        assert not isinstance(measured, MissingReason)
        assert [(q.name, q.unit) for q in measured] == [(q.name, q.unit) for q in QUANTITIES[kind]]


def test_without_errors_the_values_are_the_truth() -> None:
    tilted = replace(TRUTH, attitude=attitude_of(0.7, 0.2))
    assert values(measure(sensor(SensorKind.STAR_TRACKER), tilted, 1, 1))[0] == pytest.approx(tilted.attitude)
    assert values(measure(sensor(SensorKind.POWER_METER), TRUTH, 1, 1)) == [(120.0,), (90.0,), (0.75,)]
    second = replace(sensor(SensorKind.THERMOMETER), node=1)
    assert values(measure(second, TRUTH, 1, 1)) == [(320.0,)]
    field = values(measure(sensor(SensorKind.MAGNETOMETER), tilted, 1, 1))[0]
    assert field == to_body(tilted.attitude, LOCAL_FIELD_T)


def test_an_antenna_off_the_centre_of_mass_moves_with_the_rotation() -> None:
    arm: Vector = (2.0, 0.0, 0.5)
    tilted = replace(TRUTH, attitude=attitude_of(0.7, 0.2))
    position_m, velocity_mps = values(measure(sensor(SensorKind.GNSS, mount=Mount(arm)), tilted, 1, 1))
    offset = to_enu(tilted.attitude, arm)
    assert position_m == pytest.approx([p + o for p, o in zip(TRUTH.position_m, offset, strict=True)])
    # (0.1, -0.2, 0.3) x (2, 0, 0.5) by hand
    swing = to_enu(tilted.attitude, (-0.1, 0.55, 0.4))
    assert velocity_mps == pytest.approx([v + s for v, s in zip(TRUTH.velocity_mps, swing, strict=True)])


def test_an_accelerometer_off_the_centre_of_mass_feels_the_rotation() -> None:
    spinning = replace(TRUTH, angular_rate_rps=(0.0, 0.0, 2.0), angular_acceleration_rps2=(0.0, 0.0, 3.0))
    _, force = values(measure(sensor(SensorKind.IMU, mount=Mount((0.5, 0.0, 0.0))), spinning, 1, 1))
    assert force == pytest.approx((0.5 - 0.5 * 2.0**2, 0.25 + 0.5 * 3.0, -0.125)), "centripetal, then tangential"


@pytest.mark.parametrize("kind", [SensorKind.IMU, SensorKind.MAGNETOMETER])
def test_a_mounted_sensor_measures_in_its_own_frame(kind: SensorKind) -> None:
    straight = values(measure(sensor(kind), TRUTH, 1, 1))
    turned = values(measure(sensor(kind, mount=Mount(attitude=LEFT)), TRUTH, 1, 1))
    for (x, y, z), found in zip(straight, turned, strict=True):
        assert found == pytest.approx((y, -x, z))


@pytest.mark.parametrize(
    ("field_of_view_deg", "min_range_m", "max_range_m", "mount", "range_m"),
    [
        (360.0, 0.0, inf, Mount(), 1.0),
        (360.0, 2.0, inf, Mount(), 50.0),
        (360.0, 60.0, inf, Mount(), 100.0),
        (20.0, 0.0, inf, Mount(), 50.0),
        (20.0, 0.0, inf, Mount(attitude=LEFT), 100.0),
        (179.0, 0.0, inf, Mount((1.0, 0.0, 0.0)), 49.0),
        (20.0, 0.0, 49.0, Mount(), None),
        (20.0, 51.0, inf, Mount(), None),
    ],
)
def test_a_proximity_sensor_measures_the_nearest_contact_in_view(
    field_of_view_deg: float, min_range_m: float, max_range_m: float, mount: Mount, range_m: float | None
) -> None:
    seeing = replace(
        sensor(SensorKind.PROXIMITY, mount=mount),
        field_of_view_deg=field_of_view_deg,
        min_range_m=min_range_m,
        max_range_m=max_range_m,
    )
    observed = observe(seeing, TRUTH)
    if range_m is None:
        assert observed is MissingReason.NOTHING_IN_VIEW
    else:
        assert observed == (pytest.approx((range_m,)),)


def test_a_star_tracker_has_no_attitude_above_its_angular_rate() -> None:
    rate = math.sqrt(0.1**2 + 0.2**2 + 0.3**2)
    tracker = sensor(SensorKind.STAR_TRACKER)
    slow, fast = (replace(tracker, max_angular_rate_rps=rate * factor) for factor in (1.01, 0.99))
    assert values(measure(slow, TRUTH, 1, 1))
    assert measure(fast, TRUTH, 1, 1) is MissingReason.ROTATING_TOO_FAST


def residuals(kind: SensorKind, sigma: float, bias_sigma: float, ticks: int) -> np.ndarray[tuple[int, int], np.dtype]:
    """Return measured minus true (ticks, components); of attitudes, twice the vector part of the difference."""
    noisy, exact = sensor(kind, sigma, bias_sigma), values(measure(sensor(kind), TRUTH, 5, 1))
    rows = [values(measure(noisy, TRUTH, 5, tick)) for tick in range(ticks)]
    if kind is SensorKind.STAR_TRACKER:
        return np.array([[2.0 * c for c in row[0][1:]] for row in rows])  # the true attitude is the identity
    return np.array([np.concatenate(row) - np.concatenate(exact) for row in rows])


# The smallest true value, 0.75 of the charge, is far from the limits that a range has.
@pytest.mark.parametrize("kind", list(SensorKind))
def test_the_noise_has_the_sigma_of_the_sensor_and_no_bias(kind: SensorKind) -> None:
    sigma, ticks = 1e-3, 3000
    found = residuals(kind, sigma, 0.0, ticks)
    assert np.abs(found.mean(axis=0)).max() < 5 * sigma / math.sqrt(ticks)
    assert found.std(axis=0) == pytest.approx(np.full(found.shape[1], sigma), rel=0.07)
    step = np.mean(found[1:] * found[:-1], axis=0) / sigma**2
    assert np.abs(step).max() < 5 / math.sqrt(ticks), "white: one reading does not depend on the one before"


@pytest.mark.parametrize("kind", list(SensorKind))
def test_the_bias_is_constant_over_the_run(kind: SensorKind) -> None:
    found = residuals(kind, 0.0, 1e-3, 50)
    assert np.ptp(found, axis=0).max() == pytest.approx(0.0, abs=1e-15)
    assert np.abs(found[0]).min() > 0.0


def test_the_bias_of_runs_has_its_sigma_and_is_independent_of_the_noise() -> None:
    biased = sensor(SensorKind.THERMOMETER, 0.0, 2.0)
    found = np.array([values(measure(biased, TRUTH, seed, 9))[0][0] - 280.0 for seed in range(3000)])
    assert abs(found.mean()) < 5 * 2.0 / math.sqrt(3000)
    assert found.std() == pytest.approx(2.0, rel=0.07)
    noisy = sensor(SensorKind.THERMOMETER, 2.0, 0.0)
    noise = np.array([values(measure(noisy, TRUTH, seed, 0))[0][0] - 280.0 for seed in range(3000)])
    assert abs(np.corrcoef(found, noise)[0, 1]) < 5 / math.sqrt(3000)


def test_readings_are_a_function_of_seed_sensor_and_tick() -> None:
    one = sensor(SensorKind.MAGNETOMETER, 1e-7, 1e-7)
    other = replace(one, sensor_id="another")
    readings = [
        measure(one, TRUTH, 5, 20),
        measure(one, TRUTH, 6, 20),
        measure(one, TRUTH, 5, 21),
        measure(other, TRUTH, 5, 20),
    ]
    assert len(set(readings)) == 4
    assert readings[0] == measure(one, TRUTH, 5, 20)


def test_a_range_is_never_negative() -> None:
    near = sensor(SensorKind.PROXIMITY, sigma=50.0)
    ranges = [values(measure(near, TRUTH, 5, tick))[0][0] for tick in range(200)]
    assert min(ranges) == 0.0


def test_a_measured_attitude_has_unit_length_and_a_positive_w() -> None:
    turned = replace(TRUTH, attitude=(1e-4, HALF, HALF, 0.0))
    shaky = sensor(SensorKind.STAR_TRACKER, sigma=0.01)
    for tick in range(200):
        (attitude,) = values(measure(shaky, turned, 5, tick))
        assert sum(c * c for c in attitude) == pytest.approx(1.0, rel=1e-15)
        assert attitude[0] >= 0.0


@pytest.mark.parametrize("value", [nan, inf, -1.0])
def test_errors_outside_their_limits_are_refused_by_their_field(value: float) -> None:
    with pytest.raises(ParameterError, match=f"^sigma is {value!r}: "):
        Errors(value)
    with pytest.raises(ParameterError, match=f"^bias_sigma is {value!r}: "):
        Errors(0.0, value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dropout_probability": nan}, "dropout_probability is nan: give a number from 0 to 1"),
        ({"dropout_probability": 1.5}, "dropout_probability is 1.5"),
        ({"node": -1}, "node is -1: give a finite number, 0 or more"),
        ({"field_of_view_deg": nan}, "field_of_view_deg is nan"),
        ({"field_of_view_deg": 0.0}, "field_of_view_deg is 0.0"),
        ({"field_of_view_deg": 361.0}, "field_of_view_deg is 361.0: give 360 at most"),
        ({"min_range_m": -1.0}, "min_range_m is -1.0"),
        ({"min_range_m": inf}, "min_range_m is inf"),
        ({"max_range_m": nan}, "max_range_m is nan: it should exceed min_range_m, which is 0.0"),
        ({"max_range_m": 0.0}, "max_range_m is 0.0"),
        ({"max_angular_rate_rps": nan}, "max_angular_rate_rps is nan: give a number above 0"),
        ({"max_angular_rate_rps": -1.0}, "max_angular_rate_rps is -1.0"),
        ({"errors": ()}, "errors has 0 values: give one for each of position, velocity"),
    ],
)
def test_a_sensor_outside_its_limits_is_refused_by_its_field(change: dict[str, float], message: str) -> None:
    with pytest.raises(ParameterError, match=f"^{message}"):
        replace(sensor(SensorKind.GNSS), **change)  # type: ignore[arg-type]  # one field at a time, of any type


def test_an_attitude_of_a_mount_written_with_few_digits_is_normalised() -> None:
    written = Mount(attitude=(0.7071068, 0.0, 0.0, 0.7071068)).attitude
    assert sum(c * c for c in written) == pytest.approx(1.0, abs=1e-15)
    with pytest.raises(ParameterError, match=r"^attitude is"):
        Mount(attitude=(1.000002, 0.0, 0.0, 0.0))


@pytest.mark.parametrize("attitude", [(nan, 0.0, 0.0, 0.0), (1.0, 1.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0)])
def test_a_mount_that_is_no_place_or_rotation_is_refused(attitude: tuple[float, float, float, float]) -> None:
    with pytest.raises(ParameterError, match=r"^attitude is .*: give a unit quaternion"):
        Mount(attitude=attitude)
    with pytest.raises(ParameterError, match=r"^position_m is inf"):
        Mount((0.0, inf, 0.0))
