"""The demonstration: run to the end, read everything back, verify it, draw it."""
