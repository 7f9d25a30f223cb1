"""Radars: coverage, accuracy, detection performance and interrogation; docs/radar-model.md has the formulas."""

from collections.abc import Iterator
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from botspec.base import Duration, Spec, refuse
from botspec.components.base import ComponentName, Mount, Powered, Probability
from botspec.yaml_core import Loc

MAX_DETECTIONS = 4000
"""Maximum detections in one frame: with more, the frame could exceed the 900 kB limit of an event."""

RangeBand = Literal["LR", "SR"]
NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Elevation = Annotated[float, Field(ge=-90, le=90)]
# Above this an error in direction is no longer an ellipse in space, and a tracker cannot treat it as one.
AngleSigma = Annotated[float, Field(gt=0, le=10)]
# The faintest detectable echo then has a sigma below that limit.
AngleResolution = Annotated[float, Field(gt=0, le=20)]
Speed = Annotated[float, Field(ge=0, le=1e6)]
Width = Annotated[float, Field(ge=0, le=360)]


class Interrogator(Spec):
    """A radar's interrogator: range out to `range_m`, a reply with probability `reply_probability` per scan.

    Two replies nearer to each other than both garbling distances cannot be decoded; 0: no garbling.
    """

    range_m: Positive
    reply_probability: Probability
    garble_range_m: NonNegative = 0.0
    garble_bearing_deg: Annotated[float, Field(ge=0, le=360)] = 0.0


class Sector(Spec):
    """Bearings from `start_deg` clockwise over `width_deg`."""

    start_deg: Annotated[float, Field(ge=0, lt=360)]
    width_deg: Annotated[float, Field(gt=0, le=360)]


class Pattern(Spec):
    """Antenna pattern: direction of the greatest gain and beam width between half-power points; 0: no loss."""

    elev_deg: Elevation = 0.0
    elev_width_deg: Width = 0.0
    bearing_deg: Annotated[float, Field(ge=0, lt=360)] = 0.0
    bearing_width_deg: Width = 0.0


class Bias(Spec):
    """Constant errors, added to every range, bearing and time, that no frame reports."""

    range_m: Annotated[float, Field(ge=-1e6, le=1e6)] = 0.0
    bearing_deg: Annotated[float, Field(ge=-180, le=180)] = 0.0
    time_s: Annotated[float, Field(ge=-60, le=60)] = 0.0


class Radar(Powered):
    """One radar: its coverage, accuracy and scan period; docs/radar-model.md has the formulas.

    Detection performance is given in exactly one of two ways: `detection_probability` and `clutter_per_scan`, both
    constant; or `false_alarm_probability`, `swerling` and the resolutions of the measured quantities, which imply them.

    A target of cross section rcs_ref_dbsm at range_ref_m gives snr_ref_db. A sigma is the standard deviation of a
    strong echo's measurement; a weak echo's is larger, according to the resolution.
    """

    PROVIDES = ("detections",)

    type: Literal["radar"]
    sensor_id: UUID
    mount: Mount
    node: ComponentName | None = None
    range_band: RangeBand
    scan_period_s: Duration
    scan_kind: Literal["rotating", "staring", "sector"] = "staring"
    min_range_m: NonNegative
    max_range_m: Annotated[float, Field(gt=0, le=1e8)]
    min_elev_deg: Elevation
    max_elev_deg: Elevation
    coverage: Sector | None = None
    horizon_surface_m: Annotated[float, Field(ge=-1e8, le=1e8)] | None = None
    min_radial_speed_mps: Speed = 0.0
    no_elevation: bool = False
    no_radial_velocity: bool = False
    range_sigma_m: Positive
    bearing_sigma_deg: AngleSigma
    elev_sigma_deg: AngleSigma | None = None
    vr_sigma_mps: Annotated[Speed, Field(gt=0)] | None = None
    detection_probability: Probability | None = None
    clutter_per_scan: Annotated[float, Field(ge=0, le=MAX_DETECTIONS)] | None = None
    false_alarm_probability: Annotated[float, Field(ge=1e-12, le=0.1)] | None = None
    swerling: Literal[0, 1, 3] | None = None
    range_resolution_m: Positive | None = None
    bearing_resolution_deg: AngleResolution | None = None
    elev_resolution_deg: AngleResolution | None = None
    vr_resolution_mps: Annotated[Speed, Field(gt=0)] | None = None
    clutter_max_vr_mps: Annotated[Speed, Field(gt=0)] = 300.0
    snr_ref_db: Annotated[float, Field(ge=-200, le=200)]
    rcs_ref_dbsm: Annotated[float, Field(ge=-200, le=200)]
    range_ref_m: Positive
    pattern: Pattern = Pattern()
    bias: Bias = Bias()
    pose_sigma_m: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    north_sigma_deg: Annotated[float, Field(ge=0, le=10)] = 0.0
    transponder: Interrogator
    max_detections: Annotated[int, Field(ge=1, le=MAX_DETECTIONS)] = MAX_DETECTIONS

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        problems = [*self._interval_problems(), *self._way_problems(), *self._unmeasured_problems()]
        if self.scan_kind == "sector" and self.coverage is None:
            problems.append((("coverage",), "required with scan_kind 'sector': it is what the beam sweeps"))
        if self.scan_kind == "rotating" and self.pattern.bearing_width_deg:
            message = "has no use with scan_kind 'rotating': the middle of the beam passes every target"
            problems.append((("pattern", "bearing_width_deg"), message))
        refuse("Radar", problems)
        return self

    def _interval_problems(self) -> Iterator[tuple[Loc, str]]:
        if self.max_range_m <= self.min_range_m:
            yield ("max_range_m",), f"should exceed min_range_m, which is {self.min_range_m!r}"
        if self.max_elev_deg <= self.min_elev_deg:
            yield ("max_elev_deg",), f"should exceed min_elev_deg, which is {self.min_elev_deg!r}"

    def _way_problems(self) -> Iterator[tuple[Loc, str]]:
        """Yield the problems where detection performance is not given in exactly one way."""
        constant = [name for name in _CONSTANT_WAY if getattr(self, name) is not None]
        physical = [name for name in _PHYSICAL_WAY if getattr(self, name) is not None]
        if constant and physical:
            yield (physical[0],), f"excludes {constant[0]}: either that is constant, or it follows from the echo"
            return
        needed = _PHYSICAL_WAY if physical else _CONSTANT_WAY
        missing = [name for name in needed if getattr(self, name) is None and name not in self._unmeasured()]
        if not constant and not physical:
            yield (missing[0],), "required, and missing; or give false_alarm_probability, swerling and the resolutions"
            return
        for name in missing:
            yield (name,), f"required with {(constant or physical)[0]}, and missing"
        if physical and self.snr_ref_db < 0.0:
            message = f"should be 0 at least with false_alarm_probability, not {self.snr_ref_db!r}: hardly seen"
            yield ("snr_ref_db",), message

    def _unmeasured_problems(self) -> Iterator[tuple[Loc, str]]:
        unmeasured = self._unmeasured()
        for name in unmeasured:
            if getattr(self, name) is not None:
                yield (name,), f"has no use with {unmeasured[name]}"
        for name in ("elev_sigma_deg", "vr_sigma_mps"):
            if getattr(self, name) is None and name not in unmeasured:
                yield (name,), "required, and missing"

    def _unmeasured(self) -> dict[str, str]:
        """Return the fields of the unmeasured quantities, each with the option that excludes it."""
        fields: dict[str, str] = {}
        if self.no_elevation:
            fields |= dict.fromkeys(("elev_sigma_deg", "elev_resolution_deg"), "no_elevation")
        if self.no_radial_velocity:
            fields |= dict.fromkeys(("vr_sigma_mps", "vr_resolution_mps"), "no_radial_velocity")
        return fields


_CONSTANT_WAY = ("detection_probability", "clutter_per_scan")
_PHYSICAL_WAY = (
    "false_alarm_probability",
    "swerling",
    "range_resolution_m",
    "bearing_resolution_deg",
    "elev_resolution_deg",
    "vr_resolution_mps",
)
