"""Compared trackers: the mesh's own, Stone Soup, and references with perfect association."""
