"""Conversion of radar frames, with detections as messages or columns, to the domain's frames."""

import re
from collections.abc import Callable
from dataclasses import fields
from math import isfinite
from operator import attrgetter
from typing import Any, Final

import numpy as np

from qiki.common.v1.geometry_pb2 import Vector3d
from qiki.radar.v1 import radar_pb2
from qiki.radar.v1.radar_pb2 import DetectionColumns, RadarFrame
from svc_tracker.domain.frame import (
    ALL_AROUND,
    MAX_BLIND_SECTORS,
    MAX_TEXT_CHARACTERS,
    Detections,
    Frame,
    FrameError,
    Sector,
    SensorModel,
    SensorStatus,
    SwerlingCase,
)
from svc_tracker.domain.state.types import Floats

_NUMBERS: Final = tuple(field.name for field in fields(SensorModel) if field.name not in ("coverage", "swerling"))
_read_numbers: Final[Callable[[Any], tuple[Any, ...]]] = attrgetter(*_NUMBERS)

# The columns of the detections and their types.
_COLUMNS: Final[dict[str, Any]] = {
    "range_m": np.float64,
    "bearing_deg": np.float64,
    "elev_deg": np.float64,
    "vr_mps": np.float64,
    "snr_db": np.float64,
    "rcs_dbsm": np.float64,
    "transponder_on": np.bool_,
    "transponder_mode": np.int64,
    "id_present": np.bool_,
    "time_offset_s": np.float64,
    "range_sigma_m": np.float64,
    "bearing_sigma_deg": np.float64,
    "elev_sigma_deg": np.float64,
    "vr_sigma_mps": np.float64,
}
_read_detection: Final[Callable[[Any], tuple[Any, ...]]] = attrgetter(*_COLUMNS, "range_band", "transponder_id")
_BANDS: Final = tuple(radar_pb2.RadarRangeBand.values())
_DETECTION: Final = re.compile(r"detections\[(\d+)\]\.(\w+)")


def to_frame(frame: RadarFrame) -> Frame:
    """Return the domain's frame; detections as messages and as columns give equal frames.

    The tracker ignores `scan_kind` and the reasons of blind sectors.

    Raises:
        FrameError: a field is missing or invalid; names it as in the message.
    """
    for name in ("timestamp", "sensor_id", "sensor_pose", "sensor_model"):
        if not frame.HasField(name):
            raise FrameError(name, "is missing")
    if len(frame.frame_id.value) > MAX_TEXT_CHARACTERS:
        raise FrameError("frame_id", f"must have at most {MAX_TEXT_CHARACTERS} characters")
    status = frame.status or radar_pb2.SensorStatus.SENSOR_STATUS_OK
    if int(status) not in tuple(map(int, SensorStatus)):
        raise FrameError("status", f"is not known: {status}")
    _require_attitude(frame)
    try:
        return Frame(
            time_ns=_to_nanoseconds(frame),
            sensor_id=frame.sensor_id.value,
            status=SensorStatus(status),
            sensor_position_m=components(frame.sensor_pose.position),
            sensor_velocity_mps=components(frame.sensor_pose.velocity),
            sensor_model=_to_model(frame.sensor_model),
            detections=_to_detections(frame),
            truncated=frame.truncated,
            sensor_position_covariance=_to_covariance(frame),
            sensor_north_sigma_deg=frame.sensor_north_sigma_deg,
            blind_sectors=_to_blind_sectors(frame),
        )
    except FrameError as error:
        if not frame.HasField("detection_columns"):
            raise
        raise FrameError(_column_of(error.field), error.message) from error


def components(vector: Vector3d) -> Floats:
    """Return a vector's components (3,)."""
    return np.array((vector.x, vector.y, vector.z))


def _to_detections(frame: RadarFrame) -> Detections:
    if not frame.HasField("detection_columns"):
        return _from_messages(frame)
    if frame.detections:
        raise FrameError("detection_columns", "must be left out where there are detections: give one or the other")
    return _from_columns(frame.detection_columns)


def _from_messages(frame: RadarFrame) -> Detections:
    """Return the detections in one pass over the messages, because reading their fields is slow."""
    if not frame.detections:
        return _from_columns(DetectionColumns())
    *columns, bands, identities = zip(*map(_read_detection, frame.detections), strict=True)
    arrays = {name: np.array(column, dtype) for (name, dtype), column in zip(_COLUMNS.items(), columns, strict=True)}
    return Detections(**arrays, transponder_id=identities, range_band=np.array(bands, np.int64))


def _from_columns(columns: DetectionColumns) -> Detections:
    if columns.range_band not in _BANDS:
        raise FrameError("detection_columns.range_band", f"is not known: {columns.range_band}")
    count = len(columns.range_m)
    arrays = {name: _to_array(columns, name, dtype, count) for name, dtype in _COLUMNS.items()}
    _require_length("transponder_id", len(columns.transponder_id), count)
    return Detections(
        **arrays,
        transponder_id=tuple(columns.transponder_id) or ("",) * count,
        range_band=np.full(count, int(columns.range_band)),
    )


def _to_array(columns: DetectionColumns, name: str, dtype: Any, count: int) -> Any:
    values = getattr(columns, name)
    _require_length(name, len(values), count)
    return np.array(values, dtype) if values else np.zeros(count, dtype)


def _require_length(name: str, length: int, count: int) -> None:
    if length not in (0, count):
        raise FrameError(f"detection_columns.{name}", f"has {length} values, and range_m has {count}")


def _column_of(field: str) -> str:
    """Return the path of a detection's field in the columns."""
    if field == "detections":
        return "detection_columns"
    return _DETECTION.sub(r"detection_columns.\2[\1]", field)


def _to_model(model: radar_pb2.SensorModel) -> SensorModel:
    if int(model.swerling) not in tuple(map(int, SwerlingCase)):
        raise FrameError("sensor_model.swerling", f"is not known: {model.swerling}")
    return SensorModel(
        **dict(zip(_NUMBERS, _read_numbers(model), strict=True)),
        coverage=_to_sector(model.coverage, "sensor_model.coverage") if model.HasField("coverage") else ALL_AROUND,
        swerling=SwerlingCase(model.swerling),
    )


def _to_blind_sectors(frame: RadarFrame) -> tuple[Sector, ...]:
    if len(frame.blind_sectors) > MAX_BLIND_SECTORS:
        raise FrameError("blind_sectors", f"must be at most {MAX_BLIND_SECTORS}, not {len(frame.blind_sectors)}")
    return tuple(
        _to_sector(blind.sector, f"blind_sectors[{index}].sector") for index, blind in enumerate(frame.blind_sectors)
    )


def _to_sector(sector: radar_pb2.Sector, field: str) -> Sector:
    try:
        return Sector(sector.start_deg, sector.width_deg)
    except FrameError as error:
        raise FrameError(error.field.replace("sector", field, 1), error.message) from error


def _to_covariance(frame: RadarFrame) -> Floats:
    """Return the covariance (3, 3) of the sensor's position, zero where the frame has none."""
    values: Floats = np.array(frame.sensor_position_covariance, np.float64)
    if len(values) not in (0, 6):
        raise FrameError("sensor_position_covariance", f"must have 0 or 6 values, not {len(values)}")
    xx, xy, xz, yy, yz, zz = values.tolist() or (0.0,) * 6
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


def _require_attitude(frame: RadarFrame) -> None:
    """Refuse an attitude that is not finite: the filter does not use it, but the track sets repeat it."""
    attitude = frame.sensor_pose.attitude
    for axis in ("w", "x", "y", "z"):
        if not isfinite(getattr(attitude, axis)):
            raise FrameError(f"sensor_pose.attitude.{axis}", f"must be finite, not {getattr(attitude, axis)}")


def _to_nanoseconds(frame: RadarFrame) -> int:
    if not 0 <= frame.timestamp.nanos < 1_000_000_000:
        raise FrameError("timestamp.nanos", f"must be within [0, 999999999], not {frame.timestamp.nanos}")
    return int(frame.timestamp.seconds) * 1_000_000_000 + int(frame.timestamp.nanos)
