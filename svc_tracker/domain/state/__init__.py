"""State of the tracks: array types, records, estimates, selection."""
