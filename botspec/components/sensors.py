"""Sensors of the bot itself and its near surroundings: identity, rate, mount, noise and field of view."""

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from botspec.base import Duration, refuse
from botspec.components.base import ComponentName, FieldOfView, Mount, NonNegative, Positive, Powered, Probability

AngleSigma = Annotated[float, Field(ge=0, le=1)]
Flux = Annotated[float, Field(ge=0, le=1)]


class Sensor(Powered):
    """A sensor with a reading each `period_s`; its heat goes to the thermal node `node`.

    A `_sigma_` is the standard deviation of each component's white noise, a `_bias_sigma_` that of its constant bias,
    drawn once a run. `dropout_probability` is the probability that a reading is missing.
    """

    sensor_id: UUID
    period_s: Duration
    mount: Mount
    dropout_probability: Probability = 0.0
    node: ComponentName | None = None


class GnssSensor(Sensor):
    """A satellite navigation receiver; the sigmas apply to each ENU component."""

    PROVIDES = ("position", "velocity")

    type: Literal["gnss"]
    position_sigma_m: NonNegative
    velocity_sigma_mps: NonNegative
    position_bias_sigma_m: NonNegative = 0.0
    velocity_bias_sigma_mps: NonNegative = 0.0


class ImuSensor(Sensor):
    """An inertial measurement unit; the sigmas apply to each body component."""

    PROVIDES = ("angular_rate", "acceleration")

    type: Literal["imu"]
    angular_rate_sigma_rps: NonNegative
    acceleration_sigma_mps2: NonNegative
    angular_rate_bias_sigma_rps: NonNegative = 0.0
    acceleration_bias_sigma_mps2: NonNegative = 0.0


class StarTracker(Sensor):
    """A star tracker: attitude, with errors as small rotations about each body axis.

    It has no reading while the body rotates faster than `max_angular_rate_rps`.
    """

    PROVIDES = ("attitude",)

    type: Literal["star_tracker"]
    field_of_view_deg: FieldOfView
    attitude_sigma_rad: AngleSigma
    attitude_bias_sigma_rad: AngleSigma = 0.0
    max_angular_rate_rps: Annotated[float, Field(gt=0, le=10)] = 10.0


class Thermometer(Sensor):
    """A thermometer on the thermal node `node`."""

    PROVIDES = ("temperature",)

    type: Literal["thermometer"]
    node: ComponentName
    temperature_sigma_k: Annotated[float, Field(ge=0, le=1000)]
    temperature_bias_sigma_k: Annotated[float, Field(ge=0, le=1000)] = 0.0


class PowerMeter(Sensor):
    """A meter of the battery's charge, and of the power into and out of the bus."""

    PROVIDES = ("power_state",)
    CONSUMES = ("power_bus",)

    type: Literal["power_meter"]
    power_sigma_w: NonNegative
    charge_sigma_fraction: Probability
    power_bias_sigma_w: NonNegative = 0.0


class Proximity(Sensor):
    """A ranging sensor along its mount's x axis: the nearest object within its cone and range."""

    PROVIDES = ("proximity",)

    type: Literal["proximity"]
    field_of_view_deg: FieldOfView
    min_range_m: NonNegative
    max_range_m: Annotated[float, Field(gt=0, le=1e6)]
    range_sigma_m: NonNegative
    range_bias_sigma_m: NonNegative = 0.0

    @model_validator(mode="after")
    def _check_ranges(self) -> Self:
        if self.max_range_m <= self.min_range_m:
            message = f"should exceed min_range_m, which is {self.min_range_m!r}"
            refuse("Proximity", [(("max_range_m",), message)])
        return self


class Magnetometer(Sensor):
    """A magnetometer: the magnetic flux density in its mount's frame, in tesla."""

    PROVIDES = ("magnetic_field",)

    type: Literal["magnetometer"]
    flux_density_sigma_t: Flux
    flux_density_bias_sigma_t: Flux = 0.0


class AisReceiver(Sensor):
    """A receiver of the position reports that ships broadcast (AIS), out to `max_range_m`."""

    PROVIDES = ("identities",)

    type: Literal["ais_receiver"]
    max_range_m: Annotated[Positive, Field(le=1e6)]
    position_sigma_m: NonNegative = 10.0
    field_of_view_deg: FieldOfView = 360.0
