"""The radar: turns world snapshots into frames of detections."""
