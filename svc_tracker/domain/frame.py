"""Radar frame: the checked report of one sensor on one scan. Values that are not finite or out of range are refused."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

import numpy as np

from svc_tracker.domain.state.types import Booleans, Floats, Integers

# From 1824 to 2116: the difference of two times fits into 64 bits of nanoseconds.
MAX_TIME_NS: Final = 2**62
# The resolution of a position in float64 is a tenth of a millimetre up to here.
MAX_DISTANCE_M: Final = 1e12
MAX_RANGE_M: Final = 1e9
MAX_SPEED_MPS: Final = 1e6
MAX_DECIBELS: Final = 1e15
MAX_CLUTTER_PER_SCAN: Final = 100_000.0
# The filter takes a direction's error for an ellipse in space, which it is not beyond this.
MAX_ANGLE_SIGMA_DEG: Final = 10.0
MAX_TEXT_CHARACTERS: Final = 64
MAX_SCAN_S: Final = 3_600.0
MAX_BLIND_SECTORS: Final = 64

_COLUMN_LIMITS: Final = {
    "range_m": (0.0, MAX_RANGE_M),
    "bearing_deg": (0.0, 360.0),
    "elev_deg": (-90.0, 90.0),
    "vr_mps": (-MAX_SPEED_MPS, MAX_SPEED_MPS),
    "snr_db": (-MAX_DECIBELS, MAX_DECIBELS),
    "rcs_dbsm": (-MAX_DECIBELS, MAX_DECIBELS),
    "transponder_mode": (0, 3),
    "range_band": (0, 2),
}
# Optional columns: where one is empty, every value is 0.
_OPTIONAL_LIMITS: Final = {
    "time_offset_s": (-MAX_SCAN_S, 0.0),
    "range_sigma_m": (0.0, MAX_RANGE_M),
    "bearing_sigma_deg": (0.0, MAX_ANGLE_SIGMA_DEG),
    "elev_sigma_deg": (0.0, MAX_ANGLE_SIGMA_DEG),
    "vr_sigma_mps": (0.0, MAX_SPEED_MPS),
}


class FrameError(ValueError):
    """A refused frame: `field` is the path of the wrong field on the wire."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class SensorStatus(IntEnum):
    """The status of a sensor during a scan; the numbers are those on the wire."""

    OK = 1
    OFF = 2
    FAILED = 3


class SwerlingCase(IntEnum):
    """The fluctuation of an echo's power from scan to scan; the numbers are those on the wire."""

    UNSPECIFIED = 0
    CASE_0 = 1
    CASE_1 = 2
    CASE_3 = 3


@dataclass(frozen=True, slots=True)
class Sector:
    """Bearings from `start_deg`, in [0, 360), clockwise over `width_deg`, in (0, 360]. Raises FrameError."""

    start_deg: float
    width_deg: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.start_deg < 360.0:
            raise FrameError("sector.start_deg", f"must be within [0, 360), not {self.start_deg}")
        if not 0.0 < self.width_deg <= 360.0:
            raise FrameError("sector.width_deg", f"must be within (0, 360], not {self.width_deg}")

    def contains(self, bearing_deg: Floats) -> Booleans:
        """Return which of the bearings are in the sector."""
        within: Booleans = np.mod(bearing_deg - self.start_deg, 360.0) <= self.width_deg
        return within


ALL_AROUND: Final = Sector(0.0, 360.0)


@dataclass(frozen=True, slots=True)
class SensorModel:
    """The coverage and accuracy of a sensor, as on the wire. Raises FrameError.

    The sigma of a quantity that is not measured is ignored. With `range_ref_m` 0 every target in view is detected with
    `detection_probability`, else with that of the radar equation.
    """

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
    coverage: Sector = ALL_AROUND
    no_elevation: bool = False
    no_radial_velocity: bool = False
    range_resolution_m: float = 0.0
    bearing_resolution_deg: float = 0.0
    elev_resolution_deg: float = 0.0
    vr_resolution_mps: float = 0.0
    clutter_max_vr_mps: float = 0.0
    min_radial_speed_mps: float = 0.0
    false_alarm_probability: float = 0.0
    swerling: SwerlingCase = SwerlingCase.UNSPECIFIED
    snr_ref_db: float = 0.0
    rcs_ref_dbsm: float = 0.0
    range_ref_m: float = 0.0

    def __post_init__(self) -> None:
        self._require("min_range_m", 0.0 <= self.min_range_m <= MAX_RANGE_M, f"must be within [0, {MAX_RANGE_M:g}]")
        self._require("max_range_m", self.min_range_m < self.max_range_m <= MAX_RANGE_M, "must exceed min_range_m")
        self._require("min_elev_deg", -90.0 <= self.min_elev_deg <= 90.0, "must be within [-90, 90]")
        self._require("max_elev_deg", self.min_elev_deg < self.max_elev_deg <= 90.0, "must exceed min_elev_deg")
        for name, most, ignored in (
            ("range_sigma_m", MAX_RANGE_M, False),
            ("bearing_sigma_deg", MAX_ANGLE_SIGMA_DEG, False),
            ("elev_sigma_deg", MAX_ANGLE_SIGMA_DEG, self.no_elevation),
            ("vr_sigma_mps", MAX_SPEED_MPS, self.no_radial_velocity),
        ):
            self._require(name, ignored or 0.0 < getattr(self, name) <= most, f"must be within (0, {most:g}]")
        for name, most in (
            ("range_resolution_m", MAX_RANGE_M),
            ("bearing_resolution_deg", 360.0),
            ("elev_resolution_deg", 180.0),
            ("vr_resolution_mps", MAX_SPEED_MPS),
            ("clutter_max_vr_mps", MAX_SPEED_MPS),
            ("min_radial_speed_mps", MAX_SPEED_MPS),
            ("false_alarm_probability", 1.0),
            ("range_ref_m", MAX_RANGE_M),
        ):
            self._require(name, 0.0 <= getattr(self, name) <= most, f"must be within [0, {most:g}]")
        for name in ("snr_ref_db", "rcs_ref_dbsm"):
            self._require(name, abs(getattr(self, name)) <= MAX_DECIBELS, f"must be finite and within {MAX_DECIBELS:g}")
        self._require("swerling", self.swerling in tuple(SwerlingCase), "must be known")
        self._require("detection_probability", 0.0 <= self.detection_probability <= 1.0, "must be within [0, 1]")
        most = MAX_CLUTTER_PER_SCAN
        self._require("clutter_per_scan", 0.0 <= self.clutter_per_scan <= most, f"must be within [0, {most:g}]")

    def _require(self, name: str, valid: bool, problem: str) -> None:
        if not valid:
            raise FrameError(f"sensor_model.{name}", f"{problem}, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """m detections as on the wire, each array (m,). Raises FrameError naming the first invalid value.

    The range is positive, the bearing in [0, 360), the elevation in [-90, 90], the radial velocity negative when
    closing; `transponder_id` is valid where `id_present` holds. Time offsets are relative to the frame's time and not
    positive; a sigma of 0 stands for the sensor model's. These columns may be empty: then every value is 0.
    """

    range_m: Floats
    bearing_deg: Floats
    elev_deg: Floats
    vr_mps: Floats
    snr_db: Floats
    rcs_dbsm: Floats
    transponder_on: Booleans
    transponder_mode: Integers
    transponder_id: tuple[str, ...]
    id_present: Booleans
    range_band: Integers
    time_offset_s: Floats = field(default_factory=lambda: np.empty(0))
    range_sigma_m: Floats = field(default_factory=lambda: np.empty(0))
    bearing_sigma_deg: Floats = field(default_factory=lambda: np.empty(0))
    elev_sigma_deg: Floats = field(default_factory=lambda: np.empty(0))
    vr_sigma_mps: Floats = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        self._require_shapes()
        for name, (low, high) in {**_COLUMN_LIMITS, **_OPTIONAL_LIMITS}.items():
            column: Floats | Integers = getattr(self, name)
            # A NaN fails the comparison.
            self._require_all(name, (column >= low) & (column <= high), f"must be within [{low:g}, {high:g}]")
        self._require_all("range_m", self.range_m > 0.0, "must be greater than 0")
        self._require_all("bearing_deg", self.bearing_deg < 360.0, "must be less than 360")
        for index, text in enumerate(self.transponder_id):
            if len(text) > MAX_TEXT_CHARACTERS:
                problem = f"must have at most {MAX_TEXT_CHARACTERS} characters, not {len(text)}"
                raise FrameError(f"detections[{index}].transponder_id", problem)

    def __len__(self) -> int:
        return len(self.transponder_id)

    def _require_shapes(self) -> None:
        for name in (*_COLUMN_LIMITS, "transponder_on", "id_present"):
            column = getattr(self, name)
            kinds = "iu" if name in ("transponder_mode", "range_band") else "b" if name not in _COLUMN_LIMITS else "f"
            if column.shape != (len(self),) or column.dtype.kind not in kinds:
                problem = f"column {name} is {column.dtype} of shape {column.shape}, not {kinds} of ({len(self)},)"
                raise FrameError("detections", problem)
        for name in _OPTIONAL_LIMITS:
            column = getattr(self, name)
            if column.dtype.kind != "f" or column.shape not in ((len(self),), (0,)):
                raise FrameError("detections", f"column {name} is {column.dtype} of shape {column.shape}")

    def _require_all(self, name: str, valid: Booleans, problem: str) -> None:
        if not valid.all():
            index = int(np.argmin(valid))
            raise FrameError(f"detections[{index}].{name}", f"{problem}, not {getattr(self, name)[index]}")


def bare_detections(range_m: Floats, bearing_deg: Floats) -> Detections:
    """Return detections (m,) of range and bearing alone: the other columns are 0, the sigmas the sensor model's."""
    count = len(range_m)
    real, number, flag = np.zeros(count), np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.bool_)
    return Detections(range_m, bearing_deg, real, real, real, real, flag, number, ("",) * count, flag, number)


def no_detections() -> Detections:
    """Return the detections of an empty scan."""
    return bare_detections(np.empty(0), np.empty(0))


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One scan of one sensor: its end in nanoseconds, and the sensor's position and velocity (3,) in ENU at that time.

    `sensor_position_covariance` is (3, 3) in m2, `sensor_north_sigma_deg` the error common to all bearings; nothing is
    detected in `blind_sectors`. Raises FrameError, which names the field as on the wire.
    """

    time_ns: int
    sensor_id: str
    status: SensorStatus
    sensor_position_m: Floats
    sensor_velocity_mps: Floats
    sensor_model: SensorModel
    detections: Detections = field(default_factory=no_detections)
    truncated: bool = False
    sensor_position_covariance: Floats = field(default_factory=lambda: np.zeros((3, 3)))
    sensor_north_sigma_deg: float = 0.0
    blind_sectors: tuple[Sector, ...] = ()

    def __post_init__(self) -> None:
        if not -MAX_TIME_NS <= self.time_ns <= MAX_TIME_NS:
            raise FrameError("timestamp", f"must be within {MAX_TIME_NS} ns of 1970, not {self.time_ns}")
        if not 1 <= len(self.sensor_id) <= MAX_TEXT_CHARACTERS:
            raise FrameError("sensor_id", f"must have 1 to {MAX_TEXT_CHARACTERS} characters, not {len(self.sensor_id)}")
        if self.status not in tuple(SensorStatus):
            raise FrameError("status", f"must be OK, OFF or FAILED, not {self.status}")
        _require_vector("sensor_pose.position", self.sensor_position_m, MAX_DISTANCE_M)
        _require_vector("sensor_pose.velocity", self.sensor_velocity_mps, MAX_SPEED_MPS)
        if self.status is not SensorStatus.OK and len(self.detections):
            raise FrameError("detections", f"must be empty from a sensor that is {SensorStatus(self.status).name}")
        if not 0.0 <= self.sensor_north_sigma_deg <= MAX_ANGLE_SIGMA_DEG:
            problem = f"must be within [0, {MAX_ANGLE_SIGMA_DEG:g}], not {self.sensor_north_sigma_deg}"
            raise FrameError("sensor_north_sigma_deg", problem)
        if len(self.blind_sectors) > MAX_BLIND_SECTORS:
            raise FrameError("blind_sectors", f"must be at most {MAX_BLIND_SECTORS}, not {len(self.blind_sectors)}")
        _require_covariance(self.sensor_position_covariance)


def _require_vector(name: str, vector: Floats, most: float) -> None:
    if vector.shape != (3,):
        raise FrameError(name, f"must have 3 components, not the shape {vector.shape}")
    for axis, value in zip("xyz", vector.tolist(), strict=True):
        if not abs(value) <= most:
            raise FrameError(f"{name}.{axis}", f"must be finite and within {most:g}, not {value}")


def _require_covariance(covariance: Floats) -> None:
    name = "sensor_position_covariance"
    if covariance.shape != (3, 3) or not (np.abs(covariance) <= MAX_DISTANCE_M).all():
        raise FrameError(name, f"must be finite and within {MAX_DISTANCE_M:g} m2")
    if not np.array_equal(covariance, covariance.T) or np.linalg.eigvalsh(covariance)[0] < -1e-9 * covariance.max():
        raise FrameError(name, "must be symmetric and without negative eigenvalues")
