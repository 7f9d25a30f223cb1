"""Benchmark of the mesh's tracker against Stone Soup and perfect association."""
