"""The bot's sensors: the navigation sensors that read the bot itself, and the radars that see the world."""

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from botspec.base import Duration, Label, Spec, refuse

MAX_DETECTIONS = 4000
"""Detections in one frame: beyond it the frame could pass the 900 kB that an event may take."""

RangeBand = Literal["LR", "SR"]
NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Probability = Annotated[float, Field(ge=0, le=1)]
Elevation = Annotated[float, Field(ge=-90, le=90)]
# Beyond it an error in direction is no ellipse in space any more, and a tracker cannot take it for one.
AngleSigma = Annotated[float, Field(gt=0, le=10)]


class GnssSensor(Spec):
    """A satellite navigation receiver; the sigmas are standard deviations of each ENU component."""

    kind: Literal["gnss"]
    sensor_id: UUID
    name: Label
    period_s: Duration
    position_sigma_m: NonNegative
    velocity_sigma_mps: NonNegative


class ImuSensor(Spec):
    """An inertial measurement unit; the sigmas are standard deviations of each body component."""

    kind: Literal["imu"]
    sensor_id: UUID
    name: Label
    period_s: Duration
    angular_rate_sigma_rps: NonNegative
    acceleration_sigma_mps2: NonNegative


NavigationSensor = Annotated[GnssSensor | ImuSensor, Field(discriminator="kind")]


class Interrogator(Spec):
    """How a radar asks for identities: out to `range_m`, answered with probability `reply_probability` a scan."""

    range_m: Positive
    reply_probability: Probability


class Radar(Spec):
    """One radar: what it can see, how well, and how often.

    The reported signal to noise ratio of a thing of cross section rcs_dbsm at range_m follows the radar equation
    (Skolnik, Introduction to Radar Systems, ch. 1: received power goes with the inverse fourth power of the range):
    snr_db = snr_ref_db + (rcs_dbsm - rcs_ref_dbsm) - 40 log10(range_m / range_ref_m).
    """

    sensor_id: UUID
    name: Label
    range_band: RangeBand
    scan_period_s: Duration
    min_range_m: NonNegative
    max_range_m: Annotated[float, Field(gt=0, le=1e8)]
    min_elev_deg: Elevation
    max_elev_deg: Elevation
    range_sigma_m: Positive
    bearing_sigma_deg: AngleSigma
    elev_sigma_deg: AngleSigma
    vr_sigma_mps: Positive
    detection_probability: Probability
    clutter_per_scan: Annotated[float, Field(ge=0, le=MAX_DETECTIONS)]
    snr_ref_db: Annotated[float, Field(ge=-200, le=200)]
    rcs_ref_dbsm: Annotated[float, Field(ge=-200, le=200)]
    range_ref_m: Positive
    transponder: Interrogator
    max_detections: Annotated[int, Field(ge=1, le=MAX_DETECTIONS)] = MAX_DETECTIONS

    @model_validator(mode="after")
    def _check_intervals(self) -> Self:
        problems = []
        if self.max_range_m <= self.min_range_m:
            problems.append((("max_range_m",), f"should exceed min_range_m, which is {self.min_range_m!r}"))
        if self.max_elev_deg <= self.min_elev_deg:
            problems.append((("max_elev_deg",), f"should exceed min_elev_deg, which is {self.min_elev_deg!r}"))
        refuse("Radar", problems)
        return self
