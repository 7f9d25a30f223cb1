"""What one radar can see, and how well."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

# Squares and differences of what is below it stay finite in float64; it is some 6,700 astronomical units in metres.
MAX_MAGNITUDE: Final = 1e15

# Ten times what fits into an event of 900 kB: the memory and time of a scan stay bounded.
MAX_CLUTTER_PER_SCAN: Final = 100_000.0


class RangeBand(IntEnum):
    """Which of the bot's radars it is; the numbers are those on the wire."""

    LR = 1
    SR = 2


@dataclass(frozen=True, slots=True)
class RadarModel:
    """A radar's limits, errors and rates.

    Standard deviations are those of zero-mean Gaussian errors, independent of each other and from scan to scan. A thing
    of `rcs_ref_dbsm` at `range_ref_m` gives `snr_ref_db`. Raises ValueError, which begins with the field's name.
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
    detection_probability: float
    clutter_per_scan: float
    snr_ref_db: float
    rcs_ref_dbsm: float
    range_ref_m: float
    transponder_range_m: float
    transponder_reply_probability: float
    max_detections: int

    def __post_init__(self) -> None:
        _require(self.sensor_id != "", "sensor_id", "must not be empty")
        _require(isinstance(self.range_band, RangeBand), "range_band", "must be a RangeBand")
        for name in ("min_range_m", "range_sigma_m", "bearing_sigma_deg", "elev_sigma_deg", "vr_sigma_mps"):
            self._require_within(name, 0.0, MAX_MAGNITUDE)
        self._require_within("max_range_m", 0.0, MAX_MAGNITUDE)
        _require(self.min_range_m < self.max_range_m, "max_range_m", "must be greater than min_range_m")
        self._require_within("min_elev_deg", -90.0, 90.0)
        self._require_within("max_elev_deg", -90.0, 90.0)
        _require(self.min_elev_deg < self.max_elev_deg, "max_elev_deg", "must be greater than min_elev_deg")
        self._require_within("detection_probability", 0.0, 1.0)
        self._require_within("clutter_per_scan", 0.0, MAX_CLUTTER_PER_SCAN)
        self._require_within("snr_ref_db", -MAX_MAGNITUDE, MAX_MAGNITUDE)
        self._require_within("rcs_ref_dbsm", -MAX_MAGNITUDE, MAX_MAGNITUDE)
        self._require_within("range_ref_m", 0.0, MAX_MAGNITUDE)
        _require(self.range_ref_m > 0.0, "range_ref_m", "must be greater than 0")
        self._require_within("transponder_range_m", 0.0, MAX_MAGNITUDE)
        self._require_within("transponder_reply_probability", 0.0, 1.0)
        _require(self.max_detections >= 1, "max_detections", "must be at least 1")

    def _require_within(self, name: str, low: float, high: float) -> None:
        value: float = getattr(self, name)
        # A NaN is within no limits: it fails the comparison.
        _require(low <= value <= high, name, f"must be within [{low:g}, {high:g}], not {value}")


def _require(holds: bool, name: str, what: str) -> None:
    if not holds:
        raise ValueError(f"{name} {what}")
