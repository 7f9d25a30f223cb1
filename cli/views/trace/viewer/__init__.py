"""Viewer of traces: finds spans in the store and shows them as a tree in time."""
