"""Parameters of a sensor: its kind, mount, errors and limits; all kinds have the same ones."""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from svc_sim.domain.kinematics import Quaternion, Vector
from svc_sim.domain.limits import (
    ParameterError,
    require_finite,
    require_fraction,
    require_non_negative,
    require_positive,
)

UNIT_TOLERANCE = 1e-6
"""Greatest accepted difference of an attitude's length from 1: seven written digits have less."""


class SensorKind(StrEnum):
    """The kind of a sensor of the bot itself."""

    GNSS = "gnss"
    IMU = "imu"
    STAR_TRACKER = "star_tracker"
    THERMOMETER = "thermometer"
    POWER_METER = "power_meter"
    PROXIMITY = "proximity"
    MAGNETOMETER = "magnetometer"


@dataclass(frozen=True, slots=True)
class QuantityKind:
    """One measured quantity: name, unit, and number of independent errors."""

    name: str
    unit: str
    size: int


QUANTITIES = MappingProxyType(
    {
        SensorKind.GNSS: (QuantityKind("position", "m", 3), QuantityKind("velocity", "m/s", 3)),
        SensorKind.IMU: (QuantityKind("angular_rate", "rad/s", 3), QuantityKind("acceleration", "m/s2", 3)),
        SensorKind.STAR_TRACKER: (QuantityKind("attitude", "rad", 3),),
        SensorKind.THERMOMETER: (QuantityKind("temperature", "K", 1),),
        SensorKind.POWER_METER: (
            QuantityKind("generated", "W", 1),
            QuantityKind("load", "W", 1),
            QuantityKind("charge", "1", 1),
        ),
        SensorKind.PROXIMITY: (QuantityKind("range", "m", 1),),
        SensorKind.MAGNETOMETER: (QuantityKind("flux_density", "T", 3),),
    }
)
"""The quantities of each kind, in the order of `SensorParameters.errors`, of readings, and of the random draws.

Position and velocity are in ENU, an attitude rotates body into ENU with errors about the body's axes; angular rate,
acceleration and flux density are in the sensor's frame, which is the body frame without a mount.
"""


@dataclass(frozen=True, slots=True)
class Errors:
    """Errors of one quantity: sigma of the noise and of the run's bias, each per component, in the quantity's unit."""

    sigma: float
    bias_sigma: float = 0.0

    def __post_init__(self) -> None:
        """Raise ParameterError for a negative or infinite sigma."""
        require_non_negative(sigma=self.sigma, bias_sigma=self.bias_sigma)


@dataclass(frozen=True, slots=True)
class Mount:
    """Place of a sensor on the body: lever arm from the centre of mass, and attitude from sensor frame to body frame.

    A sensor looks along the x axis of its own frame. The attitude is normalised.
    """

    position_m: Vector = (0.0, 0.0, 0.0)
    attitude: Quaternion = (1.0, 0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        """Raise ParameterError for a number that is not finite, and for an attitude that is not of unit length."""
        for component in self.position_m:
            require_finite(position_m=component)
        length = math.sqrt(sum(c * c for c in self.attitude))
        if not abs(length - 1.0) <= UNIT_TOLERANCE:
            raise ParameterError("attitude", f"is {list(self.attitude)!r}: give a unit quaternion [w, x, y, z]")
        w, x, y, z = self.attitude
        object.__setattr__(self, "attitude", (w / length, x / length, y / length, z / length))


@dataclass(frozen=True, slots=True)
class SensorParameters:
    """One sensor; `errors` are in the order of its kind's `QUANTITIES`.

    `node` is the index of a thermometer's thermal node. Field of view (the full angle of a cone) and range limits are a
    proximity sensor's; beyond `max_angular_rate_rps` a star tracker has no reading. `dropout_probability` is that of
    losing one reading.
    """

    sensor_id: str
    kind: SensorKind
    errors: tuple[Errors, ...]
    mount: Mount = Mount()
    dropout_probability: float = 0.0
    node: int = 0
    field_of_view_deg: float = 360.0
    min_range_m: float = 0.0
    max_range_m: float = math.inf
    max_angular_rate_rps: float = math.inf
    view_cosine: float = field(init=False)
    """Cosine of half the field of view: the least cosine between a contact in view and the sensor's x axis."""

    def __post_init__(self) -> None:
        """Raise ParameterError for a parameter outside its limits."""
        needed = [quantity.name for quantity in QUANTITIES[self.kind]]
        if len(self.errors) != len(needed):
            problem = f"has {len(self.errors)} values: give one for each of {', '.join(needed)}"
            raise ParameterError("errors", problem)
        require_fraction(dropout_probability=self.dropout_probability)
        require_positive(field_of_view_deg=self.field_of_view_deg)
        require_non_negative(min_range_m=self.min_range_m, node=self.node)
        if self.field_of_view_deg > 360.0:
            raise ParameterError("field_of_view_deg", f"is {self.field_of_view_deg!r}: give 360 at most")
        if not self.max_angular_rate_rps > 0.0:
            raise ParameterError("max_angular_rate_rps", f"is {self.max_angular_rate_rps!r}: give a number above 0")
        if not self.max_range_m > self.min_range_m:
            problem = f"is {self.max_range_m!r}: it should exceed min_range_m, which is {self.min_range_m!r}"
            raise ParameterError("max_range_m", problem)
        object.__setattr__(self, "view_cosine", math.cos(math.radians(0.5 * self.field_of_view_deg)))

    @property
    def views_all(self) -> bool:
        """Whether the field of view is the whole sphere."""
        return self.field_of_view_deg == 360.0
