"""Metrics of the tracker: the time of an update, the tracks by status, and the frames of sessions."""

import numpy as np
from prometheus_client import CollectorRegistry, Gauge, Histogram

from mesh.telemetry.labelled_counter import LabelledCounter
from svc_tracker.domain.state.tracks import TrackStatus
from svc_tracker.domain.table import TrackTable

_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class TrackerMetrics:
    """The metrics of the fold of frames."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._duration = Histogram(
            "qiki_tracker_update_duration_seconds",
            "Time to track a frame and to make its events.",
            registry=registry,
            buckets=_BUCKETS,
        )
        tracks = Gauge(
            "qiki_tracker_tracks", "Tracks after the newest frame, by status.", ["status"], registry=registry
        )
        self._tracks = [(int(status), tracks.labels(status.name.lower())) for status in TrackStatus]

    def updated(self, table: TrackTable, duration_s: float) -> None:
        """Note the table of tracks after a frame, and how many seconds it took to make."""
        self._duration.observe(duration_s)
        counts = np.bincount(table.records.status, minlength=len(self._tracks) + 1)
        for status, gauge in self._tracks:
            gauge.set(counts[status])


class SessionMetrics:
    """The metrics of `TrackFrames` sessions: frames by outcome, refused ones by their invalid field."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.frames = LabelledCounter("qiki_tracker_track_frames", "Frames pushed to sessions.", "outcome", registry)
        self.refusals = LabelledCounter(
            "qiki_tracker_track_frames_refused", "Frames of sessions refused, by field.", "field", registry
        )
