"""Comparison of two archived runs, event by event."""
