"""Replay: an archived run's frames through the tracker again, compared with the archived tracks."""
