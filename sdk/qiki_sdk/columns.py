"""Columns of a message: written directly from memory, and a frame's detections as columns from either layout."""

import sys
from array import array
from operator import attrgetter
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from qiki.radar.v1.radar_pb2 import DetectionColumns, RadarFrame
from qiki_sdk.varint import varint

_VARINTS = frozenset(
    {
        FieldDescriptor.TYPE_BOOL,
        FieldDescriptor.TYPE_ENUM,
        FieldDescriptor.TYPE_UINT32,
        FieldDescriptor.TYPE_UINT64,
        FieldDescriptor.TYPE_INT32,
        FieldDescriptor.TYPE_INT64,
    }
)
_MEASURED = ("range_m", "bearing_deg", "elev_deg", "vr_mps", "snr_db", "rcs_dbsm")
_SPARE = (
    "transponder_on",
    "transponder_mode",
    "transponder_id",
    "id_present",
    "time_offset_s",
    "range_sigma_m",
    "bearing_sigma_deg",
    "elev_sigma_deg",
    "vr_sigma_mps",
)


def extend(columns: Message, **values: Any) -> None:
    """Append to packed columns of a message directly from memory, such as a NumPy array's.

    ```
    extend(frame.detection_columns, range_m=ranges, bearing_deg=bearings, transponder_on=answered)
    ```

    Columns of doubles take doubles: arrays of float64, `array("d")`. Columns of enums, booleans and integers take bytes
    below 128: arrays of uint8 or bool, `bytes`. It is some fifty times as fast as the columns' own `extend`, since
    these bytes are the wire encoding. To read a column into an array, `numpy.array(columns.range_m)` is as fast.

    Raises:
        TypeError: a field that is no packed column, or values of the wrong type; then nothing is appended.
    """
    pieces: list[bytes | memoryview] = []
    for name, data in values.items():
        field = columns.DESCRIPTOR.fields_by_name.get(name)
        if field is None or not field.is_packed:
            raise TypeError(f"{name} is no packed column of {columns.DESCRIPTOR.full_name}")
        view = memoryview(data)
        if field.type == FieldDescriptor.TYPE_DOUBLE:
            body = _doubles(name, view)
        elif field.type in _VARINTS:
            body = _small(name, view)
        else:
            raise TypeError(f"{name} is a column of neither doubles nor whole numbers")
        # A packed field: its number and wire type 2, its length in bytes, its values.
        pieces += [varint(field.number << 3 | 2), varint(body.nbytes), body]
    columns.MergeFromString(b"".join(pieces))


def _doubles(name: str, view: memoryview) -> memoryview:
    """Return the bytes of a packed field of doubles: little-endian, contiguous."""
    if view.format != "d":
        raise TypeError(f"{name} must be given as doubles, not {view.format!r}")
    if sys.byteorder == "little":
        return view if view.c_contiguous else memoryview(view.tobytes())
    swapped = array("d", view.tobytes())
    swapped.byteswap()
    return memoryview(swapped)


def _small(name: str, view: memoryview) -> memoryview:
    """Return the bytes of a packed field of varints below 128: one byte each, without the continuation bit."""
    body = view.tobytes()
    if view.format not in ("B", "?") or not body.isascii():
        raise TypeError(f"{name} must be given as bytes below 128")
    return memoryview(body)


def detection_columns(frame: RadarFrame) -> DetectionColumns:
    """Return a frame's detections as columns, whether the frame has columns or messages, as archived frames do.

    For messages, the columns in which every value is 0 stay empty; `range_band` is that of the first detection.
    """
    if frame.HasField("detection_columns"):
        return frame.detection_columns
    columns = DetectionColumns()
    if not frame.detections:
        return columns
    columns.range_band = frame.detections[0].range_band
    read = attrgetter(*_MEASURED, *_SPARE)
    rows = zip(*(read(detection) for detection in frame.detections), strict=True)
    for name, column in zip((*_MEASURED, *_SPARE), rows, strict=True):
        if name in _MEASURED or any(column):
            getattr(columns, name).extend(column)
    return columns
