"""The tracker's domain: frames become tracks, as a pure fold."""

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
