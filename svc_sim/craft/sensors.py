"""The craft's sensors of a BotSpec as the domain's parameters."""

import math
from collections.abc import Sequence

from botspec.components import sensors as spec
from svc_sim.domain.sensors.parameters import Errors, Mount, SensorKind, SensorParameters


def is_read(component: spec.Sensor) -> bool:
    """Return whether the sensor's readings are made here; an AIS receiver's are not: it receives contacts' reports."""
    return not isinstance(component, spec.AisReceiver)


def sensor_parameters(given: spec.Sensor, nodes: Sequence[str]) -> SensorParameters:
    """Return the parameters of a sensor; `nodes` are the names of the thermal nodes in their order."""
    kind = SensorKind(given.type)  # type: ignore[attr-defined] # every concrete sensor has a type
    view = given if isinstance(given, spec.StarTracker | spec.Proximity) else None
    ranges = given if isinstance(given, spec.Proximity) else None
    return SensorParameters(
        sensor_id=str(given.sensor_id),
        kind=kind,
        errors=_errors(given),
        mount=Mount(given.mount.position_m, given.mount.attitude),
        dropout_probability=given.dropout_probability,
        node=nodes.index(given.node) if given.node is not None else 0,
        field_of_view_deg=view.field_of_view_deg if view else 360.0,
        min_range_m=ranges.min_range_m if ranges else 0.0,
        max_range_m=ranges.max_range_m if ranges else math.inf,
        max_angular_rate_rps=given.max_angular_rate_rps if isinstance(given, spec.StarTracker) else math.inf,
    )


def _errors(given: spec.Sensor) -> tuple[Errors, ...]:  # noqa: PLR0911 (one for each kind)
    """Return the errors of each quantity, in the order of the kind's `QUANTITIES`."""
    match given:
        case spec.GnssSensor():
            return (
                Errors(given.position_sigma_m, given.position_bias_sigma_m),
                Errors(given.velocity_sigma_mps, given.velocity_bias_sigma_mps),
            )
        case spec.ImuSensor():
            return (
                Errors(given.angular_rate_sigma_rps, given.angular_rate_bias_sigma_rps),
                Errors(given.acceleration_sigma_mps2, given.acceleration_bias_sigma_mps2),
            )
        case spec.StarTracker():
            return (Errors(given.attitude_sigma_rad, given.attitude_bias_sigma_rad),)
        case spec.Thermometer():
            return (Errors(given.temperature_sigma_k, given.temperature_bias_sigma_k),)
        case spec.PowerMeter():
            power = Errors(given.power_sigma_w, given.power_bias_sigma_w)
            return power, power, Errors(given.charge_sigma_fraction)
        case spec.Proximity():
            return (Errors(given.range_sigma_m, given.range_bias_sigma_m),)
        case spec.Magnetometer():
            return (Errors(given.flux_density_sigma_t, given.flux_density_bias_sigma_t),)
        case _:
            raise TypeError(f"{given.name}: a sensor without a model")
