"""One scan of a benchmark scene: truth and detections."""

from dataclasses import dataclass

import numpy as np

from svc_tracker.domain.state.types import Booleans, Floats, Integers


@dataclass(frozen=True, slots=True, eq=False)
class SceneScan:
    """Truth and detections of one scan: n targets, m detections.

    `position_m` and `velocity_mps` (n, 2) are east and north of the radar, `ids` (n,) are never reused, `turning` (n,)
    marks targets in a turn since the scan before. `range_m`, `bearing_deg` (m,) are measured, `source` (m,) is the row
    of the detected target, -1 for a false detection.
    """

    time_s: float
    ids: Integers
    position_m: Floats
    velocity_mps: Floats
    turning: Booleans
    range_m: Floats
    bearing_deg: Floats
    source: Integers


def wrap_bearing(bearing_deg: Floats) -> Floats:
    """Return the bearings in [0, 360)."""
    within = bearing_deg % 360.0
    # The remainder of a value barely below 0 is rounded to 360 itself.
    return np.where(within < 360.0, within, 0.0)
