"""Scenes: truth and detections of simulated, coalescing and recorded traffic."""
