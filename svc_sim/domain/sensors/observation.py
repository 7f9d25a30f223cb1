"""Observation: the truth as a perfect sensor would report it, at its place on the body and in its own frame."""

from svc_sim.domain.body.algebra import add, cross, norm, subtract
from svc_sim.domain.kinematics import Quaternion, Vector, to_body, to_enu
from svc_sim.domain.sensors.parameters import Mount, SensorKind, SensorParameters
from svc_sim.domain.sensors.readings import MissingReason
from svc_sim.domain.sensors.truth import Truth

IDENTITY: Quaternion = (1.0, 0.0, 0.0, 0.0)
ORIGIN: Vector = (0.0, 0.0, 0.0)


def observe(sensor: SensorParameters, truth: Truth) -> tuple[tuple[float, ...], ...] | MissingReason:
    """Return a sensor's quantities without errors, in the order of its kind's `QUANTITIES`, or why there are none."""
    values: tuple[tuple[float, ...], ...] | MissingReason
    match sensor.kind:
        case SensorKind.GNSS:
            values = _fix(sensor.mount, truth)
        case SensorKind.IMU:
            values = _inertial_sample(sensor.mount, truth)
        case SensorKind.STAR_TRACKER:
            too_fast = norm(truth.angular_rate_rps) > sensor.max_angular_rate_rps
            values = MissingReason.ROTATING_TOO_FAST if too_fast else (truth.attitude,)
        case SensorKind.THERMOMETER:
            values = ((truth.temperatures_k[sensor.node],),)
        case SensorKind.POWER_METER:
            assert truth.bus is not None, "a power meter needs a bus"
            values = ((truth.bus.generated_w,), (truth.bus.load_w,), (truth.bus.charge_fraction,))
        case SensorKind.PROXIMITY:
            range_m = _nearest(sensor, truth)
            values = MissingReason.NOTHING_IN_VIEW if range_m is None else ((range_m,),)
        case SensorKind.MAGNETOMETER:
            values = (_to_sensor(sensor.mount, to_body(truth.attitude, truth.magnetic_field_t)),)
    return values


def _fix(mount: Mount, truth: Truth) -> tuple[Vector, Vector]:
    """Return position p + R r and velocity v + R (w x r) of the antenna at the lever arm r, in ENU."""
    if mount.position_m == ORIGIN:
        return truth.position_m, truth.velocity_mps
    arm = to_enu(truth.attitude, mount.position_m)
    swing = to_enu(truth.attitude, cross(truth.angular_rate_rps, mount.position_m))
    return add(truth.position_m, arm), add(truth.velocity_mps, swing)


def _inertial_sample(mount: Mount, truth: Truth) -> tuple[Vector, Vector]:
    """Return angular rate w and specific force f + a x r + w x (w x r) at the lever arm r, a = dw/dt, sensor frame.

    (Titterton and Weston, "Strapdown Inertial Navigation Technology", 2nd ed., 2004: size effect.)
    """
    arm, rate, force = mount.position_m, truth.angular_rate_rps, truth.specific_force_mps2
    if arm != ORIGIN:
        tangential = cross(truth.angular_acceleration_rps2, arm)
        force = add(add(force, tangential), cross(rate, cross(rate, arm)))
    return _to_sensor(mount, rate), _to_sensor(mount, force)


def _nearest(sensor: SensorParameters, truth: Truth) -> float | None:
    """Return the range to the nearest contact in the field of view and within the limits; None: there is none."""
    eye = add(truth.position_m, to_enu(truth.attitude, sensor.mount.position_m))
    nearest: float | None = None
    for contact in truth.contacts_m:
        to_contact = subtract(contact, eye)
        range_m = norm(to_contact)
        if not sensor.min_range_m <= range_m <= sensor.max_range_m or (nearest is not None and range_m >= nearest):
            continue
        ahead = _to_sensor(sensor.mount, to_body(truth.attitude, to_contact))[0]
        if sensor.views_all or ahead >= sensor.view_cosine * range_m:
            nearest = range_m
    return nearest


def _to_sensor(mount: Mount, vector: Vector) -> Vector:
    return vector if mount.attitude == IDENTITY else to_body(mount.attitude, vector)
