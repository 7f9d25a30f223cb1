"""A frame's detections as columns, for readers that request them."""

from typing import Final

import numpy as np

from qiki.radar.v1.radar_pb2 import DetectionColumns
from qiki_sdk.columns import extend
from svc_radar.domain import RadarModel, Scan
from svc_radar.domain.scene import Floats

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
_REPLIES: Final = ("transponder_on", "transponder_mode", "id_present")


def fill_columns(columns: DetectionColumns, scan: Scan, model: RadarModel) -> None:
    """Set the columns to the scan's detections: the same values to the bit as in messages."""
    columns.SetInParent()
    if not len(scan):
        return
    columns.range_band = int(model.range_band)  # type: ignore[assignment]  # the numbers are those on the wire
    measured = {name: getattr(scan, name) for name in _DOUBLES}
    replies = {name: getattr(scan, name) for name in _REPLIES}
    extend(columns, range_m=scan.range_m, **{name: values for name, values in measured.items() if _is_needed(values)})
    extend(columns, **{name: values.astype(np.uint8) for name, values in replies.items() if values.any()})
    if any(scan.transponder_id):
        columns.transponder_id.extend(scan.transponder_id)


def _is_needed(values: Floats) -> bool:
    """Return whether a column has more than positive zeros, which an empty column represents; -0.0 counts as more."""
    return bool(np.any(values) or np.signbit(values).any())
