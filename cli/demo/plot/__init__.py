"""The picture of a run: a radar plot of truth, detections and tracks."""
