"""Measurements: accuracy, speed, and cost over gRPC."""
