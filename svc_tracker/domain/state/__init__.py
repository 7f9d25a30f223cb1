"""State of the tracks: array types, records, selection."""
