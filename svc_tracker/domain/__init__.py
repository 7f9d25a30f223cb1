"""The tracker's domain: a pure fold from radar frames to tracks.

A frame (`frame.py`) passes through the tracking cycle (`cycle.py`), identification (`identity/`) and the guard
(`guard/`); `tracker.py` is the fold, `table.py` its output.
"""

from svc_tracker.domain.frame import (
    Detections,
    Frame,
    FrameError,
    SensorModel,
    SensorStatus,
    bare_detections,
    no_detections,
)
from svc_tracker.domain.model import Mode, TrackerModel
from svc_tracker.domain.snapshot import SnapshotError
from svc_tracker.domain.state.tracks import TrackStatus
from svc_tracker.domain.table import TrackTable
from svc_tracker.domain.tracker import Tracker

__all__ = [
    "Detections",
    "Frame",
    "FrameError",
    "Mode",
    "SensorModel",
    "SensorStatus",
    "SnapshotError",
    "TrackStatus",
    "TrackTable",
    "Tracker",
    "TrackerModel",
    "bare_detections",
    "no_detections",
]
