"""The tracker's domain: frames become tracks, as a pure fold."""

from svc_tracker.domain.frame import Detections, Frame, FrameError, SensorModel, SensorStatus, no_detections
from svc_tracker.domain.gospa import Gospa, gospa, ospa
from svc_tracker.domain.model import TrackerModel
from svc_tracker.domain.snapshot import SnapshotError
from svc_tracker.domain.tracker import Tracker
from svc_tracker.domain.tracks import TrackStatus, TrackTable

__all__ = [
    "Detections",
    "Frame",
    "FrameError",
    "Gospa",
    "SensorModel",
    "SensorStatus",
    "SnapshotError",
    "TrackStatus",
    "TrackTable",
    "Tracker",
    "TrackerModel",
    "gospa",
    "no_detections",
    "ospa",
]
