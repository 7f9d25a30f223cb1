"""Benchmarks and soak: speed, accuracy and memory of the running code."""
