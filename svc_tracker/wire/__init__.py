"""Conversion between the protocol's messages and the domain's arrays."""

from svc_tracker.wire.columns import to_track_columns
from svc_tracker.wire.frames import to_frame
from svc_tracker.wire.tracks import TrackIds, to_track_sets

__all__ = ["TrackIds", "to_frame", "to_track_columns", "to_track_sets"]
