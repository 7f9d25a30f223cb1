"""A frame's detections as columns, for readers that request them."""

from typing import Final

import numpy as np

from qiki.radar.v1.radar_pb2 import DetectionColumns, RadarFrame
from qiki_sdk.columns import extend
from svc_radar.domain import RadarModel, Scan

_DOUBLES: Final = (
    "bearing_deg",
    "elev_deg",
    "vr_mps",
    "snr_db",
    "rcs_dbsm",
    "time_offset_s",
    "range_sigma_m",
    "bearing_sigma_deg",
    "elev_sigma_deg",
    "vr_sigma_mps",
)


def in_columns(frame: RadarFrame, scan: Scan, model: RadarModel) -> RadarFrame:
    """Return the scan's frame with its detections as columns instead of messages: the same values to the bit."""
    told = RadarFrame()
    told.CopyFrom(frame)
    told.ClearField("detections")
    columns: DetectionColumns = told.detection_columns
    columns.SetInParent()
    if len(scan):
        columns.range_band = int(model.range_band)  # type: ignore[assignment]  # the numbers are those on the wire
        extend(columns, range_m=scan.range_m, **{name: getattr(scan, name) for name in _DOUBLES if _says(scan, name)})
        answers = ("transponder_on", "transponder_mode", "id_present")
        extend(columns, **{name: getattr(scan, name).astype(np.uint8) for name in answers if getattr(scan, name).any()})
        if any(scan.transponder_id):
            columns.transponder_id.extend(scan.transponder_id)
    return told


def _says(scan: Scan, name: str) -> bool:
    """Return whether a column holds more than positive zeros, which an empty column stands for; -0.0 counts as more."""
    values = getattr(scan, name)
    return bool(np.any(values) or np.signbit(values).any())
