"""Model of one radar: limits, accuracy, detection statistics and biases."""

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from svc_radar.domain.limits import MAX_MAGNITUDE, require, require_within

# Ten times the clutter that fits into an event of 900 kB: bounds the memory and time of a scan.
MAX_CLUTTER_PER_SCAN: Final = 100_000.0
MAX_SCAN_PERIOD_S: Final = 1e8

# Lower values match no radar and would make the sums of the closed forms long; higher ones let noise pass as echoes.
MIN_FALSE_ALARM_PROBABILITY: Final = 1e-12
MAX_FALSE_ALARM_PROBABILITY: Final = 0.1

MIN_WIDTH_DEG: Final = 1e-3


class RangeBand(IntEnum):
    """Range band of one of the bot's radars; the numbers are those on the wire."""

    LR = 1
    SR = 2


class SwerlingCase(IntEnum):
    """Fluctuation of an echo's power from scan to scan; the numbers are those on the wire."""

    UNSPECIFIED = 0
    CASE_0 = 1
    CASE_1 = 2
    CASE_3 = 3


class ScanKind(IntEnum):
    """Scan pattern of a radar; the numbers are those on the wire."""

    ROTATING = 1
    STARING = 2
    SECTOR = 3


@dataclass(frozen=True, slots=True)
class Sector:
    """Bearings from `start_deg`, in [0, 360), clockwise over `width_deg`, in (0, 360]. Raises ValueError."""

    start_deg: float
    width_deg: float

    def __post_init__(self) -> None:
        require(0.0 <= self.start_deg < 360.0, "start_deg", f"must be within [0, 360), not {self.start_deg}")
        require(0.0 < self.width_deg <= 360.0, "width_deg", f"must be within (0, 360], not {self.width_deg}")

    def turned_deg(self, bearing_deg: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the clockwise angles of the bearings from the start in degrees, in [0, 360)."""
        turned = np.mod(bearing_deg - self.start_deg, 360.0)
        # The remainder of a tiny negative angle rounds up to 360 itself.
        return np.where(turned < 360.0, turned, 0.0)

    def holds(self, bearing_deg: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Return which of the bearings are in the sector."""
        held: npt.NDArray[np.bool_] = self.turned_deg(bearing_deg) <= self.width_deg
        return held


ALL_AROUND: Final = Sector(0.0, 360.0)


@dataclass(frozen=True, slots=True)
class Pattern:
    """Direction of the antenna's peak gain, and the full widths between the half-power points; a width of 0: no loss.

    Raises ValueError, beginning with the field's name.
    """

    elev_deg: float = 0.0
    elev_width_deg: float = 0.0
    bearing_deg: float = 0.0
    bearing_width_deg: float = 0.0

    def __post_init__(self) -> None:
        require_within(self, "elev_deg", -90.0, 90.0)
        require_within(self, "bearing_deg", 0.0, 360.0)
        for name in ("elev_width_deg", "bearing_width_deg"):
            width = getattr(self, name)
            holds = width == 0.0 or MIN_WIDTH_DEG <= width <= 360.0
            require(holds, name, f"must be 0 or within [{MIN_WIDTH_DEG:g}, 360], not {width}")


@dataclass(frozen=True, slots=True)
class Bias:
    """Unreported constant errors added to ranges, bearings and times. Raises ValueError."""

    range_m: float = 0.0
    bearing_deg: float = 0.0
    time_s: float = 0.0

    def __post_init__(self) -> None:
        require_within(self, "range_m", -MAX_MAGNITUDE, MAX_MAGNITUDE)
        require_within(self, "bearing_deg", -360.0, 360.0)
        require_within(self, "time_s", -MAX_SCAN_PERIOD_S, MAX_SCAN_PERIOD_S)


@dataclass(frozen=True, slots=True)
class RadarModel:
    """A radar's limits, errors and rates. Raises ValueError, beginning with the field's name.

    With `false_alarm_probability` 0 every target in view is detected with `detection_probability`, and a scan has
    `clutter_per_scan` false detections on average. Above 0 both follow from the radar equation, the Swerling case, that
    probability and the number of resolution cells, and both fields remain 0.

    A target of `rcs_ref_dbsm` at `range_ref_m` gives `snr_ref_db` at the pattern's peak. A sigma is the smallest
    standard deviation, that of a strong echo; a resolution of 0 means none. `horizon_surface_m` is the height of the
    Earth's surface on the local frame's z axis; None: no horizon.
    """

    sensor_id: str
    range_band: RangeBand
    min_range_m: float
    max_range_m: float
    min_elev_deg: float
    max_elev_deg: float
    range_sigma_m: float
    bearing_sigma_deg: float
    elev_sigma_deg: float
    vr_sigma_mps: float
    snr_ref_db: float
    rcs_ref_dbsm: float
    range_ref_m: float
    transponder_range_m: float
    transponder_reply_probability: float
    max_detections: int
    detection_probability: float = 0.0
    clutter_per_scan: float = 0.0
    false_alarm_probability: float = 0.0
    swerling: SwerlingCase = SwerlingCase.CASE_0
    range_resolution_m: float = 0.0
    bearing_resolution_deg: float = 0.0
    elev_resolution_deg: float = 0.0
    vr_resolution_mps: float = 0.0
    coverage: Sector = ALL_AROUND
    scan_kind: ScanKind = ScanKind.STARING
    scan_period_s: float = 1.0
    no_elevation: bool = False
    no_radial_velocity: bool = False
    clutter_max_vr_mps: float = 300.0
    min_radial_speed_mps: float = 0.0
    horizon_surface_m: float | None = None
    pattern: Pattern = Pattern()
    bias: Bias = Bias()
    pose_sigma_m: float = 0.0
    north_sigma_deg: float = 0.0
    transponder_garble_range_m: float = 0.0
    transponder_garble_bearing_deg: float = 0.0

    def __post_init__(self) -> None:
        require(self.sensor_id != "", "sensor_id", "must not be empty")
        require(isinstance(self.range_band, RangeBand), "range_band", "must be a RangeBand")
        for name, (low, high) in _LIMITS.items():
            require_within(self, name, low, high)
        require(self.min_range_m < self.max_range_m, "max_range_m", "must be greater than min_range_m")
        require(self.min_elev_deg < self.max_elev_deg, "max_elev_deg", "must be greater than min_elev_deg")
        require(self.range_ref_m > 0.0, "range_ref_m", "must be greater than 0")
        require(self.scan_period_s > 0.0, "scan_period_s", "must be greater than 0")
        require(self.clutter_max_vr_mps > 0.0, "clutter_max_vr_mps", "must be greater than 0")
        require(self.max_detections >= 1, "max_detections", "must be at least 1")
        if self.horizon_surface_m is not None:
            require_within(self, "horizon_surface_m", -MAX_MAGNITUDE, MAX_MAGNITUDE)
        if self.physical:
            self._check_physical()

    @property
    def physical(self) -> bool:
        """Whether detections depend on the echo's power."""
        return self.false_alarm_probability > 0.0

    @property
    def expected_clutter(self) -> float:
        """Mean number of false detections per scan."""
        return self.false_alarm_probability * self.resolution_cells if self.physical else self.clutter_per_scan

    @property
    def resolution_cells(self) -> float:
        """Number of resolution cells in a scan: the product of extent / resolution over the measured quantities."""
        extents = [
            (self.max_range_m - self.min_range_m, self.range_resolution_m),
            (self.coverage.width_deg, self.bearing_resolution_deg),
        ]
        if not self.no_elevation:
            extents.append((self.max_elev_deg - self.min_elev_deg, self.elev_resolution_deg))
        if not self.no_radial_velocity:
            extents.append((2.0 * self.clutter_max_vr_mps, self.vr_resolution_mps))
        return math.prod(max(1.0, extent / resolution) for extent, resolution in extents)

    def _check_physical(self) -> None:
        low, high = MIN_FALSE_ALARM_PROBABILITY, MAX_FALSE_ALARM_PROBABILITY
        require_within(self, "false_alarm_probability", low, high)
        for name in ("detection_probability", "clutter_per_scan"):
            require(getattr(self, name) == 0.0, name, "must be 0 with a false_alarm_probability: it follows from it")
        known = self.swerling in (SwerlingCase.CASE_0, SwerlingCase.CASE_1, SwerlingCase.CASE_3)
        require(known, "swerling", "must be case 0, 1 or 3 with a false_alarm_probability")
        needed = ["range_resolution_m", "bearing_resolution_deg"]
        needed += [] if self.no_elevation else ["elev_resolution_deg"]
        needed += [] if self.no_radial_velocity else ["vr_resolution_mps"]
        for name in needed:
            require(getattr(self, name) > 0.0, name, "must be greater than 0 with a false_alarm_probability")
        clutter = self.expected_clutter
        what = f"must give at most {MAX_CLUTTER_PER_SCAN:g} false detections a scan, not {clutter:g}"
        require(clutter <= MAX_CLUTTER_PER_SCAN, "false_alarm_probability", what)


_LIMITS: Final = {
    "min_range_m": (0.0, MAX_MAGNITUDE),
    "max_range_m": (0.0, MAX_MAGNITUDE),
    "min_elev_deg": (-90.0, 90.0),
    "max_elev_deg": (-90.0, 90.0),
    "range_sigma_m": (0.0, MAX_MAGNITUDE),
    "bearing_sigma_deg": (0.0, MAX_MAGNITUDE),
    "elev_sigma_deg": (0.0, MAX_MAGNITUDE),
    "vr_sigma_mps": (0.0, MAX_MAGNITUDE),
    "snr_ref_db": (-MAX_MAGNITUDE, MAX_MAGNITUDE),
    "rcs_ref_dbsm": (-MAX_MAGNITUDE, MAX_MAGNITUDE),
    "range_ref_m": (0.0, MAX_MAGNITUDE),
    "transponder_range_m": (0.0, MAX_MAGNITUDE),
    "transponder_reply_probability": (0.0, 1.0),
    "detection_probability": (0.0, 1.0),
    "clutter_per_scan": (0.0, MAX_CLUTTER_PER_SCAN),
    "false_alarm_probability": (0.0, MAX_FALSE_ALARM_PROBABILITY),
    "range_resolution_m": (0.0, MAX_MAGNITUDE),
    "bearing_resolution_deg": (0.0, 360.0),
    "elev_resolution_deg": (0.0, 180.0),
    "vr_resolution_mps": (0.0, MAX_MAGNITUDE),
    "scan_period_s": (0.0, MAX_SCAN_PERIOD_S),
    "clutter_max_vr_mps": (0.0, MAX_MAGNITUDE),
    "min_radial_speed_mps": (0.0, MAX_MAGNITUDE),
    "pose_sigma_m": (0.0, MAX_MAGNITUDE),
    "north_sigma_deg": (0.0, MAX_MAGNITUDE),
    "transponder_garble_range_m": (0.0, MAX_MAGNITUDE),
    "transponder_garble_bearing_deg": (0.0, 360.0),
}
